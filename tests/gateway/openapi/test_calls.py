"""Calls whose answers, or whose arguments, are out of the ordinary."""

from __future__ import annotations

import asyncio
import base64

import pytest
from aiohttp import web

from mcphub.gateway.errors import ConnectionLost, UpstreamTimeout
from mcphub.gateway.snapshot import CallOptions
from tests.gateway.openapi.conftest import Connect, Serve, one_operation


async def test_a_slow_service_times_out(connect: Connect, serve: Serve) -> None:
    async def handle(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    client = await connect(schema=one_operation(await serve(handle)), options=CallOptions(timeout=0.05))
    with pytest.raises(UpstreamTimeout):
        await client.call("it")


async def test_a_broken_answer_may_have_been_executed(connect: Connect, serve: Serve) -> None:
    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    client = await connect(schema=one_operation(await serve(handle), method="post"))
    with pytest.raises(ConnectionLost) as lost:
        await client.call("it")
    assert type(lost.value) is ConnectionLost


async def test_an_answer_over_the_limit_is_a_failure(connect: Connect, serve: Serve) -> None:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 2000)

    client = await connect(schema=one_operation(await serve(handle)), options=CallOptions(max_buffer_size=1000))
    result = await client.call("it")
    assert result["isError"] is True
    assert "larger than 1000 bytes" in result["content"][0]["text"]


async def test_numbers_and_unknown_members_survive(connect: Connect, serve: Serve) -> None:
    body = '{\n  "big": 123456789012345678901234567890,\r\n  "exact": 1.10\n}'

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/hal+json")

    client = await connect(schema=one_operation(await serve(handle)))
    result = await client.call("it")
    assert result["content"][0]["text"] == body
    assert result["structuredContent"]["big"] == 123456789012345678901234567890


async def test_an_answer_that_is_not_as_described_still_arrives(connect: Connect, serve: Serve) -> None:
    async def handle(_request: web.Request) -> web.Response:
        return web.json_response({"id": "seven", "name": None, "tags": [1, "b"], "more": True})

    described = {
        "type": "object",
        "required": ["id", "gone"],
        "additionalProperties": False,
        "properties": {
            "id": {"type": "integer"},
            "name": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    }
    responses = {"200": {"content": {"application/json": {"schema": described}}}}
    client = await connect(schema=one_operation(await serve(handle), responses=responses))
    result = await client.call("it")
    assert result["isError"] is False
    assert result["structuredContent"] == {"name": None, "tags": [None, "b"], "more": True}
    assert '"seven"' in result["content"][0]["text"]
    assert "/id, /tags/0" in result["content"][1]["text"]


async def test_files_and_sounds_come_as_base64(connect: Connect, serve: Serve) -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(body=b"\x00\xff", content_type=request.query["type"])

    document = one_operation(await serve(handle), parameters=[{"name": "type", "in": "query"}])
    client = await connect(schema=document)
    (sound,) = (await client.call("it", {"type": "audio/wav"}))["content"]
    assert sound == {"type": "audio", "mimeType": "audio/wav", "data": base64.b64encode(b"\x00\xff").decode()}
    (file,) = (await client.call("it", {"type": "application/pdf"}))["content"]
    assert file["resource"]["blob"] == sound["data"]
    assert "127.0.0.1" not in file["resource"]["uri"]


async def test_json_that_is_none_comes_as_text(connect: Connect, serve: Serve) -> None:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(text="not json", content_type="application/json")

    client = await connect(schema=one_operation(await serve(handle)))
    assert (await client.call("it"))["content"] == [{"type": "text", "text": "not json"}]


@pytest.mark.parametrize("method", ["get", "put", "post", "delete", "options", "patch", "trace"])
async def test_a_body_goes_with_every_method_that_declares_one(connect: Connect, serve: Serve, method: str) -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response({"method": request.method, "body": await request.text()})

    body = {"content": {"application/json; charset=utf-8": {"schema": {"type": "object"}}}}
    client = await connect(schema=one_operation(await serve(handle), method=method, requestBody=body))
    seen = (await client.call("it", {"body": {"a": 1}}))["structuredContent"]
    assert seen == {"method": method.upper(), "body": '{"a":1}'}


async def test_unsupported_bodies_are_flagged_and_refused(connect: Connect) -> None:
    body = {"content": {"application/xml": {}}}
    client = await connect(schema=one_operation("http://127.0.0.1:9", method="post", requestBody=body))
    assert "application/xml" in client.tools["it"]["description"]
    result = await client.call("it", {"body": "<a/>"})
    assert result["isError"] is True


async def test_a_required_body_must_be_there(connect: Connect) -> None:
    body = {"required": True, "content": {"application/json": {}}}
    client = await connect(schema=one_operation("http://127.0.0.1:9", method="post", requestBody=body))
    assert "'body' is missing" in (await client.call("it"))["content"][0]["text"]


async def test_a_header_cannot_carry_a_line_break(connect: Connect) -> None:
    document = one_operation("http://127.0.0.1:9", parameters=[{"name": "X-A", "in": "header"}])
    client = await connect(schema=document)
    assert "control characters" in (await client.call("it", {"X-A": "a\r\nX-B: b"}))["content"][0]["text"]


async def test_equal_names_in_different_places_are_all_sent(connect: Connect, serve: Serve) -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response({"path": request.path, "query": dict(request.query), "cookies": dict(request.cookies)})

    parameters = [{"name": "id", "in": place} for place in ("cookie", "query", "path")]
    parameters.append({"name": "body", "in": "query"})
    body = {"content": {"application/json": {}}}
    document = one_operation(await serve(handle), "/x/{id}", "post", parameters=parameters, requestBody=body)
    client = await connect(schema=document)
    assert list(client.tools["it"]["inputSchema"]["properties"]) == [
        "id_cookie",
        "id_query",
        "id",
        "body_query",
        "body",
    ]
    arguments = {"id": "p", "id_query": "q", "id_cookie": "c", "body_query": "b", "body": {}}
    seen = (await client.call("it", arguments))["structuredContent"]
    assert seen == {"path": "/x/p", "query": {"id": "q", "body": "b"}, "cookies": {"id": "c"}}
