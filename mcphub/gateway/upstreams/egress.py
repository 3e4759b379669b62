"""The SSRF guard: which addresses a server that is not trusted may be reached at. Pure but for the socket factory.

Trusted servers (an admin's, or nobody's) bypass it. For all others every address actually connected to is judged, at
connect time: a name that resolves differently the second time, a redirect, or an unusual spelling of an address end
at the same question. `check_url` answers beforehand what can be told without resolving a name.
Above: `outbound`, the transports, the registry. Below: `errors`. (behaviour reference 4.6; protocol reference E.9)
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from mcphub.gateway.errors import ForbiddenAddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]

_FORBIDDEN: tuple[Network, ...] = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, exactly
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: cloud metadata lives here
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "::1/128",
        "64:ff9b:1::/48",  # NAT64 inside one network: what is behind it is nobody's business
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read CIDR texts (single addresses too). Raises `ValueError` for one that is none."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)


def _faces(address: Address) -> list[Address]:
    """The address, and the IPv4 addresses that it stands for: one packet reaches them all."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    faces: list[Address] = [address]
    if address.ipv4_mapped is not None:
        faces.append(address.ipv4_mapped)
    if address.sixtofour is not None:
        faces.append(address.sixtofour)
    if address.teredo is not None:
        faces.extend(address.teredo)
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        faces.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return faces


def is_forbidden(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Whether an untrusted server may not be reached at this address. What is allowed outweighs what is forbidden."""
    faces = _faces(address)
    if any(face.version == network.version and face in network for face in faces for network in allowed):
        return False
    return any(face.version == network.version and face in network for face in faces for network in _FORBIDDEN)


def check_address(text: str, allowed: Iterable[Network] = ()) -> None:
    """Judge one IP address in text form.

    Raises:
        ForbiddenAddress: it is in a range that untrusted servers may not reach, or no IP address at all.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ForbiddenAddress(f"{text!r} is not an IP address.") from None
    if is_forbidden(address, allowed):
        raise ForbiddenAddress(f"{text} is in a private or reserved network, which this server may not reach.")


def check_url(url: str, allowed: Iterable[Network] = (), *, trusted: bool = False) -> SplitResult:
    """Judge a URL as far as that is possible without resolving names; returns its parts.

    Raises:
        ForbiddenAddress: not http(s), no host, or (not `trusted`) a host that is a forbidden address in any spelling.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ForbiddenAddress("This URL is not valid.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ForbiddenAddress("Only http and https URLs with a host are allowed.")
    if trusted:
        return parts
    name = host.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        check_address("127.0.0.1", allowed)
        return parts
    literal = _literal(name)
    if literal is not None:
        check_address(literal, allowed)
    return parts


def _literal(host: str) -> str | None:
    """The address that a host spells, in any of the forms resolvers understand (`127.1`, `0x7f000001`, ...)."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError):
        return None


def guarded_sockets(allowed: Callable[[], Iterable[Network]]) -> Callable[[AddressInfo], socket.socket]:
    """A socket factory for aiohttp's connector that refuses forbidden addresses; `allowed` is asked each time."""

    def make(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        check_address(str(address[0]), allowed())
        return socket.socket(family, kind, protocol)

    return make
