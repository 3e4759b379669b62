"""Questions of upstreams: multi-round-trip requests, sealed states, relayed sampling and elicitation (A.6.5, A.7)."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from msgspec import Raw

from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.errors import RpcError
from mcphub.gateway.jsonrpc import dumps, loads
from mcphub.gateway.methods import states
from mcphub.gateway.seals import Sealer, Signer, decode, encode
from tests.gateway.world import World, server, snapshot, tool, until

FORM = {"method": "elicitation/create", "params": {"mode": "form", "message": "Sure?"}}
ELICITS = {"elicitation": {"form": {}, "url": {}}}


@pytest.fixture(autouse=True)
def _swap(world: World) -> None:
    made = snapshot(server("new", tool("t"), tool("u"), modern=True), server("old", tool("t")), revision=5)
    world.app.swap(made)


def asking(world: World, state: str | None = "inner") -> None:
    """Asks once, then tells what it got."""

    async def answer(call: Call, exchange: Exchange) -> Any:
        if "inputResponses" in call.params:
            got = {name: loads(call.params[name]) for name in ("inputResponses", "requestState") if name in call.params}
            return {"resultType": "complete", "content": [], "got": got}
        asked: dict[str, Any] = {"resultType": "input_required", "inputRequests": {"ok": FORM}}
        return asked if state is None else {**asked, "requestState": state}

    world.link.answer = answer


async def first_round(world: World, **options: Any) -> dict[str, Any]:
    params = {"name": "new-t", "arguments": {"b": 1, "a": [2]}}
    result: dict[str, Any] = (await world.modern("tools/call", params, capabilities=ELICITS, **options)).json["result"]
    assert result["resultType"] == "input_required"
    return result


RESPONSES = {"ok": {"action": "accept", "content": {"yes": True}}}


async def test_a_state_is_sealed_and_comes_back_as_it_was(world: World) -> None:
    asking(world)
    asked = await first_round(world)
    assert asked["inputRequests"] == {"ok": FORM}
    assert "inner" not in asked["requestState"]
    params = {"name": "new-t", "arguments": {"a": [2], "b": 1}, "inputResponses": RESPONSES,
              "requestState": asked["requestState"]}  # fmt: skip
    result = (await world.modern("tools/call", params, capabilities=ELICITS)).json["result"]
    assert result["got"] == {"inputResponses": RESPONSES, "requestState": "inner"}


async def test_no_state_is_added_where_none_came(world: World) -> None:
    asking(world, state=None)
    assert "requestState" not in await first_round(world)
    params = {"name": "new-t", "inputResponses": RESPONSES}
    result = (await world.modern("tools/call", params, capabilities=ELICITS)).json["result"]
    assert result["got"] == {"inputResponses": RESPONSES}


@pytest.mark.parametrize(
    "change",
    [
        {"requestState": "inner"},
        {"requestState": 7},
        {"suffix": "-TAMPERED"},
        {"suffix": "="},
        {"name": "new-u"},
        {"arguments": {"b": 2, "a": [2]}},
        {"token": "other"},
        {"server": "old-t"},
    ],
)
async def test_a_state_is_good_for_one_request_only(world: World, change: dict[str, Any]) -> None:
    asking(world)
    state = (await first_round(world))["requestState"] + change.get("suffix", "")
    params = {
        "name": change.get("server", change.get("name", "new-t")),
        "arguments": change.get("arguments", {"b": 1, "a": [2]}),
        "inputResponses": RESPONSES,
        "requestState": change.get("requestState", state),
    }
    calls = len(world.link.calls)
    reply = await world.modern("tools/call", params, token=change.get("token", "all"))
    assert (reply.status, reply.json["error"]["code"]) == (400, -32602)
    assert reply.json["error"]["message"] == "The requestState is not valid for this request."
    assert len(world.link.calls) == calls


async def test_a_state_expires(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asking(world)
    state = (await first_round(world))["requestState"]
    later = time.time() + states.LIFETIME + 1
    monkeypatch.setattr(states.time, "time", lambda: later)
    params = {"name": "new-t", "arguments": {"b": 1, "a": [2]}, "requestState": state, "inputResponses": {}}
    assert (await world.modern("tools/call", params)).json["error"]["code"] == -32602


async def test_a_state_is_good_in_another_process_and_after_a_rotation(world: World) -> None:
    asking(world)
    state = (await first_round(world))["requestState"]
    second = World(keys=(b"new" * 12, b"k" * 32), link=world.link, node="node2")
    second.app.swap(world.app.snapshot)
    params = {"name": "new-t", "arguments": {"b": 1, "a": [2]}, "inputResponses": RESPONSES, "requestState": state}
    assert (await second.modern("tools/call", params)).json["result"]["got"]["requestState"] == "inner"
    await second.aclose()


async def test_a_session_based_upstream_never_sees_rounds(world: World) -> None:
    await world.modern("tools/call", {"name": "old-t", "inputResponses": RESPONSES})
    assert set(world.link.calls[0].params) == {"name", "_meta"}


URLS = {"elicitations": [{"mode": "url", "elicitationId": "e1", "url": "https://x.example/y", "message": "Go"}]}


async def test_a_url_elicitation_error_becomes_a_question(world: World) -> None:
    async def answer(call: Call, exchange: Exchange) -> Any:
        raise RpcError(-32042, "open it", dumps(URLS))

    world.link.answer = answer
    asked = (await world.modern("tools/call", {"name": "old-t"}, capabilities=ELICITS)).json["result"]
    assert asked["resultType"] == "input_required"
    assert asked["inputRequests"]["e1"]["params"]["url"] == "https://x.example/y"
    refused = await world.modern("tools/call", {"name": "old-t"})
    assert (refused.status, refused.json["error"]["code"]) == (400, -32021)
    assert refused.json["error"]["data"] == {"requiredCapabilities": {"elicitation": {"url": {}}}}


# -- session-based clients ---------------------------------------------------------------------------------------------


async def answered(world: World, session: str, question: dict[str, Any], **answer: Any) -> None:
    message = {"jsonrpc": "2.0", "id": question["id"], **answer}
    reply = await world.request("POST", "/mcp", message, headers={"mcp-session-id": session})
    assert reply.status == 202


async def a_question(world: World) -> dict[str, Any]:
    """The question on the open stream of the last call."""
    found: list[dict[str, Any]] = await until(
        lambda: (
            [m for m in world.last.messages if "method" in m and "id" in m]
            if world.last.headers.get("content-type") == "text/event-stream"
            else []
        )
    )
    return found[-1]


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_session_based_client_is_asked_on_its_stream(world: World, elsewhere: bool) -> None:
    asking(world)
    second = World(bus=world.bus, node="node2") if elsewhere else world
    session, _ = await world.initialize(capabilities={"elicitation": {}})
    running = asyncio.create_task(world.legacy(session, "tools/call", {"name": "new-t"}))
    question = await a_question(world)
    assert (question["method"], question["params"]) == ("elicitation/create", FORM["params"])
    await answered(second, session, question, result=RESPONSES["ok"])
    reply = (await running).messages[-1]
    assert reply["result"]["got"] == {"inputResponses": RESPONSES, "requestState": "inner"}
    assert "resultType" not in reply["result"]
    if elsewhere:
        await second.aclose()


async def relayed(world: World, capabilities: dict[str, Any], **answer: Any) -> dict[str, Any]:
    """One sampling request of a session-based upstream."""

    async def call(call: Call, exchange: Exchange) -> Any:
        result = await exchange.ask("sampling/createMessage", Raw(b'{"messages":[]}'))
        return {"content": [], "got": loads(result)}

    world.link.answer = call
    session, _ = await world.initialize(capabilities=capabilities)
    running = asyncio.create_task(world.legacy(session, "tools/call", {"name": "old-t"}))
    if answer:
        await answered(world, session, await a_question(world), **answer)
    found: dict[str, Any] = (await running).messages[-1]
    return found


async def test_sampling_is_relayed(world: World) -> None:
    found = await relayed(world, {"sampling": {}}, result={"role": "assistant", "x": None})
    assert found["result"]["got"] == {"role": "assistant", "x": None}


async def test_a_clients_refusal_reaches_the_upstream(world: World) -> None:
    found = await relayed(world, {"sampling": {}}, error={"code": -1, "message": "no", "data": 5})
    assert found["error"] == {"code": -1, "message": "no", "data": 5}


async def test_a_client_is_not_asked_what_it_did_not_declare(world: World) -> None:
    assert (await relayed(world, {"elicitation": {}}))["error"]["code"] == -32601


async def test_only_the_session_that_was_asked_can_answer(world: World) -> None:
    asking(world)
    session, _ = await world.initialize(capabilities={"elicitation": {}})
    intruder, _ = await world.initialize(capabilities={"elicitation": {}})
    running = asyncio.create_task(world.legacy(session, "tools/call", {"name": "new-t"}))
    question = await a_question(world)
    await answered(world, intruder, question, result={"action": "accept"})
    await answered(world, session, {"id": "made.up"}, result={})
    await asyncio.sleep(0)
    assert not running.done()
    await answered(world, session, question, result={"action": "decline"})
    assert (await running).messages[-1]["result"]["got"]["inputResponses"] == {"ok": {"action": "decline"}}
    await answered(world, session, question, result={"action": "accept"})  # late: ignored


async def test_an_upstream_that_never_stops_asking_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(call: Call, exchange: Exchange) -> Any:
        return {"resultType": "input_required", "requestState": "again"}

    monkeypatch.setattr("mcphub.gateway.methods.carrying._SOON", 0)
    world.link.answer = answer
    session, _ = await world.initialize()
    assert (await world.legacy(session, "tools/call", {"name": "new-t"})).json["error"]["code"] == -32603
    assert len(world.link.calls) == 10
    assert len({call.id for call in world.link.calls}) == 10


# -- seals -------------------------------------------------------------------------------------------------------------


def test_base64_is_decoded_in_one_spelling_only() -> None:
    assert decode(encode(b"abc")) == b"abc"
    for wrong in ("YWJj=", "YWJjZ", "YW Jj", "YWJj\n", "", "YWJj-TAMPERED=", "YR"):
        assert decode(wrong) is None, wrong


def test_a_seal_opens_with_its_key_and_purpose_only() -> None:
    sealer = Sealer([b"1" * 32, b"2" * 32], "a")
    token = sealer.seal(b"content")
    assert sealer.open(token) == b"content"
    assert Sealer([b"2" * 32, b"1" * 32], "a").open(token) == b"content"
    assert Sealer([b"2" * 32], "a").open(token) is None
    assert Sealer([b"1" * 32], "b").open(token) is None
    assert sealer.open("v2." + token[3:]) is None
    assert sealer.open("") is None
    signer = Signer([b"1" * 32], "a")
    assert signer.verify(signer.sign(b"x")) == b"x"
    assert Signer([b"1" * 32], "b").verify(signer.sign(b"x")) is None
    assert json.dumps(token).strip('"') == token
