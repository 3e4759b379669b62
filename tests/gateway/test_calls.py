"""Calls on their way to an upstream and back: eras, streams, cancellation, records (protocol A.6.6, A.7, F)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import Raw

from mcphub.errors import TooManyRequests
from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.errors import RpcError, UpstreamUnavailable
from mcphub.gateway.jsonrpc import dumps
from mcphub.gateway.principal import Principal
from mcphub.gateway.selector import Selector
from mcphub.gateway.snapshot import Lifecycle, Snapshot, Switches
from tests.gateway.world import META, MODERN, World, prompt, resource, server, snapshot, template, tool, until

ITEMS = (tool("t"), prompt("p"), resource("x://1"), template("y://{id}"))


def both(**members: Any) -> Snapshot:
    """A session-based server `old` and a stateless one `new`."""
    return snapshot(server("old", *ITEMS, **members), server("new", *ITEMS, modern=True, **members), revision=5)


@pytest.fixture(autouse=True)
def _swap(world: World) -> None:
    world.app.swap(both())


def answering(world: World, result: Any) -> None:
    async def answer(call: Call, exchange: Exchange) -> Any:
        return result

    world.link.answer = answer


def refusing(world: World, refusal: Exception) -> None:
    async def answer(call: Call, exchange: Exchange) -> Any:
        raise refusal

    world.link.answer = answer


COMPLETE = {
    "resultType": "complete",
    "ttlMs": 9,
    "cacheScope": "public",
    "content": [],
    "structuredContent": [1],
    "strange": {"n": 12345678901234567890123},
    "_meta": {META + "serverInfo": {"name": "upstream"}, "mine": 1},
}


async def test_a_session_sees_nothing_of_the_stateless_revision(world: World) -> None:
    answering(world, COMPLETE)
    session, _ = await world.initialize()
    result = (await world.legacy(session, "tools/call", {"name": "new-t"})).json["result"]
    assert result == {"content": [], "strange": COMPLETE["strange"], "_meta": COMPLETE["_meta"]}


async def test_a_stateless_client_gets_what_a_session_based_upstream_lacks(world: World) -> None:
    for sent in (b"{}", b' { "content": [] } ', b'{"content":[],"_meta":{"mine":1}}'):
        answering(world, sent)
        result = (await world.modern("tools/call", {"name": "old-t"})).json["result"]
        assert result["resultType"] == "complete"
        assert result["_meta"] in ({"mine": 1}, {META + "serverInfo": {"name": "mcphub", "version": "1.0.0"}})
    answering(world, {"contents": []})
    read = (await world.modern("resources/read", {"uri": "x://1"})).json["result"]
    assert (read["ttlMs"], read["cacheScope"]) == (0, "private")


async def test_between_stateless_peers_only_the_hubs_own_members_change(world: World) -> None:
    answering(world, COMPLETE)
    prefixed = (await world.modern("tools/call", {"name": "new-t"})).json["result"]
    assert prefixed["_meta"] == {META + "serverInfo": {"name": "mcphub", "version": "1.0.0"}, "mine": 1}
    assert prefixed["strange"] == COMPLETE["strange"]
    raw = await world.modern("tools/call", {"name": "t"}, path="/mcp/new", query="names=raw")
    assert json.dumps(COMPLETE).encode() in raw.body
    world.app.swap(snapshot(server("new", *ITEMS, modern=True), revision=6))
    read = (await world.modern("resources/read", {"uri": "x://1"})).json["result"]
    assert (read["ttlMs"], read["cacheScope"]) == (9, "private")


async def test_a_result_type_that_was_not_negotiated_is_an_error(world: World) -> None:
    answering(world, {"resultType": "task", "taskId": "1"})
    assert (await world.modern("tools/call", {"name": "new-t"})).json["error"]["code"] == -32603


async def test_tasks_are_not_declared_to_upstreams(world: World) -> None:
    extensions = {"io.modelcontextprotocol/tasks": {}, "other": {}}
    await world.modern("tools/call", {"name": "new-t"}, capabilities={"extensions": extensions, "tasks": {}})
    assert json.loads(world.link.calls[0].capabilities) == {"extensions": {"other": {}}}


@pytest.mark.parametrize(
    ("modern", "sent", "code"),
    [
        (True, (-32002, {"uri": "x://1"}), -32602),
        (False, (-32602, {"uri": "x://1"}), -32002),
        (False, (-32602, {"other": 1}), -32602),
        (True, (-32020, None), -32603),
        (False, (-32022, None), -32603),
        (True, (-32021, {"requiredCapabilities": {}}), -32021),
        (True, (4711, {"x": 1}), 4711),
        (False, (-32042, {"elicitations": []}), -32042),
    ],
)
async def test_an_upstreams_error_is_told_in_the_callers_revision(
    world: World, modern: bool, sent: tuple[int, Any], code: int
) -> None:
    refusing(world, RpcError.of(sent[0], "no", sent[1]))
    if modern:
        reply = await world.modern("resources/read", {"uri": "x://1"})
        assert reply.status == (400 if code in (-32602, -32021) else 200)
    else:
        session, _ = await world.initialize()
        reply = await world.legacy(session, "resources/read", {"uri": "x://1"})
        assert reply.status == 200
    assert reply.json["error"]["code"] == code
    if code not in (-32603,):
        assert reply.json["error"].get("data") == sent[1]


async def test_the_hubs_own_refusals_tell_their_reason(world: World) -> None:
    refusing(world, UpstreamUnavailable(data={"state": "retrying", "nextAttempt": 5}))
    error = (await world.modern("tools/call", {"name": "new-t"})).json["error"]
    assert error["data"] == {"reason": "upstream_unavailable", "state": "retrying", "nextAttempt": 5}
    refusing(world, ValueError("a secret"))
    error = (await world.modern("tools/call", {"name": "new-t"})).json["error"]
    assert (error["code"], "secret" in json.dumps(error)) == (-32603, False)


async def test_an_unknown_resource_has_its_revisions_code(world: World) -> None:
    session, _ = await world.initialize()
    legacy = await world.legacy(session, "resources/read", {"uri": "nope://x"})
    assert (legacy.json["error"]["code"], legacy.json["error"]["data"]) == (-32002, {"uri": "nope://x"})
    modern = await world.modern("resources/read", {"uri": "nope://x"})
    assert (modern.status, modern.json["error"]["code"]) == (400, -32602)


# -- streams and notifications -----------------------------------------------------------------------------------------


def chatty(world: World) -> None:
    async def answer(call: Call, exchange: Exchange) -> Any:
        for number in range(3):
            exchange.notify("notifications/progress", Raw(dumps({"progressToken": 99, "progress": number})))
            await asyncio.sleep(0)
        for level in ("debug", "error"):
            exchange.notify("notifications/message", Raw(dumps({"level": level, "data": "a\nb"})))
        return {"content": []}

    world.link.answer = answer


async def test_progress_comes_with_the_clients_token_before_the_result(world: World) -> None:
    chatty(world)
    reply = await world.modern("tools/call", {"name": "new-t"}, meta={"progressToken": "p-1"})
    assert reply.headers["content-type"] == "text/event-stream"
    *notes, answer = reply.messages
    assert [note["params"] for note in notes] == [{"progressToken": "p-1", "progress": n} for n in range(3)]
    assert answer["id"] == 3
    assert b"id:" not in reply.body.split(b"data:")[0]


async def test_nobody_hears_what_it_did_not_ask_for(world: World) -> None:
    chatty(world)
    reply = await world.modern("tools/call", {"name": "new-t"})
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("level", "heard"), [("debug", ["debug", "error"]), ("warning", ["error"])])
async def test_log_messages_are_filtered_by_the_requests_level(world: World, level: str, heard: list[str]) -> None:
    chatty(world)
    reply = await world.modern("tools/call", {"name": "new-t"}, meta={META + "logLevel": level})
    assert [note["params"]["level"] for note in reply.messages[:-1]] == heard


async def test_log_messages_are_filtered_by_the_sessions_level(world: World) -> None:
    chatty(world)
    session, _ = await world.initialize()
    first = await world.legacy(session, "tools/call", {"name": "old-t"})
    assert [note["params"]["level"] for note in first.messages[:-1]] == ["debug", "error"]
    await world.legacy(session, "logging/setLevel", {"level": "error"})
    second = await world.legacy(session, "tools/call", {"name": "old-t"})
    assert [note["params"]["level"] for note in second.messages[:-1]] == ["error"]


async def test_a_sessions_level_travels_to_a_stateless_upstream(world: World) -> None:
    session, _ = await world.initialize()
    await world.legacy(session, "logging/setLevel", {"level": "error"})
    await world.legacy(session, "tools/call", {"name": "new-t", "_meta": {"x": 1}})
    assert json.loads(bytes(world.link.calls[0].params["_meta"])) == {"x": 1, META + "logLevel": "error"}


# -- going away --------------------------------------------------------------------------------------------------------


def endless(world: World) -> None:
    async def answer(call: Call, exchange: Exchange) -> Any:
        await asyncio.Event().wait()

    world.link.answer = answer


@pytest.mark.parametrize("modern", [True, False])
async def test_a_client_that_goes_away_cancels_the_upstream(world: World, modern: bool) -> None:
    endless(world)
    session, _ = await world.initialize()
    gone = asyncio.Event()
    send = world.modern("tools/call", {"name": "old-t"}, disconnect=gone) if modern else world.legacy(
        session, "tools/call", {"name": "old-t"}, disconnect=gone
    )  # fmt: skip
    running = asyncio.create_task(send)
    await until(lambda: world.link.calls)
    gone.set()
    assert (await running).status == 0
    assert world.link.cancelled == 1
    assert world.records[-1].status == "cancelled"
    assert not world.app._streamable._running


async def test_a_client_that_goes_away_in_the_middle_of_a_stream_cancels_too(world: World) -> None:
    async def answer(call: Call, exchange: Exchange) -> Any:
        exchange.notify("notifications/progress", Raw(b'{"progress":1}'))
        await asyncio.Event().wait()

    world.link.answer = answer
    gone = asyncio.Event()
    running = asyncio.create_task(
        world.modern("tools/call", {"name": "old-t"}, meta={"progressToken": 1}, disconnect=gone)
    )
    await until(lambda: world.link.calls and b"progress" in world.last.body)
    gone.set()
    await running
    assert world.link.cancelled == 1


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_session_cancels_by_notification(world: World, elsewhere: bool) -> None:
    endless(world)
    second = World(bus=world.bus, node="node2") if elsewhere else world
    second.app.swap(world.app.snapshot)
    session, _ = await world.initialize()
    running = asyncio.create_task(world.legacy(session, "tools/call", {"name": "old-t"}, id="call-1"))
    await until(lambda: world.link.calls)
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "call-1"}}
    assert (await second.request("POST", "/mcp", note, headers={"mcp-session-id": session})).status == 202
    reply = await running
    assert (reply.status, reply.json["id"], "error" in reply.json) == (200, "call-1", True)
    assert world.link.cancelled == 1
    if elsewhere:
        await second.aclose()


async def test_a_cancellation_from_outside_is_not_swallowed(world: World) -> None:
    endless(world)
    running = asyncio.create_task(world.modern("tools/call", {"name": "old-t"}))
    await until(lambda: world.link.calls)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_client_that_never_reads_loses_its_stream_and_its_call(world: World) -> None:
    async def answer(call: Call, exchange: Exchange) -> Any:
        while True:
            exchange.notify("notifications/progress", Raw(b'{"progress":1,"x":"%s"}' % (b"x" * 100_000)))
            await asyncio.sleep(0)

    world.link.answer = answer
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "old-t", "_meta": {
        META + "protocolVersion": MODERN, META + "clientCapabilities": {}, "progressToken": 1}}}  # fmt: skip
    raw = json.dumps(body).encode()
    headers = {"host": "localhost", "authorization": "Bearer all", "content-type": "application/json",
               "mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "old-t"}  # fmt: skip
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "client": None,
             "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}  # fmt: skip
    received = iter([{"type": "http.request", "body": raw}])

    async def receive() -> Any:
        message = next(received, None)
        if message is None:
            await asyncio.Event().wait()
        return message

    async def send(message: Any) -> None:
        await asyncio.Event().wait()  # the client takes nothing

    async with asyncio.timeout(20):
        await world.app(scope, receive, send)
    assert world.link.cancelled == 1


# -- records -----------------------------------------------------------------------------------------------------------


async def test_every_outcome_is_remembered(world: World) -> None:
    await world.modern("tools/call", {"name": "old-t", "arguments": {"a": 1}})
    answering(world, {"content": [], "isError": True})
    await world.modern("tools/call", {"name": "old-t"})
    refusing(world, RpcError(-5, "broken"))
    await world.modern("prompts/get", {"name": "old-p"})
    refusing(world, UpstreamUnavailable())
    await world.modern("resources/read", {"uri": "x://1"}, path="/mcp/old")
    await world.modern("tools/call", {"name": "nope"})
    await world.modern("completion/complete", {"ref": {"type": "ref/prompt", "name": "old-p"}})
    await world.modern("tools/list")
    assert [(r.method, r.server, r.item, r.status, r.error_code) for r in world.records] == [
        ("tools/call", "old", "t", "ok", None),
        ("tools/call", "old", "t", "tool_error", None),
        ("prompts/get", "old", "p", "error", -5),
        ("resources/read", "old", "x://1", "error", -31002),
        ("tools/call", "", "nope", "refused", -32602),
    ]
    first = world.records[0]
    assert (first.principal, first.key_id, first.address, first.door) == ("key:all", "all", "192.0.2.1", "mcp")
    assert first.input == b'{"a": 1}'
    assert first.output is not None
    assert first.response_size == len(first.output)
    assert world.records[3].route == "old"
    assert len({record.id for record in world.records}) == 5


async def test_payloads_are_kept_only_where_the_setting_says_so(world: World) -> None:
    world.app.swap(
        snapshot(server("a", tool("t")), revision=9, switches=Switches(store_payloads="off", rate_per_minute=0))
    )
    await world.modern("tools/call", {"name": "a-t", "arguments": {"a": 1}})
    assert (world.records[0].input, world.records[0].output) == (None, None)


async def test_big_payloads_are_kept_up_to_a_cap(world: World) -> None:
    answering(world, {"content": [{"type": "text", "text": "x" * 1_000_000}]})
    await world.modern("tools/call", {"name": "old-t"})
    assert len(world.records[0].output or b"") == 16 * 1024
    assert world.records[0].response_size > 1_000_000


# -- what goes with a call ---------------------------------------------------------------------------------------------


async def test_only_the_headers_a_server_asks_for_are_passed_on(world: World) -> None:
    wanted = ("X-Tenant", "Authorization", "Cookie", "Host", "x-missing")
    world.app.swap(both(passthrough_headers=wanted))
    await world.modern("tools/call", {"name": "old-t"}, headers={"x-tenant": "7", "x-other": "8", "cookie": "c"})
    assert dict(world.link.calls[0].headers) == {"x-tenant": "7"}


async def test_a_session_is_its_own_scope_where_a_server_keeps_one_per_session(world: World) -> None:
    world.app.swap(both(lifecycle=Lifecycle(per_session_client=True)))
    one, _ = await world.initialize()
    two, _ = await world.initialize()
    for session in (one, one, two):
        await world.legacy(session, "tools/call", {"name": "old-t"})
    first, again, other = (call.scope for call in world.link.calls)
    assert first == again != other


async def test_a_stateless_client_names_its_state(world: World) -> None:
    world.app.swap(both(lifecycle=Lifecycle(per_session_client=True)))
    state = {"x-mcphub-state-id": "c0ffee00-0000-4000-8000-000000000001"}
    params = {"name": "old-t"}
    openai = {"openai/session": "v1/abc"}
    assert (await world.modern("tools/call", params, headers=state)).status == 200
    assert (await world.modern("tools/call", params, headers=state, token="other")).status == 200
    assert (await world.modern("tools/call", params, meta=openai)).status == 200
    assert (await world.modern("tools/call", params)).json["error"]["code"] == -32602
    invalid = {"x-mcphub-state-id": "c0ffee00-0000-1000-8000-000000000001"}
    assert (await world.modern("tools/call", params, headers=invalid, meta=openai)).json["error"]["code"] == -32602
    assert len({call.scope for call in world.link.calls}) == 3
    assert (await world.modern("prompts/get", {"name": "old-p"})).status == 200
    assert world.link.calls[-1].scope is None


async def test_completion_goes_to_the_owner_of_its_reference(world: World) -> None:
    session, _ = await world.initialize()
    for ref in ({"type": "ref/prompt", "name": "new-p"}, {"type": "ref/resource", "uri": "y://{id}"}):
        params = {"ref": ref, "argument": {"name": "a", "value": "v"}}
        assert "result" in (await world.legacy(session, "completion/complete", params)).json
    assert json.loads(bytes(world.link.calls[0].params["ref"])) == {"type": "ref/prompt", "name": "p"}
    assert [call.server for call in world.link.calls] == ["key-new", "key-old"]
    for ref in ({"type": "ref/prompt", "name": "x"}, {"type": "other"}, {}):
        assert (await world.legacy(session, "completion/complete", {"ref": ref})).json["error"]["code"] == -32602


async def test_pages_of_apps_are_found_by_asking(world: World) -> None:
    async def answer(call: Call, exchange: Exchange) -> Any:
        if call.server == "key-old":
            raise RpcError(-32002, "no")
        return {"contents": [], "resultType": "complete"}

    world.link.answer = answer
    apps = {"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}}
    found = await world.modern("resources/read", {"uri": "ui://page"}, capabilities=apps)
    assert found.json["result"]["contents"] == []
    assert (await world.modern("resources/read", {"uri": "ui://page"})).json["error"]["code"] == -32602
    assert [(record.server, record.status) for record in world.records] == [("new", "ok"), ("", "refused")]


# -- other doors -------------------------------------------------------------------------------------------------------


async def test_other_doors_use_the_same_catalog_access_and_records(world: World) -> None:
    dana = Principal("user:dana", username="dana")
    result = await world.app.dispatch(dana, Selector("server", "old"), "tools/call", {"name": "t", "arguments": {}})
    assert b"content" in bytes(result)
    assert (world.records[0].door, world.records[0].username) == ("rest", "dana")
    with pytest.raises(Exception, match="Unknown tool"):
        await world.app.dispatch(dana, Selector("server", "old"), "tools/call", {"name": "new-t"})
    world.app.swap(snapshot(server("old", tool("t"), visibility="private"), revision=7))
    with pytest.raises(Exception, match="no such"):
        await world.app.dispatch(dana, Selector("server", "old"), "tools/list", {})


async def test_too_many_requests_are_refused(world: World) -> None:
    world.app.swap(snapshot(server("a", tool("t")), switches=Switches(rate_per_minute=3)))
    replies = [await world.modern("tools/list") for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert int(replies[3].headers["retry-after"]) in range(1, 61)
    assert replies[3].headers["ratelimit-limit"] == "3"
    assert replies[3].json["error"]["data"]["retryAfter"] > 0
    assert (await world.modern("tools/list", token="other")).status == 200
    assert TooManyRequests.http_status == 429
