"""Documents as they come: by address, split over files, hostile, enormous."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp import web

from mcphub.gateway.errors import AuthenticationRefused, ForbiddenAddress, UpstreamUnavailable
from mcphub.gateway.snapshot import OpenApiSpec, ServerSpec
from mcphub.gateway.upstreams import openapi_loading
from mcphub.gateway.upstreams.openapi import OpenApiUpstream
from mcphub.gateway.upstreams.openapi_spec.documents import Documents, server_address
from mcphub.gateway.upstreams.openapi_spec.operations import convert
from mcphub.gateway.upstreams.openapi_spec.reading import UnreadableDocument, read, references
from mcphub.gateway.upstreams.outbound import Outbound
from tests.fixtures.openapi_document import document as pets
from tests.gateway.openapi.conftest import Connect, Ear, Json, Serve, one_operation

#: Nine levels of ten aliases each: a kilobyte that stands for ten thousand million values.
ALIASES = b"a: &a [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%b]\n" % (level + 1, level + 1, b",".join([b"*%c" % level] * 10)) for level in range(97, 106)
)


async def test_a_private_document_is_fetched_with_its_own_credentials_only(connect: Connect, serve: Serve) -> None:
    seen: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        if request.headers.get("Authorization") != "Bearer of-the-document":
            return web.Response(status=401)
        return web.json_response(one_operation("/"))

    origin = await serve(handle)
    main = {"type": "http", "http": {"scheme": "bearer", "credentials": "of-the-service"}}
    own = {"type": "http", "http": {"scheme": "bearer", "credentials": "of-the-document"}}
    client = await connect(url=f"{origin}/o.json", security=main, spec_security=own, headers={"X-Api": "secret"})
    assert list(client.tools) == ["it"]
    assert "X-Api" not in seen[0]
    with pytest.raises(AuthenticationRefused):
        await connect(url=f"{origin}/o.json", security=main)


async def test_files_referred_to_are_fetched_without_credentials(connect: Connect, serve: Serve) -> None:
    seen: dict[str, str | None] = {}

    async def handle(request: web.Request) -> web.Response:
        seen[request.path] = request.headers.get("Authorization")
        if request.path == "/spec/schemas/pet.yaml":
            return web.Response(text="Pet: {type: object, properties: {owner: {$ref: '../owner.json#/Owner'}}}")
        if request.path == "/spec/owner.json":
            return web.json_response(
                {"Owner": {"type": "object", "properties": {"pets": {"$ref": "schemas/pet.yaml#/Pet"}}}}
            )
        body = {"content": {"application/json": {"schema": {"$ref": "schemas/pet.yaml#/Pet"}}}}
        gone = [{"$ref": "gone.json#/x"}]
        return web.json_response(one_operation("/", requestBody=body, method="post", parameters=gone))

    origin = await serve(handle)
    security = {"type": "http", "http": {"scheme": "bearer", "credentials": "secret"}}
    client = await connect(url=f"{origin}/spec/openapi.json", security=security)
    assert seen["/spec/openapi.json"] == "Bearer secret"
    assert seen["/spec/schemas/pet.yaml"] is None and seen["/spec/owner.json"] is None
    definitions = client.tools["it"]["inputSchema"]["$defs"]
    assert definitions["Owner"]["properties"]["pets"] == {"$ref": "#/$defs/Pet"}


@pytest.mark.parametrize("ref", ["file:///etc/passwd", "file:etc.json#/x", "/etc/passwd#/x", "ftp://h/x"])
async def test_local_files_are_refused(connect: Connect, ref: str) -> None:
    schema = one_operation("http://h", parameters=[{"$ref": ref}])
    with pytest.raises(UnreadableDocument, match="local file"):
        await connect(schema=schema)


async def test_a_missing_file_costs_only_what_needs_it(connect: Connect, serve: Serve) -> None:
    async def handle(request: web.Request) -> web.Response:
        return (
            web.json_response(one_operation("/", parameters=[{"$ref": "gone.json"}]))
            if "o.json" in request.path
            else web.Response(status=404)
        )

    client = await connect(url=f"{await serve(handle)}/o.json")
    assert list(client.tools) == ["it"]
    assert any("missing" in message for _, message in client.ear.lines)


async def test_redirects_of_the_document_are_refused(connect: Connect, serve: Serve) -> None:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/other"})

    with pytest.raises(UnreadableDocument, match="redirects"):
        await connect(url=f"{await serve(handle)}/o.json")


async def test_an_endless_document_is_given_up(connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi_loading, "MAX_BYTES", 1024 * 1024)

    async def handle(request: web.Request) -> web.StreamResponse:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b" " * 65536

        return web.Response(body=endless())

    with pytest.raises(UnreadableDocument, match="larger"):
        await connect(url=f"{await serve(handle)}/o.json")


async def test_a_server_of_a_plain_user_cannot_reach_inside(serve: Serve) -> None:
    async def handle(_request: web.Request) -> web.Response:
        return web.json_response(one_operation("/"))

    origin = await serve(handle)
    outbound = Outbound()
    for spec in (
        OpenApiSpec(url=f"{origin}/o.json"),
        OpenApiSpec(schema=one_operation("http://h", parameters=[{"$ref": f"{origin}/x.json"}])),
    ):
        upstream = OpenApiUpstream(ServerSpec("k", "n", "openapi", spec, "1", trusted=False), Ear(), outbound.session)
        with pytest.raises(ForbiddenAddress):
            await upstream.open()
        await upstream.aclose()
    await outbound.aclose()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"[" * 100_000, "nested"),
        (b"{a: " * 100_000, "nested"),
        (b"\n".join(b" " * i + b"a:" for i in range(1000)), "nested"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "nested"),
        (ALIASES, "aliases"),
        (b"a: &a [*a]", "alias"),
        (b"a: [", "neither"),
        (b"\xff\xfe\x00", "neither|not an object"),
        (b"- 1", "not an object"),
        (b"? [a]\n: b", "key"),
    ],
)  # fmt: skip
def test_hostile_texts_are_refused_quickly(text: bytes, reason: str) -> None:
    began = time.monotonic()
    with pytest.raises(UnreadableDocument, match=reason):
        references(read(text))
    assert time.monotonic() - began < 5


def test_yaml_has_the_types_of_json() -> None:
    text = b"""{200: a, on: off, date: 2024-01-01, zip: 0123, n: null, t: true,
                f: 1.5, e: 1e3, i: -7, h: 0x1F, s: '5', y: .inf}"""
    assert read(text) == {
        "200": "a", "on": "off", "date": "2024-01-01", "zip": "0123", "n": None, "t": True, "f": 1.5, "e": 1000.0,
        "i": -7, "h": 31, "s": "5", "y": ".inf",
    }  # fmt: skip
    assert read(b"base: &b {a: 1, b: 2}\nmore:\n  <<: *b\n  b: 3") == {
        "base": {"a": 1, "b": 2},
        "more": {"a": 1, "b": 3},
    }


@pytest.mark.parametrize("found", [{}, {"openapi": "4.0.0"}, {"asyncapi": "3.0.0"}, {"openapi": 3}])
async def test_other_documents_are_refused(connect: Connect, found: Json) -> None:
    with pytest.raises(UnreadableDocument, match="OpenAPI 3"):
        await connect(schema=found)


async def test_a_document_without_an_address_is_refused(connect: Connect) -> None:
    with pytest.raises(UnreadableDocument, match="address"):
        await connect(schema=one_operation("/api"))


@pytest.mark.parametrize(
    ("servers", "base", "address"),
    [
        ([{"url": "https://a.example/v1/"}], "https://d.example/x/o.json", "https://a.example/v1"),
        ([{"url": "/v1"}], "https://d.example/x/o.json", "https://d.example/v1"),
        ([{"url": "v1"}], "https://d.example/x/o.json", "https://d.example/x/v1"),
        ([{"url": "//a.example"}], "https://d.example/x/o.json", "https://a.example"),
        (None, "https://d.example:81/x/o.json?a=1", "https://d.example:81"),
        ([], "", ""),
        ([{"url": "https://{r}.a.example/{b}", "variables": {"r": {"default": "eu"}, "b": {"default": "v2"}}}], "", "https://eu.a.example/v2"),
        ([{"url": "ws://a.example"}], "", ""),
        ([{"url": "http://["}], "http://h", ""),
        ([{"url": "http://a:99999"}], "http://h", ""),
    ],
)  # fmt: skip
def test_the_address_of_the_service(servers: object, base: str, address: str) -> None:
    assert server_address(servers, base) == address


def test_a_large_document_is_converted_quickly() -> None:
    """1,500 operations over 400 schemas that all lead to each other: 5 MB in, seconds at most, no explosion."""
    large = pets("3.0.3", "http://h", 1500)
    schemas = large["components"]["schemas"]
    for index in range(400):
        properties = {f"p{n}": {"type": "string", "description": "x" * 200} for n in range(30)}
        others = {f"r{n}": {"$ref": f"#/components/schemas/S{(index * 7 + n) % 400}"} for n in range(10)}
        schemas[f"S{index}"] = {"type": "object", "properties": {**properties, **others}}
    for index in range(1500):
        operation = large["paths"][f"/extra/{index}"]["get"]
        schema = {"$ref": f"#/components/schemas/S{index % 400}"}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
        operation["responses"] = {"200": {"content": {"application/json": {"schema": schema}}}}
        operation["description"] = "y" * 1000
    text = msgspec.json.encode(large)
    assert len(text) > 4_500_000
    began = time.monotonic()
    document = read(text)
    references(document)
    api = convert(Documents(document, "http://h/o.json"))
    assert time.monotonic() - began < 10
    assert len(api.operations) > 1500
    assert sum(len(operation.definition) for operation in api.operations.values()) < 40_000_000


async def test_a_stranger_at_the_documents_address_is_reported(connect: Connect, serve: Serve) -> None:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(status=503)

    with pytest.raises(UpstreamUnavailable, match="503"):
        await connect(url=f"{await serve(handle)}/o.json")
