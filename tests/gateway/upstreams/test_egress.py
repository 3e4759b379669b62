"""The SSRF guard, address by address."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphub.gateway.errors import ForbiddenAddress
from mcphub.gateway.upstreams.egress import check_address, check_url, is_forbidden, networks
from mcphub.gateway.upstreams.outbound import proxy_for

FORBIDDEN = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.0", "100.127.255.255", "192.0.0.1", "198.18.0.1", "198.19.255.255", "224.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fdff::1", "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:a00:1", "::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::",
    "2002:a00:1::1", "2001:0:7f00:1::",
]  # fmt: skip
OPEN = [
    "1.1.1.1", "100.63.255.255", "100.128.0.0", "101.0.0.1", "172.15.255.255", "172.32.0.0", "192.0.1.1", "198.17.0.1",
    "198.20.0.0", "169.253.1.1", "11.0.0.0", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1",
]  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
def test_private_and_reserved_addresses_are_forbidden(address: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_address(address)


@pytest.mark.parametrize("address", OPEN)
def test_public_addresses_are_open(address: str) -> None:
    check_address(address)


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_the_same_in_every_disguise(value: int) -> None:
    plain = ipaddress.IPv4Address(value)
    verdict = is_forbidden(plain)
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | value)
    translated = ipaddress.IPv6Address(0x64FF9B << 96 | value)
    tunnelled = ipaddress.IPv6Address(0x2002 << 112 | value << 80)
    assert {is_forbidden(face) for face in (mapped, translated, tunnelled)} == {verdict}


def test_allowed_networks_outweigh_the_forbidden_ones() -> None:
    allowed = networks(["10.1.0.0/16", " fd00::/8 "])
    check_address("10.1.2.3", allowed)
    check_address("::ffff:10.1.2.3", allowed)
    check_address("fd12::1", allowed)
    with pytest.raises(ForbiddenAddress):
        check_address("10.2.0.1", allowed)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "file:///etc/passwd", "http://", "http:///x", "http://[::1", "http://example.com:x/",
        "http://127.0.0.1/", "http://127.1/", "http://0x7f000001/", "http://2130706433/", "http://017700000001/",
        "http://localhost./", "http://a.localhost/", "http://user@10.0.0.1/", "http://[::ffff:7f00:1]/",
    ],
)  # fmt: skip
def test_urls_that_cannot_be_right_are_refused_without_resolving(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_url(url)


def test_a_trusted_server_may_be_anywhere_on_http() -> None:
    assert check_url("http://127.0.0.1:3000/mcp", trusted=True).hostname == "127.0.0.1"
    with pytest.raises(ForbiddenAddress):
        check_url("gopher://127.0.0.1/", trusted=True)


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("http://a.example/x", {"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.example/x", {"HTTP_PROXY": "http://p:1"}, None),
        ("https://a.example/x", {"https_proxy": "p:1"}, "http://p:1"),
        ("https://a.example/x", {"ALL_PROXY": "socks5://p:1"}, "socks5://p:1"),
        ("http://127.0.0.1/x", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://a.example/x", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "b.example, example"}, None),
        ("http://a.example/x", {"HTTP_PROXY": "http://p:1", "NO_PROXY": ".example"}, None),
        ("http://a.example:8/x", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "a.example:9"}, "http://p:1"),
        ("http://badexample/x", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "example"}, "http://p:1"),
        ("http://a.example/x", {"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
    ],
)
def test_proxies_are_found_in_the_environment(url: str, environment: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(url, environment) == proxy
