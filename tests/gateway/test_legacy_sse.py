"""The HTTP+SSE transport of 2024-11-05 (protocol A.2, behaviour 1.1 and 1.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import Raw

from mcphub.gateway.calls import Call, Exchange
from tests.gateway.world import Reply, World, until


class Stream:
    """An open stream and the way to post to it."""

    def __init__(self, world: World, reply: Reply, token: str, mount: str = "") -> None:
        self.world, self.reply, self.token = world, reply, token
        lines = reply.body.decode().splitlines()
        address = lines[lines.index("event: endpoint") + 1].removeprefix("data: ")
        assert address.startswith(f"{mount}/messages?sessionId=")
        self.path, self.query = address.split("?")

    async def post(self, message: Any, *, token: str | None = None, world: World | None = None) -> Reply:
        return await (world or self.world).request(
            "POST", self.path, message, token=token or self.token, query=self.query
        )

    async def ask(self, method: str, params: Any = None, id: int = 1) -> Any:
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}}
        assert (await self.post(message)).status == 202
        return await until(lambda: [each for each in self.reply.messages if each.get("id") == id])


@asynccontextmanager
async def opened(world: World, path: str = "/sse", token: str = "all", mount: str = "") -> AsyncIterator[Stream]:
    before, gone = getattr(world, "last", None), asyncio.Event()
    running = asyncio.create_task(world.request("GET", path, token=token, disconnect=gone))
    await until(lambda: getattr(world, "last", None) is not before and b"endpoint" in world.last.body)
    try:
        yield Stream(world, world.last, token, mount)
    finally:
        gone.set()
        await asyncio.gather(running, return_exceptions=True)


INIT = {"protocolVersion": "2025-06-18", "capabilities": {"sampling": {}}}


async def test_a_conversation(world: World) -> None:
    async with opened(world, "/sse/a") as stream:
        (hello,) = await stream.ask("initialize", INIT)
        assert hello["result"]["protocolVersion"] == "2025-06-18"
        assert hello["result"]["serverInfo"]["name"] == "a"
        assert (await stream.post({"jsonrpc": "2.0", "method": "notifications/initialized"})).body == b"Accepted"
        (listed,) = await stream.ask("tools/list", id=2)
        assert [each["name"] for each in listed["result"]["tools"]] == ["a-echo", "a-add"]
        (called,) = await stream.ask("tools/call", {"name": "a-echo", "arguments": {}}, id=3)
        assert "content" in called["result"]
        assert world.records[0].door == "sse"
        (unknown,) = await stream.ask("nope", id=4)
        assert unknown["error"]["code"] == -32601


async def test_the_address_names_the_user_where_the_path_did(world: World) -> None:
    async with opened(world, "/dana/sse", token="dana", mount="/dana") as stream:
        (hello,) = await stream.ask("initialize", INIT)
        assert "result" in hello


async def test_a_stream_belongs_to_its_principal(world: World) -> None:
    async with opened(world) as stream:
        message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert (await stream.post(message, token="other")).status == 404
        assert (await stream.post(message)).status == 202


async def test_what_cannot_be_posted_is_refused(world: World) -> None:
    assert (await world.request("POST", "/messages", {})).status == 400
    assert (await world.request("POST", "/messages", {}, token=None)).status == 401
    assert (await world.request("POST", "/messages", {}, query="sessionId=x")).status == 404
    assert (await world.request("GET", "/messages")).status == 405
    assert (await world.request("POST", "/sse", {})).status == 405
    assert (await world.request("GET", "/sse/nope")).status == 404
    async with opened(world) as stream:
        assert (await stream.post(b"{bad")).status == 400
    session, _ = await world.initialize()
    assert (await world.request("POST", "/messages", {"jsonrpc": "2.0", "id": 1, "method": "ping"},
                                query=f"sessionId={session}")).status == 404  # fmt: skip


async def test_a_closed_stream_is_unknown_and_its_calls_are_cancelled(world: World) -> None:
    async def endless(call: Call, exchange: Exchange) -> Any:
        await asyncio.Event().wait()

    world.link.answer = endless
    async with opened(world) as stream:
        await stream.ask("initialize", INIT)
        await stream.post({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "a-echo"}})
        await until(lambda: world.link.calls)
    await until(lambda: world.link.cancelled)
    assert (await stream.post({"jsonrpc": "2.0", "id": 3, "method": "ping"})).status == 404


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_questions_progress_and_cancellation_travel(world: World, elsewhere: bool) -> None:
    async def answer(call: Call, exchange: Exchange) -> Any:
        exchange.notify("notifications/progress", Raw(b'{"progress":1}'))
        await exchange.ask("sampling/createMessage", Raw(b"{}"))
        await asyncio.Event().wait()

    world.link.answer = answer
    poster = World(bus=world.bus, node="node2") if elsewhere else world
    poster.app.swap(world.app.snapshot)
    async with opened(world) as stream:
        await stream.ask("initialize", INIT)
        params = {"name": "a-echo", "_meta": {"progressToken": "p"}}
        call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        assert (await stream.post(call, world=poster)).status == 202
        messages = await until(lambda: stream.reply.messages[1:] if len(stream.reply.messages) > 2 else None)
        progress, question = messages
        assert progress["params"] == {"progress": 1, "progressToken": "p"}
        assert question["method"] == "sampling/createMessage"
        await stream.post({"jsonrpc": "2.0", "id": question["id"], "result": {}}, world=poster)
        await until(lambda: not len(world.app._streamable._around.questions))
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
        await stream.post(note, world=poster)
        await until(lambda: world.link.cancelled)
    if elsewhere:
        await poster.aclose()
