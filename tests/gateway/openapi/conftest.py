"""A running REST service, and upstreams connected to it (or to small services a test brings along)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from msgspec import Raw

from mcphub.gateway.calls import Call, Silence
from mcphub.gateway.ports import Level
from mcphub.gateway.snapshot import CallOptions, OpenApiSpec, ServerSpec
from mcphub.gateway.upstreams.openapi import OpenApiUpstream
from tests.tools.processes import http_fixture

Json = dict[str, Any]
Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Ear:
    """A listener that remembers log lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def list_changed(self, kind: str) -> None:
        raise AssertionError("an OpenAPI service never says so")

    def resource_updated(self, uri: str) -> None:
        raise AssertionError("an OpenAPI service never says so")

    def notice(self, method: str, params: Raw) -> None:
        raise AssertionError("an OpenAPI service never says so")

    def log(self, level: Level, message: str, source: str = "connection") -> None:
        self.lines.append((level, message))


def unguarded(_spec: ServerSpec) -> aiohttp.ClientSession:
    """An HTTP session that may reach the loopback interface."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


class Client:
    """An upstream with the words of a test."""

    def __init__(self, upstream: OpenApiUpstream, ear: Ear) -> None:
        self.upstream = upstream
        self.ear = ear
        self.tools: dict[str, Json] = {}

    async def open(self) -> Client:
        inventory = await self.upstream.open()
        self.tools = {item.key: msgspec.json.decode(item.definition) for item in inventory.tools}
        return self

    async def call(self, name: str, arguments: Json | None = None, **call: Any) -> Json:
        params = {"name": Raw(msgspec.json.encode(name)), "arguments": Raw(msgspec.json.encode(arguments or {}))}
        request = Call(id="1", server="k", method="tools/call", params=params, **call)
        return msgspec.json.decode(await self.upstream.request(request, Silence()))


Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """`await connect(url=…, security=…, options=CallOptions(…))` gives a connected client."""
    opened: list[OpenApiUpstream] = []

    async def connected(*, options: CallOptions | None = None, **spec: Any) -> Client:
        options = options or CallOptions(timeout=10)
        server = ServerSpec("k", "pets", "openapi", OpenApiSpec(**spec), connection="1", options=options)
        ear = Ear()
        upstream = OpenApiUpstream(server, ear, unguarded)
        opened.append(upstream)
        return await Client(upstream, ear).open()

    yield connected
    for upstream in opened:
        await upstream.aclose()
        assert upstream.closed.result() is None


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    """The origin of the fixture service."""
    with http_fixture("openapi_service") as url:
        yield url.rsplit("/", 1)[0]


Serve = Callable[[Handle], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(handler)` gives the origin of a service that answers everything with it."""
    runners: list[web.AppRunner] = []

    async def served(handler: Handle) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield served
    for runner in runners:
        await runner.cleanup()


def one_operation(origin: str, path: str = "/it", method: str = "get", **operation: Any) -> Json:
    """The smallest document: one operation called `it`."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "One", "version": "1"},
        "servers": [{"url": origin}],
        "paths": {path: {method: {"operationId": "it", "responses": {}, **operation}}},
    }
