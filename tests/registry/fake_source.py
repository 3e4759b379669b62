"""A registry that behaves as the official one does, in a thread of the test.

What is modelled (each is a trap for whoever mirrors it): rows in text order of (name, version); `nextCursor` whenever a
page is full, also when nothing follows; `updated_since` strictly greater and deleted rows included with it; `isLatest`
of other rows changed without touching their time; documents of all kinds of dirt; bursts of 429 and 5xx; data loss.
"""

from __future__ import annotations

import bisect
import json
import random
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from registry.documents.versions import order_of

OFFICIAL = "io.modelcontextprotocol.registry/official"


@dataclass
class Published:
    """One row of the registry's table. `document` as it was published."""

    document: Any
    published: datetime
    updated: datetime
    status: str = "active"
    latest: bool = False
    message: str = ""

    def encoded(self) -> bytes:
        meta = {
            "status": self.status,
            "publishedAt": self.published.isoformat().replace("+00:00", "Z"),
            "updatedAt": self.updated.isoformat().replace("+00:00", "Z"),
            "isLatest": self.latest,
        }
        if self.message:
            meta["statusMessage"] = self.message
        return json.dumps({"server": self.document, "_meta": {OFFICIAL: meta}}, separators=(",", ":")).encode()


@dataclass
class FakeSource:
    """The registry. `url` is the address of its API; a context manager, which serves while it is open."""

    rows: dict[tuple[str, str], Published] = field(default_factory=dict)
    #: answers that come instead of the next ones: a status, or (status, headers)
    failures: list[int | tuple[int, dict[str, str]]] = field(default_factory=list)
    #: part of requests that fail with 503, from `chance`
    flakiness: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    requests: list[str] = field(default_factory=list)
    busy: int = 0
    most_busy: int = 0
    #: called before each answer, such as to change something between two pages
    interrupt: Any = None

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.clock = datetime(2026, 1, 1, tzinfo=UTC)
        self._keys: list[tuple[str, str]] | None = None

    def __enter__(self) -> FakeSource:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v0.1"

    # -- publishing ----------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The registry's clock is the real one: a mirror's watermark is compared with it."""
        self.clock = max(self.clock + timedelta(microseconds=1), datetime.now(UTC))
        return self.clock

    def publish(
        self, name: str, version: str, document: dict[str, Any] | None = None, at: datetime | None = None
    ) -> None:
        with self.lock:
            moment = at or self.now()
            document = document if document is not None else server(name, version)
            self.rows[name, version] = Published(document, moment, moment)
            self._keys = None
            self._choose(name, just=version)

    def delete(self, name: str, version: str) -> None:
        self.set_status(name, version, "deleted")

    def set_status(self, name: str, version: str, status: str, message: str = "") -> None:
        with self.lock:
            row = self.rows[name, version]
            row.status, row.updated, row.message = status, self.now(), message
            self._choose(name)

    def reset(self) -> None:
        """Lose everything."""
        with self.lock:
            self.rows.clear()
            self._keys = None

    def _choose(self, name: str, just: str = "") -> None:
        """Flag the latest version of a name; the times of the rows stay as they are."""
        mine = {version: self.rows[key] for key in self._named(name) for version in [key[1]]}
        listed = {version: row for version, row in mine.items() if row.status != "deleted"}
        orders = {version: order_of(version) for version in listed}
        chosen = ""
        if just and orders.get(just) is None and just in listed:
            chosen = just
        elif listed:
            known = {version: order for version, order in orders.items() if order is not None}
            chosen = (
                max(known, key=lambda one: known[one]) if known else max(listed, key=lambda one: listed[one].published)
            )
        for version, row in mine.items():
            row.latest = version == chosen

    def _named(self, name: str) -> list[tuple[str, str]]:
        if self._keys is None:
            return [key for key in self.rows if key[0] == name]
        low = bisect.bisect_left(self._keys, (name, ""))
        found = []
        while low < len(self._keys) and self._keys[low][0] == name:
            found.append(self._keys[low])
            low += 1
        return found

    def keys(self) -> list[tuple[str, str]]:
        if self._keys is None:
            self._keys = sorted(self.rows)
        return self._keys

    def fill(self, servers: int, versions: int, *, at: datetime | None = None) -> None:
        """Publish many servers at once: `versions` in all, spread over them."""
        moment = at or datetime.now(UTC) - timedelta(days=30)
        with self.lock:
            for number in range(versions):
                index, turn = number % servers, number // servers
                name, version = f"io.github.user{index % 977}/server-{index:05d}", f"1.{turn}.0"
                self.rows[name, version] = Published(
                    server(name, version, index), moment, moment, latest=number + servers >= versions
                )
            self._keys = None

    def state(self) -> dict[tuple[str, str], tuple[str, bool, str]]:
        """What a mirror should have: status, flag and document of each row that can be stored."""
        with self.lock:
            return {
                key: (row.status, row.latest, json.dumps(row.document, sort_keys=True))
                for key, row in self.rows.items()
            }

    # -- answering -----------------------------------------------------------------------------------------------------

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(target)
        with self.lock:
            self.requests.append(target)
            if self.interrupt is not None:
                self.interrupt(self, target)
            if self.failures:
                failure = self.failures.pop(0)
                status, headers = failure if isinstance(failure, tuple) else (failure, {})
                return status, headers, json.dumps({"title": "burst", "status": status, "detail": "later"}).encode()
            if self.flakiness and self.chance.random() < self.flakiness:
                return 503, {}, b'{"title":"Service Unavailable","status":503}'
            segments = [unquote(one) for one in parts.path.split("/") if one]
            if segments[:2] == ["v0.1", "servers"] and len(segments) == 2:
                return self._list({name: values[-1] for name, values in parse_qs(parts.query).items()})
            if len(segments) == 5 and segments[3] == "versions":
                return self._one(segments[2], segments[4])
            return 404, {}, b'{"title":"Not Found","status":404,"detail":"no such route"}'

    def _list(self, query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        limit = int(query.get("limit", "30"))
        if not 1 <= limit <= 100:
            return 422, {}, b'{"title":"Unprocessable Entity","status":422,"detail":"validation failed"}'
        since = datetime.fromisoformat(query["updated_since"]) if "updated_since" in query else None
        deleted = since is not None or query.get("include_deleted") == "true"
        keys = self.keys()
        start = 0
        if "cursor" in query:
            name, _, version = query["cursor"].partition(":")
            start = bisect.bisect_right(keys, (name, version))
        found: list[bytes] = []
        last = ("", "")
        for key in keys[start:] if since is None else [one for one in keys[start:] if self.rows[one].updated > since]:
            row = self.rows[key]
            if not deleted and row.status == "deleted":
                continue
            found.append(row.encoded())
            last = key
            if len(found) == limit:
                break
        following = f',"nextCursor":{json.dumps(":".join(last))}' if len(found) == limit else ""
        return (
            200,
            {},
            b'{"servers":[' + b",".join(found) + f'],"metadata":{{"count":{len(found)}{following}}}}}'.encode(),
        )

    def _one(self, name: str, version: str) -> tuple[int, dict[str, str], bytes]:
        for key in self._named(name) if self._keys else [one for one in self.rows if one[0] == name]:
            row = self.rows[key]
            if row.status != "deleted" and (row.latest if version == "latest" else key[1] == version):
                return 200, {}, row.encoded()
        return 404, {}, b'{"title":"Not Found","status":404,"detail":"Server not found"}'


def _handler(source: FakeSource) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with source.lock:
                source.busy += 1
                source.most_busy = max(source.most_busy, source.busy)
            try:
                status, headers, body = source.answer(self.path)
            finally:
                with source.lock:
                    source.busy -= 1
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return None

    return Handler


def server(name: str, version: str, number: int = 0) -> dict[str, Any]:
    """A clean document."""
    topics = ("weather", "database", "kubernetes", "email", "github", "chat", "metrics", "files", "search", "calendar")
    topic = topics[number % len(topics)]
    return {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": name,
        "description": f"The {topic} server number {number}, which answers questions about {topic}",
        "version": version,
        "repository": {"url": f"https://github.com/{name.replace('io.github.', '')}", "source": "github"},
        "packages": [
            {
                "registryType": "npm",
                "identifier": f"@user/{name.rpartition('/')[2]}",
                "version": version,
                "transport": {"type": "stdio"},
                "environmentVariables": [
                    {"name": "API_KEY", "description": "Key", "isRequired": True, "isSecret": True}
                ],
            }
        ],
        "remotes": [{"type": "streamable-http", "url": f"https://{topic}{number}.example.com/mcp"}]
        if number % 3 == 0
        else [],
    }


def dirty() -> Iterable[tuple[str, str, Any]]:
    """Documents as they really occur: (name, version, document)."""
    twice = server("com.dirty/twice", "1.0.0")
    twice["packages"] = twice["packages"] * 2 + [
        {**twice["packages"][0], "transport": {"type": "sse", "url": "http://x/"}}
    ]
    twice["remotes"] = [{"type": "sse", "url": "https://x.example/sse"}] * 2
    yield "com.dirty/twice", "1.0.0", twice
    snake = {
        "name": "com.dirty/snake", "description": "old", "version": "0.1.0", "website_url": "https://old.example",
        "packages": [
            {
                "registry_type": "pypi", "identifier": "old-server", "version": "0.1.0", "transport": {"type": "stdio"},
                "environment_variables": [{"name": "TOKEN", "is_required": True, "is_secret": True}],
            }
        ],
    }  # fmt: skip
    yield "com.dirty/snake", "0.1.0", snake
    yield (
        "com.dirty/kind",
        "1",
        {**server("com.dirty/kind", "1"), "packages": [{"registryType": "on_device", "identifier": "x"}]},
    )
    yield (
        "com.dirty/wrong",
        "1",
        {
            "name": "com.dirty/wrong",
            "version": "1",
            "description": 5,
            "packages": "none",
            "remotes": [7, {"type": "carrier"}],
        },
    )
    yield "com.dirty/nothing", "1", {"name": "com.dirty/nothing", "version": "1"}
    yield (
        "com.dirty/control",
        "1",
        {**server("com.dirty/control", "1"), "description": "a\u0000b\ud800c", "title": "\u0007bell"},
    )
    yield "com.dirty/colon", "1:2:3", server("com.dirty/colon", "1:2:3")
    yield "com.dirty/Case", "1", server("com.dirty/Case", "1")
    yield "com.dirty/case", "1", server("com.dirty/case", "1")
    yield "com.dirty/unnamed", "1", {"version": "1"}
    yield "com.dirty/unversioned", "1", {"name": "com.dirty/unversioned"}
    yield "com.dirty/long", "1", {"name": "com.dirty/" + "x" * 300, "version": "1"}
    yield "com.dirty/text", "1", "just a text"
