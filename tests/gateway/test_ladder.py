"""The ladder of the stateless revision, rung by rung, and what decides between the eras (protocol A.6.1, A.7)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.gateway.world import META, MODERN, World, server, snapshot, tool

META_BLOCK = {META + "protocolVersion": MODERN, META + "clientCapabilities": {}}
MODERN_HEADERS = {"mcp-protocol-version": MODERN, "mcp-method": "tools/list"}


def listing(**params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META_BLOCK, **params}}


@pytest.mark.parametrize("verb", ["GET", "DELETE", "PUT"])
async def test_only_post_is_served(world: World, verb: str) -> None:
    reply = await world.request(verb, "/mcp", headers=MODERN_HEADERS)
    assert reply.status == 405
    assert reply.headers["allow"] == "POST"


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", "text/html", ""])
async def test_both_forms_must_be_acceptable(world: World, accept: str) -> None:
    reply = await world.request("POST", "/mcp", listing(), headers={**MODERN_HEADERS, "accept": accept or "x/y"})
    assert reply.status == 406
    assert reply.json["error"]["code"] == -32000


@pytest.mark.parametrize("accept", ["*/*", "application/*, text/*", "text/event-stream;q=0.5, application/json"])
async def test_wildcards_are_acceptable(world: World, accept: str) -> None:
    assert (await world.request("POST", "/mcp", listing(), headers={**MODERN_HEADERS, "accept": accept})).status == 200


async def test_a_body_must_be_announced_as_json(world: World) -> None:
    reply = await world.request("POST", "/mcp", listing(), headers={**MODERN_HEADERS, "content-type": "text/plain"})
    assert reply.status == 415


async def test_a_body_over_the_limit_is_refused(world: World) -> None:
    body = listing(filler="x" * (1024 * 1024))
    reply = await world.request("POST", "/mcp", body, headers=MODERN_HEADERS)
    assert reply.status == 413


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{bad", -32700),
        (b'\xff{"jsonrpc":"2.0"}', -32700),
        (b"[" * 100_000, -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","params":' + b"[" * 60_000 + b"]" * 60_000 + b"}", -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"tools/list"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"tools/list"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', -32600),
    ],
)
async def test_what_is_no_request_is_400(world: World, body: bytes, code: int) -> None:
    reply = await world.request("POST", "/mcp", body, headers=MODERN_HEADERS)
    assert reply.status == 400
    assert reply.json["error"]["code"] in (code, -32700)
    assert reply.json["id"] is None


async def test_a_notification_is_accepted_and_dropped(world: World) -> None:
    body = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    reply = await world.request("POST", "/mcp", body, headers=MODERN_HEADERS)
    assert (reply.status, reply.body) == (202, b"")


async def test_a_routing_header_may_not_come_twice(world: World) -> None:
    reply = await world.request(
        "POST", "/mcp", listing(), headers=MODERN_HEADERS, repeat=[("mcp-method", "tools/list")]
    )
    assert (reply.status, reply.json["error"]["code"], reply.json["id"]) == (400, -32020, 1)


@pytest.mark.parametrize("missing", list(META_BLOCK))
async def test_the_envelope_is_required(world: World, missing: str) -> None:
    meta = {key: value for key, value in META_BLOCK.items() if key != missing}
    reply = await world.request("POST", "/mcp", listing(_meta=meta), headers=MODERN_HEADERS)
    assert (reply.status, reply.json["error"]["code"]) == (400, -32602)


@pytest.mark.parametrize("params", [None, [], "x"])
async def test_params_without_an_envelope_are_refused(world: World, params: Any) -> None:
    body = {**listing(), "params": params}
    reply = await world.request("POST", "/mcp", body, headers=MODERN_HEADERS)
    assert reply.status == 400
    assert reply.json["error"]["code"] in (-32602, -32600)


@pytest.mark.parametrize(
    "headers",
    [
        {"mcp-method": "tools/call"},
        {"mcp-method": ""},
        {"mcp-protocol-version": "2027-01-01"},
        {"mcp-method": "Tools/List"},
    ],
)
async def test_headers_must_agree_with_the_body(world: World, headers: dict[str, str]) -> None:
    reply = await world.request("POST", "/mcp", listing(), headers={**MODERN_HEADERS, **headers})
    assert (reply.status, reply.json["error"]["code"]) == (400, -32020)


async def test_blanks_around_header_values_do_not_matter(world: World) -> None:
    headers = {"mcp-protocol-version": f"{MODERN} ", "mcp-method": "\ttools/list \t"}
    assert (await world.request("POST", "/mcp", listing(), headers=headers)).status == 200


@pytest.mark.parametrize("name", ["", "b-echo", "=?base64?YS1lY2hv?==", "=?base64?!!?="])
async def test_the_name_header_must_agree_with_the_body(world: World, name: str) -> None:
    reply = await world.modern("tools/call", {"name": "a-echo"}, headers={"mcp-name": name})
    assert (reply.status, reply.json["error"]["code"]) == (400, -32020)


async def test_a_name_header_may_be_wrapped_in_base64(world: World) -> None:
    reply = await world.modern("tools/call", {"name": "a-echo"}, headers={"mcp-name": "=?base64?YS1lY2hv?="})
    assert reply.status == 200


async def test_an_unknown_revision_is_answered_with_the_known_ones(world: World) -> None:
    meta = {**META_BLOCK, META + "protocolVersion": "2027-01-01"}
    headers = {**MODERN_HEADERS, "mcp-protocol-version": "2027-01-01"}
    reply = await world.request("POST", "/mcp", listing(_meta=meta), headers=headers)
    assert (reply.status, reply.json["error"]["code"]) == (400, -32022)
    assert MODERN in reply.json["error"]["data"]["supported"]
    assert reply.json["error"]["data"]["requested"] == "2027-01-01"


@pytest.mark.parametrize("method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/get", "x"])
async def test_a_method_that_is_not_served_is_404(world: World, method: str) -> None:
    reply = await world.modern(method)
    assert (reply.status, reply.json["error"]["code"]) == (404, -32601)


MIRRORED = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "deep": {"type": "object", "properties": {"flag": {"type": "boolean", "x-mcp-header": "Flag"}}},
    },
}


@pytest.mark.parametrize(
    ("arguments", "headers", "status"),
    [
        ({"region": "eu"}, {"mcp-param-region": "eu"}, 200),
        ({"region": "eu"}, {}, 400),
        ({"region": "eu"}, {"mcp-param-region": "us"}, 400),
        ({}, {"mcp-param-region": "eu"}, 400),
        ({"region": None}, {}, 200),
        ({"region": "blå"}, {"mcp-param-region": "=?base64?YmzDpQ==?="}, 200),
        ({"region": "blå"}, {"mcp-param-region": "=?base64?YmzDpQ?="}, 400),
        ({"count": 42}, {"mcp-param-count": "42"}, 200),
        ({"count": 42}, {"mcp-param-count": "42.0"}, 200),
        ({"count": 42}, {"mcp-param-count": "43"}, 400),
        ({"deep": {"flag": True}}, {"mcp-param-flag": "true"}, 200),
        ({"deep": {"flag": True}}, {"mcp-param-flag": "True"}, 400),
        ({}, {"mcp-param-unknown": "x"}, 200),
    ],
)
async def test_mirrored_arguments_must_agree(
    world: World, arguments: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    world.app.swap(snapshot(server("a", tool("echo", inputSchema=MIRRORED)), revision=2))
    reply = await world.modern("tools/call", {"name": "a-echo", "arguments": arguments}, headers=headers)
    assert reply.status == status, reply.body
    assert status == 200 or reply.json["error"]["code"] == -32020


async def test_an_invalid_annotation_is_not_enforced(world: World) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "number", "x-mcp-header": "X"}}}
    world.app.swap(snapshot(server("a", tool("echo", inputSchema=schema)), revision=2))
    assert (await world.modern("tools/call", {"name": "a-echo", "arguments": {"x": 1}})).status == 200


async def test_a_modern_body_without_the_header_is_a_mismatch(world: World) -> None:
    reply = await world.request("POST", "/mcp", listing())
    assert (reply.status, reply.json["error"]["code"]) == (400, -32020)


async def test_unknown_members_and_big_numbers_reach_the_upstream_untouched(world: World) -> None:
    raw = b'{"n": 123456789012345678901234567890, "f": 1.0, "e": 1E2, "x": null, "u": "\\u00e5"}'
    body = (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":'
        b'{"name":"a-echo","arguments":%s,"strange":[ 1 ],"_meta":%s}}' % (raw, json.dumps(META_BLOCK).encode())
    )
    headers = {**MODERN_HEADERS, "mcp-method": "tools/call", "mcp-name": "a-echo"}
    assert (await world.request("POST", "/mcp", body, headers=headers)).status == 200
    assert bytes(world.link.calls[0].params["arguments"]) == raw
    assert bytes(world.link.calls[0].params["strange"]) == b"[ 1 ]"
