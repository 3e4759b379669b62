"""Clients that come all at once, that read nothing, and that send what no server should swallow."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import aiohttp
import pytest

from tests.tools.hub import META, TestHub, hub, stdio
from tests.tools.processes import until
from tests.tools.wire import Reply, http

pytestmark = pytest.mark.slow

CROWD = 500
LIMIT = 1_000_000
#: A stream that nobody reads may hold so much (`gateway.http.BACKLOG_BYTES`), besides what any call leaves behind.
BOUND = 40_000_000


@pytest.fixture(scope="module")
def target() -> Iterator[TestHub]:
    """A hub before two servers: one for the clients of the test, one for everybody else."""
    with hub({"raw": stdio(), "chatty": stdio()}, routing={"jsonBodyLimit": str(LIMIT)}) as started:
        yield started


@pytest.fixture(autouse=True)
def the_hub_goes_on(target: TestHub) -> Iterator[None]:
    yield
    assert echo(target, "after") == "after"
    assert target.is_healthy()


def echo(target: TestHub, text: str) -> str:
    return str(target.call("raw-echo", {"text": text})["result"]["content"][0]["text"])


def message(tool: str, arguments: dict[str, Any], **meta: Any) -> dict[str, Any]:
    """A tools/call of the stateless revision."""
    params = {"name": tool, "arguments": arguments, "_meta": META | meta}
    return {"jsonrpc": "2.0", "id": "1", "method": "tools/call", "params": params}


# --- many at once


async def client(target: TestHub, number: int, door: asyncio.Barrier) -> str:
    """Connect together with all others, open a session, and call a tool in it."""
    headers = {"Authorization": f"Bearer {target.key}", "Accept": "application/json, text/event-stream"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "crowd", "version": "1"}}
    call = {"name": "raw-echo", "arguments": {"text": f"client {number}"}}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=1)) as http:
        await door.wait()
        async with http.post(f"{target.url}/mcp", json=rpc("initialize", hello)) as answer:
            session = answer.headers["Mcp-Session-Id"]
        own = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
        async with http.post(f"{target.url}/mcp", json=rpc("tools/call", call), headers=own) as answer:
            result = (await answer.json())["result"]
    return str(result["content"][0]["text"])


def rpc(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


async def test_five_hundred_clients_that_connect_at_once_are_all_served(target: TestHub) -> None:
    """More than may be in flight at one server: what does not fit waits, or is told to come again."""
    config = target.api("GET", "/servers/raw")[1]["data"]["config"] | {"options": {"maxQueued": CROWD}}
    assert target.api("PUT", "/servers/raw", {"config": config})[0] == 200
    door = asyncio.Barrier(CROWD)
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(client(target, number, door) for number in range(CROWD)))
    assert answers == [f"client {number}" for number in range(CROWD)]


# --- nobody reads


def test_a_client_that_never_reads_its_stream_is_given_up(target: TestHub) -> None:
    """Its call ends when the backlog is full, the hub keeps no more than that, and others do not notice."""
    body = message("chatty-progress", {"steps": 300_000}, progressToken="never read")
    before = target.memory()
    with closing(connected(target)) as wire:
        send(target, wire, body, "chatty-progress")
        assert wire.recv(12) == b"HTTP/1.1 200"
        until(lambda: given_up(target), 60, "the end of a call whose stream nobody reads")
        assert echo(target, "meanwhile") == "meanwhile"
        assert target.memory() - before < BOUND


def given_up(target: TestHub) -> bool:
    assert echo(target, "meanwhile") == "meanwhile"
    status, answer = target.api("GET", "/activities?server=chatty&limit=10")
    assert status == 200, answer
    return any(call["outcome"] == "cancelled" for call in answer["data"])


def test_a_client_that_never_reads_its_answers_holds_one_of_them(target: TestHub) -> None:
    """Requests are sent one after another on one connection; the next is not even begun while an answer waits."""
    request = message("chatty-big", {"bytes": 5_000_000})
    before = target.memory()
    with closing(connected(target)) as wire:
        wire.setblocking(False)
        with suppress(BlockingIOError):  # the hub has stopped reading, too
            for _ in range(50):
                send(target, wire, request, "chatty-big")
        for number in range(100):
            assert echo(target, str(number)) == str(number)
        assert target.memory() - before < BOUND


def connected(target: TestHub) -> socket.socket:
    """A connection with a small buffer, so that what is not read stays with the hub."""
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    host, _, port = target.url.removeprefix("http://").partition(":")
    wire.connect((host, int(port)))
    return wire


def send(target: TestHub, wire: socket.socket, body: dict[str, Any], name: str) -> None:
    data = json.dumps(body).encode()
    lines = target.headers("tools/call", name) | {"Host": "127.0.0.1", "Content-Length": str(len(data))}
    head = "POST /mcp HTTP/1.1\r\n" + "".join(f"{line}: {value}\r\n" for line, value in lines.items()) + "\r\n"
    wire.sendall(head.encode() + data)


# --- bodies


def post(target: TestHub, path: str, body: bytes) -> Reply:
    """Bytes as they are, with the headers of a tools/call."""
    headers = {name.replace("-", "_"): value for name, value in target.headers("tools/call", "raw-echo").items()}
    return http(target.url + path, body, seconds=30, **headers)


def call_with(text: bytes) -> bytes:
    """A call of raw-echo whose text is these bytes between quotes."""
    return json.dumps(message("raw-echo", {"text": "@"})).encode().replace(b'"@"', text)


def test_a_body_just_within_the_limit_is_read(target: TestHub) -> None:
    frame = len(call_with(b'""'))
    text = "x" * (LIMIT - frame)
    reply = post(target, "/mcp", call_with(f'"{text}"'.encode()))
    assert reply.answer["result"]["content"][0]["text"] == text


@pytest.mark.parametrize("path", ["/mcp", "/mcp/raw", "/api/servers"])
def test_a_body_over_the_limit_is_refused(target: TestHub, path: str) -> None:
    assert post(target, path, call_with(b'"%s"' % (b"x" * LIMIT))).status == 413


@pytest.mark.parametrize("path", ["/mcp", "/api/servers"])
def test_a_body_over_the_limit_is_refused_before_it_has_arrived(target: TestHub, path: str) -> None:
    with closing(connected(target)) as wire:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {target.key}\r\n"
        kinds = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        wire.sendall(f"{head}{kinds}Content-Length: 1000000000\r\n\r\n".encode())
        wire.settimeout(20)
        assert wire.recv(12) == b"HTTP/1.1 413"


@pytest.mark.parametrize("path", ["/mcp", "/mcp/raw", "/api/servers"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(call_with(b'"\xff\xfe"'), id="not UTF-8"),
        pytest.param(call_with(b"[" * 100_000 + b"]" * 100_000), id="nested arrays"),
        pytest.param(call_with(b'{"a":' * 50_000 + b"1" + b"}" * 50_000), id="nested objects"),
        pytest.param(b"[" * 500_000, id="nothing but brackets"),
        pytest.param(call_with(b'"cut')[:-40], id="cut short"),
        pytest.param(b"\x00" * 1000, id="zero bytes"),
    ],
)
def test_a_body_that_is_no_sane_json_is_refused(target: TestHub, path: str, body: bytes) -> None:
    reply = post(target, path, body)
    assert reply.status == 400, reply.body[:500]
    assert echo(target, "next") == "next"
