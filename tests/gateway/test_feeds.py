"""Changes reach those whose list changed, in both eras, and nobody else (protocol A.6.7, behaviour 1.8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mcphub.bus import KeyRevoked, ResourceUpdated
from mcphub.gateway import http
from mcphub.gateway.errors import RpcError
from mcphub.gateway.snapshot import BuiltinResource, Snapshot, Switches
from tests.gateway.world import META, Reply, World, resource, server, snapshot, tool, until

A = server("a", tool("t"), resource("x://1"))
B = server("b", tool("t"), visibility="private")


@pytest.fixture(autouse=True)
def _swap(world: World) -> None:
    world.app.swap(snapshot(A, B, revision=5))


@asynccontextmanager
async def streaming(world: World, send: Any) -> AsyncIterator[Reply]:
    """An open stream; the client leaves at the end."""
    running = asyncio.create_task(send)
    before = getattr(world, "last", None)
    await until(lambda: getattr(world, "last", None) is not before and world.last.body)
    reply = world.last
    try:
        yield reply
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def get_stream(world: World, session: str, path: str = "/mcp", token: str = "all") -> Any:
    return world.request("GET", path, headers={"mcp-session-id": session}, token=token)


def listen(world: World, wanted: dict[str, Any], **options: Any) -> Any:
    return world.modern("subscriptions/listen", {"notifications": wanted}, id="L1", **options)


def methods(reply: Reply) -> list[str]:
    return [message["method"].removeprefix("notifications/") for message in reply.messages]


async def test_a_session_hears_of_changed_lists(world: World) -> None:
    session, _ = await world.initialize()
    async with streaming(world, get_stream(world, session)) as reply:
        world.app.swap(snapshot(server("a", tool("t"), tool("u"), resource("x://1")), B, revision=6))
        await until(lambda: reply.messages)
        assert methods(reply) == ["tools/list_changed"]
        world.app.swap(snapshot(A, revision=7, switches=Switches(separator="_", rate_per_minute=0)))
        await until(lambda: len(reply.messages) > 1)
        assert methods(reply)[1:] == ["tools/list_changed"]


async def test_nobody_hears_of_what_he_does_not_see(world: World) -> None:
    session, _ = await world.initialize()
    dana, _ = await world.initialize(token="dana")
    on_a, _ = await world.initialize("/mcp/a")
    async with (
        streaming(world, get_stream(world, session)) as everything,
        streaming(world, get_stream(world, dana, token="dana")) as danas,
        streaming(world, get_stream(world, on_a, "/mcp/a")) as only_a,
    ):
        world.app.swap(snapshot(A, server("b", tool("u"), visibility="private"), revision=6))
        await until(lambda: everything.messages)
        assert methods(everything) == ["tools/list_changed"]
        assert (danas.messages, only_a.messages) == ([], [])


async def test_a_stream_ends_with_its_door(world: World) -> None:
    session, _ = await world.initialize("/mcp/a", token="dana")
    running = asyncio.create_task(get_stream(world, session, "/mcp/a", "dana"))
    await until(lambda: len(world.app._feeds))
    world.app.swap(snapshot(server("a", tool("t"), visibility="private"), revision=6))
    assert (await running).status == 200


async def test_a_stream_ends_with_its_key(world: World) -> None:
    session, _ = await world.initialize()
    running = asyncio.create_task(get_stream(world, session))
    await until(lambda: len(world.app._feeds))
    world.bus.publish(KeyRevoked("key:other"))
    world.bus.publish(KeyRevoked("key:all"))
    assert (await running).status == 200


async def test_a_stream_ends_with_its_session(world: World) -> None:
    session, _ = await world.initialize()
    running = asyncio.create_task(get_stream(world, session))
    await until(lambda: len(world.app._feeds))
    assert (await world.request("DELETE", "/mcp", headers={"mcp-session-id": session})).status == 200
    await running
    assert len(world.app._feeds) == 0


async def test_a_second_stream_takes_the_place_of_the_first(world: World) -> None:
    session, _ = await world.initialize()
    first = asyncio.create_task(get_stream(world, session))
    await until(lambda: len(world.app._feeds))
    async with streaming(world, get_stream(world, session)):
        assert (await first).status == 200
        assert len(world.app._feeds) == 1


async def test_a_stream_needs_its_form_and_its_session(world: World) -> None:
    session, _ = await world.initialize()
    only_json = {"mcp-session-id": session, "accept": "application/json"}
    assert (await world.request("GET", "/mcp", headers=only_json)).status == 406
    assert (await world.request("GET", "/mcp")).status == 400


async def test_a_listener_is_acknowledged_and_hears_what_it_asked_for(world: World) -> None:
    wanted = {"toolsListChanged": True, "promptsListChanged": False, "resourceSubscriptions": ["x://1", "nope://"]}
    async with streaming(world, listen(world, wanted)) as reply:
        await until(lambda: reply.messages)
        assert reply.headers["content-type"] == "text/event-stream"
        acknowledged = reply.messages[0]
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
        mark = {META + "subscriptionId": "L1"}
        assert acknowledged["params"] == {
            "notifications": {"toolsListChanged": True, "resourceSubscriptions": ["x://1"]},
            "_meta": mark,
        }
        assert world.link.subscribed == [("key-a", "x://1", True)]
        world.bus.publish(ResourceUpdated("key-b", "x://1"))
        world.bus.publish(ResourceUpdated("key-a", "x://2"))
        world.bus.publish(ResourceUpdated("key-a", "x://1"))
        world.bus.publish(ResourceUpdated("key-a", "x://1/part"))
        await until(lambda: len(reply.messages) == 3)
        assert [each["params"] for each in reply.messages[1:]] == [
            {"uri": "x://1", "_meta": mark},
            {"uri": "x://1/part", "_meta": mark},
        ]
        world.app.swap(snapshot(server("a", tool("u")), revision=6))
        await until(lambda: len(reply.messages) == 4)
        assert reply.messages[3] == {
            "jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"_meta": mark}
        }  # fmt: skip
    await until(lambda: world.link.subscribed[1:] == [("key-a", "x://1", False)])


async def test_a_listener_that_we_end_gets_its_result(world: World) -> None:
    running = asyncio.create_task(listen(world, {"toolsListChanged": True}))
    await until(lambda: len(world.app._feeds))
    world.app._feeds.close()
    last = (await running).messages[-1]
    assert (last["id"], last["result"]["resultType"]) == ("L1", "complete")
    assert last["result"]["_meta"][META + "subscriptionId"] == "L1"


@pytest.mark.parametrize("wanted", [None, [], {"resourceSubscriptions": "x"}, {"resourceSubscriptions": [1]}])
async def test_a_malformed_filter_is_refused(world: World, wanted: Any) -> None:
    reply = await listen(world, wanted)
    assert (reply.status, reply.json["error"]["code"]) == (400, -32602)


async def test_a_session_subscribes_in_one_process_and_hears_in_another(world: World) -> None:
    second = World(bus=world.bus, node="node2")
    second.app.swap(world.app.snapshot)
    session, _ = await world.initialize()
    async with streaming(second, get_stream(second, session)) as reply:
        for _ in range(2):
            assert (await world.legacy(session, "resources/subscribe", {"uri": "x://1"})).json["result"] == {}
        await asyncio.sleep(0)
        world.bus.publish(ResourceUpdated("key-a", "x://1"))
        await until(lambda: reply.messages)
        assert reply.messages == [
            {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "x://1"}}
        ]
        assert (await world.legacy(session, "resources/unsubscribe", {"uri": "x://1"})).json["result"] == {}
        assert (await world.legacy(session, "resources/unsubscribe", {"uri": "x://1"})).json["result"] == {}
        await until(lambda: world.link.subscribed == [("key-a", "x://1", True), ("key-a", "x://1", False)])
        world.bus.publish(ResourceUpdated("key-a", "x://1"))
        await asyncio.sleep(0.01)
        assert len(reply.messages) == 1
    await second.aclose()


async def test_an_ended_session_wants_nothing_any_more(world: World) -> None:
    session, _ = await world.initialize()
    await world.legacy(session, "resources/subscribe", {"uri": "x://1"})
    await world.request("DELETE", "/mcp", headers={"mcp-session-id": session})
    await until(lambda: world.link.subscribed[1:] == [("key-a", "x://1", False)])


async def test_a_subscription_to_nothing_is_refused(world: World) -> None:
    session, _ = await world.initialize()
    for params in ({"uri": "nope://"}, {}, {"uri": 7}):
        assert "error" in (await world.legacy(session, "resources/subscribe", params)).json

    async def refuse(server: str, uri: str, wanted: bool) -> None:
        raise RpcError(-32601, "cannot")

    world.link.subscribe = refuse  # type: ignore[method-assign]
    reply = await world.legacy(session, "resources/subscribe", {"uri": "x://1"})
    assert reply.json["error"]["code"] == -32601
    assert len(world.app._front.subscriptions) == 0


async def test_the_hubs_own_resources_can_be_subscribed_to(world: World) -> None:
    def own(text: str, revision: int) -> Snapshot:
        made = snapshot(A, revision=revision)
        mine = (BuiltinResource("resource://g", b"{}", "text/plain", text),)
        return Snapshot(revision, made.servers, made.groups, made.users, (), mine, made.switches)

    world.app.swap(own("one", 6))
    async with streaming(world, listen(world, {"resourceSubscriptions": ["resource://g"]})) as reply:
        world.app.swap(own("two", 7))
        await until(lambda: len(reply.messages) == 2)
        assert reply.messages[1]["params"]["uri"] == "resource://g"


async def test_quiet_streams_are_kept_alive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEARTBEAT", 0.01)
    session, _ = await world.initialize()
    async with streaming(world, get_stream(world, session)) as reply:
        await until(lambda: reply.body.count(b": keep-alive") >= 2)
