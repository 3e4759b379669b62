"""What the data plane itself spends on one `tools/call`: ASGI in, ASGI out, an upstream that answers at once.

No sockets, no child, no database: only the interpreter's own time, so the figure is steady where wall time is not.
`tests/gateway/test_hot_path.py` keeps it within its budget.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from mcphub.gateway.calls import Call, Exchange
from tests.gateway.world import FakeLink, World, server, snapshot, tool

ANSWER = json.dumps({"resultType": "complete", "content": [{"type": "text", "text": "x" * 180}]}).encode()
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
WARM_UP = 200
Scope = dict[str, Any]


async def answer(call: Call, exchange: Exchange) -> bytes:
    """An upstream without delay."""
    return ANSWER


def request(params: dict[str, Any], headers: dict[str, str]) -> tuple[Scope, bytes]:
    """Scope and body of one POST."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    lines = {
        "host": "localhost:3000",
        "authorization": "Bearer all",
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "content-length": str(len(body)),
    }
    pairs = [(name.encode(), value.encode()) for name, value in (lines | headers).items()]
    scope = {"type": "http", "method": "POST", "scheme": "http", "path": "/mcp", "query_string": b""}
    return scope | {"client": ("127.0.0.1", 1), "headers": pairs}, body


async def spend(app: Callable[..., Awaitable[None]], scope: Scope, body: bytes, count: int) -> float:
    """Microseconds of CPU for each of `count` requests."""
    right = 0

    async def send(message: Any) -> None:
        nonlocal right
        right += b'"result":{' in message.get("body", b"")

    async def once() -> None:
        received = False

        async def receive() -> Any:
            nonlocal received
            if received:
                await asyncio.Event().wait()
            received = True
            return {"type": "http.request", "body": body, "more_body": False}

        await app(scope, receive, send)

    for _ in range(WARM_UP):
        await once()
    began = time.process_time()
    for _ in range(count):
        await once()
    spent = (time.process_time() - began) / count * 1e6
    if right != count + WARM_UP:
        raise AssertionError(f"only {right} of {count + WARM_UP} calls had a result")
    return spent


async def measure(count: int = 5000) -> dict[str, float]:
    """Microseconds of CPU of one call, by era."""
    world = World(link=FakeLink(answer))
    try:
        world.app.swap(snapshot(*(server(f"s{n}", *(tool(f"t{i}") for i in range(20))) for n in range(20))))
        arguments = {"name": "s7-t3", "arguments": {"text": "x" * 180}}
        session, _ = await world.initialize()
        modern = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "s7-t3"}
        return {
            "stateless": await spend(world.app, *request({**arguments, "_meta": META}, modern), count),
            "session": await spend(world.app, *request(arguments, {"mcp-session-id": session}), count),
        }
    finally:
        await world.aclose()


def run() -> None:
    """Print a line an era."""
    for era, spent in asyncio.run(measure(20000)).items():
        print(f"tools/call in process, {era:<10} {spent:6.1f} µs of CPU")
