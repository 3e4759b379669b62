"""A small world for data-plane tests: a link that answers from a script, snapshots, and a client on bare ASGI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Raw

from mcphub.bus import Bus, MemoryBus
from mcphub.gateway.app import GatewayApp, Options
from mcphub.gateway.calls import Call, CallRecord, Exchange
from mcphub.gateway.inventory import Inventory, Item
from mcphub.gateway.principal import Principal
from mcphub.gateway.recorder import Recorder
from mcphub.gateway.snapshot import (
    HttpSpec,
    Offer,
    ServerSpec,
    Snapshot,
    Switches,
)

MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
BOTH = "application/json, text/event-stream"

Answer = Callable[[Call, Exchange], Awaitable[Any]]


async def echo(call: Call, exchange: Exchange) -> Any:
    """Answers a tool call with the params that arrived."""
    params = {name: json.loads(bytes(raw)) for name, raw in call.params.items()}
    return {"content": [{"type": "text", "text": json.dumps(params)}]}


class FakeLink:
    """Answers calls from `answer`; remembers them."""

    def __init__(self, answer: Answer = echo) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.subscribed: list[tuple[str, str, bool]] = []
        self.cancelled = 0

    async def call(self, call: Call, exchange: Exchange) -> Raw:
        self.calls.append(call)
        try:
            result = await self.answer(call, exchange)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Raw(result if isinstance(result, bytes) else json.dumps(result).encode())

    async def subscribe(self, server: str, uri: str, wanted: bool) -> None:
        self.subscribed.append((server, uri, wanted))


class FakeAuthenticator:
    """Knows the tokens it is given; counts how often it is asked."""

    def __init__(self, tokens: dict[str, Principal] | None = None, users: dict[str, Principal] | None = None) -> None:
        self.tokens = tokens or {}
        self.users = users or {}
        self.asked = 0

    async def authenticate(self, token: str) -> Principal | None:
        self.asked += 1
        await asyncio.sleep(0)
        return self.tokens.get(token)

    async def authenticate_user(self, token: str) -> Principal | None:
        self.asked += 1
        return self.users.get(token)


class FakeSink:
    """Keeps call records; fails `failures` times first."""

    def __init__(self, failures: int = 0) -> None:
        self.records: list[CallRecord] = []
        self.failures = failures
        self.batches: list[int] = []

    async def store(self, records: Sequence[CallRecord]) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the database is away")
        self.batches.append(len(records))
        self.records.extend(records)


ALL = Principal("key:all", unrestricted=True, key_id="all", key_name="all")
OTHER = Principal("key:other", unrestricted=True, key_id="other", key_name="other")
DANA = Principal("user:dana", username="dana")
ERIN = Principal("user:erin", username="erin")
TOKENS = {"all": ALL, "other": OTHER, "dana": DANA, "erin": ERIN}


def tool(name: str, **members: Any) -> Item:
    """A tool as an upstream lists it."""
    return Item.of("tool", json.dumps({"name": name, "inputSchema": {"type": "object"}, **members}).encode())


def prompt(name: str, **members: Any) -> Item:
    return Item.of("prompt", json.dumps({"name": name, **members}).encode())


def resource(uri: str, **members: Any) -> Item:
    return Item.of("resource", json.dumps({"uri": uri, "name": uri, **members}).encode())


def template(pattern: str, **members: Any) -> Item:
    return Item.of("template", json.dumps({"uriTemplate": pattern, "name": pattern, **members}).encode())


def offers(items: Sequence[Item | Offer]) -> tuple[Offer, ...]:
    return tuple(item if isinstance(item, Offer) else Offer(item) for item in items)


def server(name: str, *items: Item | Offer, modern: bool = False, **members: Any) -> ServerSpec:
    """A connected server with these items; public unless said otherwise."""
    by_kind: dict[str, list[Item | Offer]] = {"tool": [], "prompt": [], "resource": [], "template": []}
    for each in items:
        by_kind[(each.item if isinstance(each, Offer) else each).kind].append(each)
    members.setdefault("visibility", "public")
    members.setdefault(
        "inventory",
        Inventory(
            revision=MODERN if modern else "2025-11-25",
            server_info=b'{"name":"upstream-of-%s","version":"7"}' % name.encode(),
            capabilities=b'{"tools":{},"resources":{"subscribe":true},"completions":{}}',
            instructions=f"Use {name} well.",
        ),
    )
    return ServerSpec(
        key=f"key-{name}",
        name=name,
        transport="streamable-http",
        spec=HttpSpec("http://127.0.0.1:1/mcp"),
        connection=name,
        tools=offers(by_kind["tool"]),
        prompts=offers(by_kind["prompt"]),
        resources=offers(by_kind["resource"]),
        templates=offers(by_kind["template"]),
        **members,
    )


def snapshot(*servers: ServerSpec, revision: int = 1, switches: Switches | None = None, **members: Any) -> Snapshot:
    members.setdefault("users", {"admin": True, "dana": False, "erin": False})
    return Snapshot(
        revision=revision,
        servers={each.name: each for each in servers},
        switches=switches or Switches(rate_per_minute=0),
        **members,
    )


@dataclass
class Reply:
    """What came back over ASGI."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def messages(self) -> list[Any]:
        """The JSON-RPC messages, whether they came as JSON or as events."""
        if self.headers.get("content-type") == "text/event-stream":
            return [json.loads(line[6:]) for line in self.body.decode().splitlines() if line.startswith("data: {")]
        return [self.json] if self.body else []


@dataclass
class World:
    """A GatewayApp with its fakes, and an ASGI client."""

    link: FakeLink = field(default_factory=FakeLink)
    authenticator: FakeAuthenticator = field(default_factory=lambda: FakeAuthenticator(dict(TOKENS)))
    sink: FakeSink = field(default_factory=FakeSink)
    bus: Bus = field(default_factory=MemoryBus)
    node: str = "node1"
    base_path: str = ""
    keys: tuple[bytes, ...] = (b"k" * 32,)
    app: GatewayApp = field(init=False)
    recorder: Recorder = field(init=False)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.sink)
        self.app = GatewayApp(
            link=self.link,
            authenticator=self.authenticator,
            recorder=self.recorder,
            bus=self.bus,
            keys=self.keys,
            base_path=self.base_path,
            options=Options(node=self.node),
        )

    async def aclose(self) -> None:
        await self.app.aclose()

    @property
    def records(self) -> list[CallRecord]:
        return list(self.recorder._queue)

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "all",
        headers: dict[str, str] | None = None,
        query: str = "",
        disconnect: asyncio.Event | None = None,
        repeat: Sequence[tuple[str, str]] = (),
    ) -> Reply:
        """One HTTP request. `disconnect` makes the client go away when it is set; `repeat` adds header lines."""
        lines = {"host": "localhost:3000", "accept": BOTH}
        if token is not None:
            lines["authorization"] = f"Bearer {token}"
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if body is not None:
            lines["content-type"] = "application/json"
            lines["content-length"] = str(len(raw))
        lines.update(headers or {})
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": path,
            "query_string": query.encode(),
            "client": ("192.0.2.1", 1234),
            "headers": [
                *((name.encode(), value.encode()) for name, value in lines.items() if value != ""),
                *((name.encode(), value.encode()) for name, value in repeat),
            ],
        }
        sent = False
        gone = disconnect or asyncio.Event()

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if not sent:
                sent = True
                return {"type": "http.request", "body": raw, "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        reply = Reply(0, {}, b"")

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                reply.body += message.get("body", b"")

        self.last = reply
        await self.app(scope, receive, send)
        return reply

    async def initialize(
        self,
        path: str = "/mcp",
        *,
        revision: str = "2025-11-25",
        token: str | None = "all",
        capabilities: dict[str, Any] | None = None,
        query: str = "",
    ) -> tuple[str, Any]:
        """Open a session; returns its id and the result."""
        params = {"protocolVersion": revision, "capabilities": capabilities or {}, "clientInfo": {"name": "t"}}
        reply = await self.request(
            "POST",
            path,
            {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params},
            token=token,
            query=query,
        )
        assert reply.status == 200, reply.body
        return reply.headers["mcp-session-id"], reply.json["result"]

    async def legacy(
        self,
        session: str,
        method: str,
        params: Any = None,
        *,
        path: str = "/mcp",
        token: str | None = "all",
        id: Any = 2,
        **options: Any,
    ) -> Reply:
        """One request within a session."""
        message = {"jsonrpc": "2.0", "id": id, "method": method}
        if params is not None:
            message["params"] = params
        return await self.request("POST", path, message, token=token, headers={"mcp-session-id": session}, **options)

    async def modern(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        path: str = "/mcp",
        token: str | None = "all",
        capabilities: dict[str, Any] | None = None,
        id: Any = 3,
        meta: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Reply:
        """One request under the stateless revision, with headers that agree."""
        body = dict(params or {})
        body["_meta"] = {
            META + "protocolVersion": MODERN,
            META + "clientCapabilities": capabilities or {},
            **(meta or {}),
        }
        lines = {"mcp-protocol-version": MODERN, "mcp-method": method}
        if method in ("tools/call", "prompts/get"):
            lines["mcp-name"] = str(body.get("name", ""))
        if method == "resources/read":
            lines["mcp-name"] = str(body.get("uri", ""))
        lines.update(headers or {})
        message = {"jsonrpc": "2.0", "id": id, "method": method, "params": body}
        return await self.request("POST", path, message, token=token, headers=lines, **options)


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Wait for a condition on the running loop."""
    async with asyncio.timeout(seconds):
        while not (value := condition()):
            await asyncio.sleep(0.002)
        return value
