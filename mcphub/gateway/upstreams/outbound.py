"""Outbound: the HTTP connections that all remote upstreams of a process share, guarded for untrusted servers.

Above: `streamable`, `sse`, the OpenAPI transport. Below: `egress`, aiohttp. Trusted and guarded servers have separate
pools, so that nobody is handed a connection that a stricter question would have refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp_socks import ProxyConnector
from yarl import URL

from mcphub.gateway.errors import UpstreamUnavailable
from mcphub.gateway.snapshot import HttpSpec, ServerSpec
from mcphub.gateway.upstreams.egress import Network, guarded_sockets, networks

#: Idle connections are given up before the servers in use (5 s for Node) would do it in the middle of a request.
_KEEP_ALIVE = 4.0
_CONNECT_TIMEOUT = 15.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Route:
    """How one server is reached: the shared session, and the HTTP proxy to name in each request (or None)."""

    session: aiohttp.ClientSession
    proxy: URL | None = None


class Outbound:
    """See the module. Made lazily, closed once."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[bool, str], aiohttp.ClientSession] = {}
        self._allowed: tuple[Network, ...] = ()
        self._allowed_texts: tuple[str, ...] = ()

    def allow(self, texts: Iterable[str]) -> None:
        """Set the private networks that untrusted servers may reach all the same; unreadable texts count as none."""
        texts = tuple(texts)
        if texts != self._allowed_texts:
            self._allowed_texts = texts
            try:
                self._allowed = networks(texts)
            except ValueError:
                self._allowed = ()

    @property
    def allowed(self) -> tuple[Network, ...]:
        """The networks set by `allow`."""
        return self._allowed

    def session(self, spec: ServerSpec) -> aiohttp.ClientSession:
        """A session of the caller's own, to be closed by it, over the shared and guarded connections."""
        shared = self._session(spec.trusted, "")
        return aiohttp.ClientSession(
            connector=shared.connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=shared.timeout,
            trust_env=False,
        )

    def route(self, spec: ServerSpec, environment: Mapping[str, str]) -> Route:
        """The way to a remote MCP server; `environment` (the hub's) names proxies where the server's own does not.

        Raises:
            UpstreamUnavailable: the proxy's address is not one.
        """
        assert isinstance(spec.spec, HttpSpec)
        # An untrusted server must not use the hub's own proxy as a way around the guard, which cannot see behind it.
        proxy = proxy_for(spec.spec.url, {**environment, **spec.spec.env} if spec.trusted else spec.spec.env)
        if proxy is None:
            return Route(self._session(spec.trusted, ""))
        if proxy.startswith("socks"):
            return Route(self._session(spec.trusted, proxy))
        try:
            return Route(self._session(spec.trusted, ""), URL(proxy))
        except ValueError:
            raise UpstreamUnavailable("The configured HTTP proxy is not a valid URL.") from None

    def _session(self, trusted: bool, socks: str) -> aiohttp.ClientSession:
        session = self._sessions.get((trusted, socks))
        if session is None:
            session = self._sessions[trusted, socks] = self._make(trusted, socks)
        return session

    def _make(self, trusted: bool, socks: str) -> aiohttp.ClientSession:
        connector: aiohttp.BaseConnector
        if socks:
            try:
                connector = ProxyConnector.from_url(socks.replace("socks5h://", "socks5://"), rdns=True, limit=0)
            except ValueError:
                raise UpstreamUnavailable("The configured SOCKS proxy is not a valid URL.") from None
        else:
            # No limit here: every upstream has its own bound on calls in flight, and streams hold connections for ever.
            connector = aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=_KEEP_ALIVE,
                socket_factory=None if trusted else guarded_sockets(lambda: self._allowed),
            )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT),
            trust_env=False,
            read_bufsize=64 * 1024,
            max_line_size=64 * 1024,
            max_field_size=64 * 1024,
        )

    async def aclose(self) -> None:
        """Close all sessions and their connections."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()


def proxy_for(url: str, environment: Mapping[str, str]) -> str | None:
    """The proxy that an environment names for a URL, if any; the loopback is always reached directly."""
    target = URL(url)
    host = target.host or ""
    if host in _LOOPBACK:
        return None
    values = {key.lower(): value for key, value in environment.items() if value and key.lower().endswith("_proxy")}
    proxy = values.get(f"{target.scheme}_proxy") or values.get("all_proxy")
    if proxy is None:
        return None
    if any(_exempts(entry.strip().lower(), host, target.port) for entry in values.get("no_proxy", "").split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _exempts(entry: str, host: str, port: int | None) -> bool:
    """Whether one entry of NO_PROXY names the host: itself, a domain above it, with or without a port, or `*`."""
    name, _, wanted_port = entry.partition(":")
    if wanted_port and wanted_port != str(port):
        return False
    name = name.removeprefix("*").lstrip(".")
    return entry == "*" or (bool(name) and (host == name or host.endswith(f".{name}")))
