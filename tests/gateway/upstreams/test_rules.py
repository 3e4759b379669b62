"""The pure rules: states, back-off, circuit, gates, events, routing headers, params."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from mcphub.gateway.errors import UpstreamProtocolError
from mcphub.gateway.inventory import Item
from mcphub.gateway.upstreams.credentials import refusal
from mcphub.gateway.upstreams.event_stream import EventReader
from mcphub.gateway.upstreams.gates import Starts
from mcphub.gateway.upstreams.inbound import answered_id
from mcphub.gateway.upstreams.param_headers import (
    InvalidAnnotation,
    encoded,
    mirrors_of,
    routing_headers,
    usable_tools,
)
from mcphub.gateway.upstreams.stamp import encode, stamp
from mcphub.gateway.upstreams.standing import TABLE, Circuit, ImpossibleEvent, Standing, advance, forgive, pause
from tests.gateway.upstreams.stage import opened

# --- states


def test_a_failure_counts_attempts_and_plans_the_next() -> None:
    standing = Standing(since=1.0)
    for attempt in range(1, 4):
        standing = advance(standing, "starting", 2.0)
        standing = advance(standing, "failed", 3.0, reason="no", next_attempt=9.0)
        assert (standing.state, standing.attempt, standing.next_attempt, standing.reason) == (
            "retrying",
            attempt,
            9,
            "no",
        )
    standing = advance(advance(standing, "starting", 4.0), "opened", 5.0)
    assert (standing.state, standing.attempt, standing.reason, standing.connected_at) == ("connected", 3, "", 5.0)
    assert forgive(standing).attempt == 0


def test_what_cannot_happen_raises() -> None:
    with pytest.raises(ImpossibleEvent):
        advance(Standing("sleeping"), "opened", 1.0)


def test_every_state_can_be_left_by_starting_and_by_stopping() -> None:
    for events in TABLE.values():
        assert events["starting"] == "connecting" and events["stopped"] == "disconnected"


@given(st.integers(0, 10_000), st.integers())
def test_pauses_stay_between_one_second_and_one_minute(attempt: int, seed: int) -> None:
    assert 1.0 <= pause(attempt, random.Random(seed)) <= 60.0


def test_pauses_grow() -> None:
    ceilings = [max(pause(attempt, random.Random(seed)) for seed in range(200)) for attempt in (1, 2, 3, 9)]
    assert ceilings == sorted(ceilings) and ceilings[0] <= 2 and ceilings[-1] > 50


def test_a_circuit_opens_lets_one_trial_through_and_closes_on_success() -> None:
    circuit = Circuit(random.Random(1), limit=3)
    assert [circuit.failed(0.0, "x") for _ in range(3)] == [False, False, True]
    assert not circuit.admits(0.5)
    assert circuit.admits(10.0) and not circuit.admits(10.0)
    circuit.failed(10.0, "x")
    assert not circuit.admits(10.5)
    assert circuit.admits(30.0)
    circuit.abandoned()
    assert circuit.admits(30.0)
    circuit.succeeded()
    assert circuit.open_until is None and circuit.admits(30.0)


async def test_slow_starters_give_their_slot_back_but_hold_it_for_a_while() -> None:
    starts = Starts(2, patience=0.1)
    running: list[int] = []

    async def start(number: int, seconds: float) -> None:
        async with starts.slot():
            running.append(number)
            await asyncio.sleep(seconds)

    slow = [asyncio.ensure_future(start(number, 5)) for number in range(2)]
    quick = asyncio.ensure_future(start(2, 0))
    await asyncio.sleep(0.02)
    assert running == [0, 1]
    await asyncio.wait_for(quick, 2)
    for task in slow:
        task.cancel()
    await asyncio.wait(slow)
    assert starts._slots is not None and starts._slots._value == 2


# --- events

STREAM = (
    b"\xef\xbb\xbf: hello\n\nid: 1\ndata:\n\nevent: message\nid: 2\ndata: {\"a\":\ndata: 1}\n\n"
    b"retry: 250\ndata: two\n\nid\ndata:three\n\nnonsense\n\ndata: unfinished"
)  # fmt: skip


@given(st.lists(st.integers(1, 40), min_size=1, max_size=80), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_events_are_the_same_however_the_bytes_are_cut(cuts: list[int], newline: bytes) -> None:
    stream = STREAM.replace(b"\n", newline)
    reader, events, position = EventReader(1000), [], 0
    while position < len(stream):
        for cut in cuts:
            events += reader.feed(stream[position : position + cut])
            position += cut
    assert [event.data for event in events] == [b'{"a":\n1}', b"two", b"three"]
    assert (events[0].name, events[0].id, reader.retry) == ("message", "2", 0.25)
    assert reader.last_id is None  # the empty id took it back


def test_an_endless_event_is_refused() -> None:
    reader = EventReader(1000)
    with pytest.raises(UpstreamProtocolError):
        for _ in range(100):
            reader.feed(b"x" * 100)


# --- headers

SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "inner": {"type": "object", "properties": {"deep": {"type": "boolean", "x-mcp-header": "Deep"}}},
        "plain": {"type": "number"},
    },
}


def _with(position: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", **position}


@pytest.mark.parametrize(
    "schema",
    [
        _with({"properties": {"a": {"type": "number", "x-mcp-header": "A"}}}),
        _with({"properties": {"a": {"type": "string", "x-mcp-header": "A B"}}}),
        _with({"properties": {"a": {"type": "string", "x-mcp-header": ""}}}),
        _with({"properties": {"a": {"type": "string", "x-mcp-header": 5}}}),
        _with({"properties": {"a": {"type": ["string", "null"], "x-mcp-header": "A"}}}),
        _with({"x-mcp-header": "A"}),
        _with({"properties": {n: {"type": "string", "x-mcp-header": n} for n in ("a", "A")}}),
        _with({"properties": {"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}}),
        _with({"anyOf": [{"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}]}),
        _with({"$defs": {"a": {"type": "string", "x-mcp-header": "A"}}}),
    ],
)
def test_invalid_annotations_are_found(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnnotation):
        mirrors_of(schema)


def test_annotations_inside_data_are_data() -> None:
    assert mirrors_of(_with({"properties": {"a": {"const": {"x-mcp-header": "A"}}}})) == ()


def test_arguments_travel_in_headers_too() -> None:
    mirrors = {"t": mirrors_of(SCHEMA)}
    params = opened({"name": "t", "arguments": {"region": "nørd", "inner": {"deep": False}, "plain": 1.5}})
    assert routing_headers("tools/call", params, mirrors) == {
        "Mcp-Method": "tools/call",
        "Mcp-Name": "t",
        "Mcp-Param-Region": "=?base64?bsO4cmQ=?=",
        "Mcp-Param-Deep": "false",
    }
    assert len(routing_headers("tools/call", opened({"name": "t", "arguments": {"region": None}}), mirrors)) == 2
    assert routing_headers("resources/read", opened({"uri": "a:b"}), mirrors)["Mcp-Name"] == "a:b"
    assert routing_headers("tools/list", opened({"name": "t"}), mirrors) == {"Mcp-Method": "tools/list"}


@pytest.mark.parametrize("value", [" edge", "tab\t", "é", "=?base64?eA==?=", "line\n"])
def test_values_that_would_not_arrive_are_marked(value: str) -> None:
    assert encoded(value).startswith("=?base64?")
    assert encoded("plain value") == "plain value"


def test_tools_with_invalid_annotations_are_not_usable() -> None:
    def tool(name: str, schema: Any) -> Item:
        return Item.of("tool", json.dumps({"name": name, "inputSchema": schema}).encode())

    bad = _with({"properties": {"a": {"type": "number", "x-mcp-header": "A"}}})
    mirrors, invalid = usable_tools([tool("good", SCHEMA), tool("bad", bad), tool("plain", {"type": "object"})])
    assert set(mirrors) == {"good"} and set(invalid) == {"bad"}


# --- params


def test_a_request_without_meta_goes_out_as_it_came() -> None:
    params = opened(b'{"name":"x","arguments":{"n":1e400}}')
    stamped, token = stamp(params, 7, modern=False, capabilities=b"{}")
    assert stamped is params and token is None
    assert encode(7, "tools/call", stamped) == (
        b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","arguments":{"n":1e400}}}'
    )


def test_stamping_leaves_the_callers_params_alone() -> None:
    params = opened(b'{"_meta":{"progressToken":"p","x":1}}')
    stamped, token = stamp(params, 7, modern=True, capabilities=b'{"roots":{}}')
    assert token == Raw(b'"p"') and bytes(params["_meta"]) == b'{"progressToken":"p","x":1}'
    meta = json.loads(bytes(stamped["_meta"]))
    assert meta["progressToken"] == 7 and meta["x"] == 1
    assert meta["io.modelcontextprotocol/clientCapabilities"] == {"roots": {}}


@pytest.mark.parametrize(
    ("data", "own"),
    [
        (b'{"jsonrpc":"2.0","id":5,"result":{', 5),
        (b' { "id" : 6 , "result"', 6),
        (b'{"jsonrpc":"2.0","result":{"a":[{"id":9}]},"id":7}', 7),
        (b'{"jsonrpc":"2.0","result":{"a":{"id":9}}}', None),
        (b'{"jsonrpc":"2.0","result":{"id":9', None),
        (b"nonsense", None),
    ],
)
def test_whose_answer_it_was_is_told_only_without_a_doubt(data: bytes, own: int | None) -> None:
    assert answered_id(data[:256], data[-256:]) == own


@pytest.mark.parametrize(
    ("status", "challenge", "oauth"),
    [
        (401, "", True),
        (401, 'Bearer resource_metadata="http://x/y"', True),
        (403, 'Bearer error="insufficient_scope", resource_metadata="http://x/y"', True),
        (403, "", False),
        (401, 'Basic realm="x"', False),
    ],
)
def test_a_refusal_tells_whether_signing_in_can_help(status: int, challenge: str, oauth: bool) -> None:
    data = refusal(status, challenge).data
    assert data is not None and data["oauth"] is oauth
    assert data.get("resource_metadata") == ("http://x/y" if "metadata" in challenge else None)
