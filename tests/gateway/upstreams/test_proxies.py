"""Proxies: HTTP and SOCKS for remote servers, proxychains for children."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from yarl import URL

from mcphub.gateway.errors import UpstreamUnavailable
from mcphub.gateway.snapshot import HttpSpec, ProxySpec, StdioSpec
from mcphub.gateway.upstreams import command
from tests.gateway.upstreams.stage import Stage, remote, stdio
from tests.tools.processes import http_fixture

Forward = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def forward_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Requests come in absolute form and go on in origin form."""
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    back = asyncio.ensure_future(_pump(far_reader, writer))
    while head := await reader.readuntil(b"\r\n\r\n"):
        assert b" http://upstream.test/mcp " in head
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        far_writer.write(head.replace(b"http://upstream.test", b"", 1) + await reader.readexactly(length))
    await back


async def forward_socks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """RFC 1928, no authentication, a host name to connect to."""
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(b"\x05\x00")
    *_, kind, length = await reader.readexactly(5)
    assert kind == 3 and await reader.readexactly(length) == b"upstream.test"
    await reader.readexactly(2)
    writer.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


@asynccontextmanager
async def proxy(target: str, forward: Forward) -> AsyncIterator[tuple[int, list[int]]]:
    """A proxy that leads everything to one server; its port, and one entry for each connection it had."""
    used: list[int] = []
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        used.append(1)
        try:
            await forward(reader, writer, URL(target).port or 0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], used
    finally:
        server.close()
        if serving:
            await asyncio.wait(serving, timeout=5)


@pytest.mark.parametrize(("scheme", "forward"), [("http", forward_http), ("socks5", forward_socks)])
async def test_a_remote_server_is_reached_through_its_proxy(stage: Stage, scheme: str, forward: Forward) -> None:
    with http_fixture("raw_http", "--era", "modern") as url:
        async with proxy(url, forward) as (port, used):
            spec = HttpSpec("http://upstream.test/mcp", env={"HTTP_PROXY": f"{scheme}://127.0.0.1:{port}"})
            stage.show(replace(remote("s", "http://upstream.test/mcp"), spec=spec))
            try:
                assert await stage.tool("s", "echo", {"text": "far"}) == "far", stage.story("s")
                assert used
            finally:
                await stage.supervisor.aclose()


# --- proxychains


def _proxied(**proxy: object) -> StdioSpec:
    return StdioSpec("node", ("server.js",), proxy=ProxySpec(host="p.example", port=1080, **proxy))  # type: ignore[arg-type]


def test_a_command_is_wrapped_and_its_conf_is_private() -> None:
    spec = _proxied(username="u", password="secret")
    assert spec.proxy is not None
    argv, conf = command.wrapped(spec, spec.proxy, "/usr/bin/proxychains4")
    assert conf is not None
    try:
        assert argv == ["/usr/bin/proxychains4", "-q", "-f", str(conf), "node", "server.js"]
        assert stat.S_IMODE(conf.stat().st_mode) == 0o600
        text = conf.read_text()
        assert "strict_chain" in text and "proxy_dns" in text and text.endswith("socks5 p.example 1080 u secret\n")
    finally:
        conf.unlink()


def test_a_conf_of_ones_own_is_used_as_it_is() -> None:
    spec = _proxied(config_path="/etc/proxychains.conf")
    assert spec.proxy is not None
    argv, conf = command.wrapped(spec, spec.proxy, "proxychains4")
    assert argv[:4] == ["proxychains4", "-q", "-f", "/etc/proxychains.conf"] and conf is None


@pytest.mark.parametrize(
    "spec",
    [
        replace(_proxied(), command="/bin/bash"),
        _proxied(username="two words"),
        _proxied(password="line\nbreak"),
        replace(_proxied(), proxy=ProxySpec(host="p", port=0)),
        replace(_proxied(), proxy=ProxySpec(host="p\n[ProxyList]", port=1)),
    ],
)
def test_what_could_leave_the_proxy_or_forge_its_conf_is_refused(spec: StdioSpec) -> None:
    assert spec.proxy is not None
    with pytest.raises(UpstreamUnavailable):
        command.wrapped(spec, spec.proxy, "proxychains4")


async def test_without_proxychains_the_server_runs_all_the_same_with_a_warning(stage: Stage, tmp_path: Path) -> None:
    plain = stdio("s")
    proxied = replace(plain.spec, proxy=ProxySpec(host="p", port=1), env={"PATH": str(tmp_path)})  # type: ignore[arg-type]
    stage.show(replace(plain, spec=proxied))
    assert await stage.tool("s", "echo", {"text": "x"}) == "x"
    assert stage.said("proxychains4 is not installed")
