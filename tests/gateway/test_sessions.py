"""Session-based clients: opening, binding, ending, batches, restarts (protocol A.3 to A.5, A.7)."""

from __future__ import annotations

import asyncio
import json

import pytest

from mcphub.gateway.session import Session, Sessions
from tests.gateway.world import World, server, snapshot, tool, until

LEGACY = ["2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]


@pytest.mark.parametrize("revision", LEGACY)
async def test_a_known_revision_is_agreed_to(world: World, revision: str) -> None:
    _, result = await world.initialize(revision=revision)
    assert result["protocolVersion"] == revision


@pytest.mark.parametrize("revision", ["1999-01-01", "2026-07-28", "x"])
async def test_an_unknown_revision_is_answered_with_the_latest(world: World, revision: str) -> None:
    _, result = await world.initialize(revision=revision)
    assert result["protocolVersion"] == "2025-11-25"


async def test_capabilities_say_what_answers(world: World) -> None:
    _, result = await world.initialize()
    capabilities = result["capabilities"]
    assert capabilities["tools"] == {"listChanged": True}
    assert capabilities["prompts"] == {"listChanged": True}
    assert capabilities["resources"] == {"listChanged": True, "subscribe": True}
    assert capabilities["completions"] == {}
    assert "tasks" not in capabilities


async def test_a_session_id_is_visible_ascii(world: World) -> None:
    session, _ = await world.initialize(capabilities={"sampling": {}, "roots": {"listChanged": True}})
    assert all(0x21 <= ord(letter) <= 0x7E for letter in session)


async def test_ping_and_notifications_are_answered(world: World) -> None:
    session, _ = await world.initialize()
    assert (await world.legacy(session, "ping")).json == {"jsonrpc": "2.0", "id": 2, "result": {}}
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    reply = await world.request("POST", "/mcp", note, headers={"mcp-session-id": session})
    assert (reply.status, reply.body) == (202, b"")


async def test_ids_come_back_with_their_type(world: World) -> None:
    session, _ = await world.initialize()
    for id in (0, "0", "å", 9007199254740993):
        assert (await world.legacy(session, "ping", id=id)).json["id"] == id


async def test_a_request_without_a_session_is_400(world: World) -> None:
    reply = await world.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert (reply.status, reply.json["error"]["code"], reply.json["id"]) == (400, -32000, None)
    assert (await world.request("POST", "/mcp", {})).json["error"]["code"] == -32000


async def test_a_notification_without_a_session_is_202(world: World) -> None:
    reply = await world.request("POST", "/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert reply.status == 202


async def test_an_unknown_session_is_404(world: World) -> None:
    for verb in ("POST", "GET", "DELETE"):
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"} if verb == "POST" else None
        assert (await world.request(verb, "/mcp", body, headers={"mcp-session-id": "wrong"})).status == 404


async def test_a_session_is_bound_to_its_principal(world: World) -> None:
    session, _ = await world.initialize()
    assert (await world.legacy(session, "tools/list", token="other")).status == 404
    ended = await world.request("DELETE", "/mcp", headers={"mcp-session-id": session}, token="other")
    assert ended.status == 404
    assert (await world.legacy(session, "ping")).status == 200


async def test_a_session_is_bound_to_its_target(world: World) -> None:
    session, _ = await world.initialize("/mcp/a")
    assert (await world.legacy(session, "ping", path="/mcp/b")).status == 404
    assert (await world.legacy(session, "ping")).status == 404
    assert (await world.legacy(session, "ping", path="/mcp/a")).status == 200


async def test_a_tampered_session_id_is_unknown(world: World) -> None:
    session, _ = await world.initialize()
    for wrong in (session + "A", session + "=", session[:-1], "A" + session[1:], session[:-1] + "é"):
        assert (await world.legacy(wrong.encode().decode("latin-1"), "ping")).status == 404


async def test_an_ended_session_is_unknown_in_every_process(world: World) -> None:
    second = World(bus=world.bus, node="node2")
    second.app.swap(world.app.snapshot)
    session, _ = await world.initialize()
    assert (await second.legacy(session, "ping")).status == 200
    assert (await second.request("DELETE", "/mcp", headers={"mcp-session-id": session})).status == 200
    await asyncio.sleep(0)
    assert (await world.legacy(session, "ping")).status == 404
    assert (await second.legacy(session, "ping")).status == 404
    await second.aclose()


async def test_a_session_survives_a_restart_and_a_key_rotation(world: World) -> None:
    session, _ = await world.initialize()
    restarted = World(keys=(b"new" * 12, b"k" * 32))
    restarted.app.swap(world.app.snapshot)
    assert (await restarted.legacy(session, "tools/list")).status == 200
    await restarted.aclose()


async def test_a_second_initialize_is_refused(world: World) -> None:
    session, _ = await world.initialize()
    reply = await world.legacy(session, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})
    assert (reply.status, reply.json["error"]["code"], reply.json["id"]) == (400, -32600, None)


async def test_the_version_header_must_be_the_negotiated_one(world: World) -> None:
    session, _ = await world.initialize(revision="2025-06-18")
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for version, status in (("2025-06-18", 200), ("2025-03-26", 400)):
        headers = {"mcp-session-id": session, "mcp-protocol-version": version}
        assert (await world.request("POST", "/mcp", body, headers=headers)).status == status


async def test_initialize_without_its_parameters_is_refused(world: World) -> None:
    reply = await world.request("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize"})
    assert (reply.status, reply.json["error"]["code"]) == (200, -32602)


async def test_batches_are_part_of_one_revision_only(world: World) -> None:
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "a-echo"}},
        {"jsonrpc": "2.0", "id": 3, "method": "nope"},
    ]
    session, _ = await world.initialize(revision="2025-03-26")
    reply = await world.request("POST", "/mcp", batch, headers={"mcp-session-id": session})
    assert [answer["id"] for answer in reply.json] == [1, 2, 3]
    only_notes = await world.request("POST", "/mcp", batch[1:2], headers={"mcp-session-id": session})
    assert only_notes.status == 202
    later, _ = await world.initialize(revision="2025-06-18")
    refused = await world.request("POST", "/mcp", batch, headers={"mcp-session-id": later})
    assert (refused.status, refused.json["error"]["code"]) == (400, -32600)
    assert (await world.request("POST", "/mcp", batch)).status == 400


async def test_unknown_methods_and_tools_are_errors_with_200(world: World) -> None:
    session, _ = await world.initialize()
    assert (await world.legacy(session, "nope/method")).json["error"]["code"] == -32601
    for params in ({}, {"name": 7}, {"name": "nope"}, {"name": "echo"}, {"name": "a-echo", "arguments": []}):
        reply = await world.legacy(session, "tools/call", params)
        assert (reply.status, reply.json["error"]["code"]) == (200, -32602)


async def test_the_log_level_is_told_to_every_process(world: World) -> None:
    second = World(bus=world.bus, node="node2")
    session, _ = await world.initialize()
    assert (await world.legacy(session, "logging/setLevel", {"level": "error"})).json["result"] == {}
    assert (await world.legacy(session, "logging/setLevel", {"level": "loud"})).json["error"]["code"] == -32602
    read: Session = second.app.sessions.read(session, "key:all", "")
    await until(lambda: second.app.sessions.state(read).log_level == "error")
    await second.aclose()


async def test_big_capabilities_stay_out_of_the_id(world: World) -> None:
    session, _ = await world.initialize(capabilities={"experimental": {"x": "y" * 10_000}})
    assert len(session) < 1000
    assert (await world.legacy(session, "ping")).status == 200


def test_sessions_are_bounded() -> None:
    async def run() -> None:
        sessions = Sessions([b"k" * 32], World().bus)
        for _ in range(8300):
            sessions.open("", "p", "2025-11-25", capabilities=b"{}")
        assert len(sessions._verified) <= 8192

    asyncio.run(run())


async def test_a_refused_target_is_json(world: World) -> None:
    reply = await world.request("POST", "/mcp/nope", {"jsonrpc": "2.0", "id": 1, "method": "initialize"})
    assert reply.status == 404
    assert reply.headers["content-type"] == "application/json"
    assert "error" in json.loads(reply.body)


async def test_a_session_whose_server_is_switched_off_sees_nothing(world: World) -> None:
    session, _ = await world.initialize("/mcp/a")
    world.app.swap(snapshot(server("a", tool("echo"), enabled=False), revision=2))
    assert (await world.legacy(session, "tools/list", path="/mcp/a")).json["result"]["tools"] == []
    called = await world.legacy(session, "tools/call", {"name": "a-echo"}, path="/mcp/a")
    assert (called.status, called.json["error"]["code"]) == (200, -32602)
