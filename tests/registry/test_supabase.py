"""The copy in Supabase, through both doors: a real PostgreSQL, and a server that behaves as PostgREST does."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from pytest_django import Settings

from mcphub.actor import HUB
from registry.actions import change_entry, delete_entry
from registry.models import Entry, Source
from tests.tools.cluster import postgres_server
from tests.tools.rest import Caller

pytestmark = pytest.mark.django_db
POSTGRES = os.environ.get("TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")
ROUTE = "/admin/mcp_registry/sync-to-supabase"
KEY = "service-key"


class PostgRest:
    """A table behind PostgREST: keys, upserts by name, filters on names, bulk limits, errors in its form."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.fail_after: int | None = None

    def answer(self, method: str, target: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        self.requests.append((method, target, headers))
        if headers.get("apikey") != KEY or headers.get("Authorization") != f"Bearer {KEY}":
            return 401, {"message": "Invalid API key", "hint": "Double check your Supabase key."}
        if self.fail_after is not None and len(self.requests) > self.fail_after:
            return 500, {"message": "out of disk", "code": "53100"}
        parts = urlsplit(target)
        if parts.path != "/rest/v1/mcp_registry":
            return 404, {"message": "no such table", "code": "42P01"}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if method == "POST":
            assert query["on_conflict"] == "name"
            assert "resolution=merge-duplicates" in headers["Prefer"]
            assert len(body) <= 500
            self.rows |= {row["name"]: row for row in body}
            return 201, None
        if method == "GET":
            start, limit = int(query.get("offset", 0)), min(int(query.get("limit", 1000)), 1000)
            return 200, [{"name": name} for name in sorted(self.rows)[start : start + limit]]
        operator, _, listed = query["name"].partition("(")
        names = set(json.loads(f"[{listed.rstrip(')')}]"))
        keeps = (lambda name: name in names) if operator == "not.in." else (lambda name: name not in names)
        self.rows = {name: row for name, row in self.rows.items() if keeps(name)}
        return 204, None

    def __enter__(self) -> PostgRest:
        table = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                if len(self.path) > 8000:
                    self.send_error(414)
                    return
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, told = table.answer(
                    self.command, self.path, dict(self.headers), json.loads(raw) if raw else None
                )
                body = b"" if told is None else json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = _serve  # noqa: N815 (names of the standard library)

            def log_message(self, *args: object) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def rest(settings: Settings) -> Iterator[PostgRest]:
    with PostgRest() as table:
        settings.SUPABASE_URL, settings.SUPABASE_SERVICE_KEY = table.url, KEY
        yield table


@pytest.fixture
def database(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    """A schema of its own in a real PostgreSQL."""
    schema = f"supabase_{secrets.token_hex(4)}"
    with postgres_server(POSTGRES) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")  # type: ignore[arg-type]
        connection.execute(f"SET search_path = {schema}")  # type: ignore[arg-type]
        settings.SUPABASE_DB_URL = f"{POSTGRES}?options=-csearch_path%3D{schema}"
        yield connection
        connection.execute(f"DROP SCHEMA {schema} CASCADE")  # type: ignore[arg-type]


@pytest.fixture
def thousand(shipped: None) -> int:
    """A catalogue of a thousand and more entries."""
    source = Source.objects.create(slug="made", name="Made", kind="custom")
    Entry.objects.bulk_create(
        Entry(
            source=source, name=f"entry-with-a-long-name-{n:04d}", upstream_name=f"e{n}", title=f"Entry {n}",
            status="approved", description="It's “quoted” \\ and 'so'", tags=["a"],
        )
        for n in range(1000)
    )  # fmt: skip
    return Entry.objects.offered().count()


def names(connection: psycopg.Connection[Any]) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM mcp_registry").fetchall()}


def test_a_thousand_entries_are_copied_over_postgrest(admin: Caller, rest: PostgRest, thousand: int) -> None:
    for _ in range(2):
        reply = admin.post(ROUTE)
        assert (reply.status, reply.body["status"], reply.body["synced_count"]) == (200, "success", thousand)
        assert reply.body["timestamp"].endswith("Z")
        assert len(rest.rows) == thousand
    assert rest.rows["time"]["display_name"] == "Time"


def test_removed_entries_leave_postgrest(admin: Caller, rest: PostgRest, thousand: int) -> None:
    rest.rows = {f"stale-{n}": {"name": f"stale-{n}"} for n in range(1500)}
    admin.post(ROUTE)
    delete_entry("time", actor=HUB)
    assert admin.post(ROUTE).status == 200
    assert set(rest.rows) == set(Entry.objects.offered().values_list("name", flat=True))


def test_a_small_catalogue_is_trimmed_in_one_request(admin: Caller, rest: PostgRest, shipped: None) -> None:
    rest.rows = {"stale": {"name": "stale"}}
    assert admin.post(ROUTE).status == 200
    assert [method for method, _, _ in rest.requests] == ["POST", "DELETE"]
    assert "stale" not in rest.rows


def test_a_wrong_key_is_a_clear_502(admin: Caller, rest: PostgRest, shipped: None, settings: Settings) -> None:
    settings.SUPABASE_SERVICE_KEY = "wrong"
    reply = admin.post(ROUTE)
    error = reply.body["error"]
    assert (reply.status, error["code"], error["details"]["status"]) == (502, "SYNC_FAILED", 401)
    assert "wrong" not in error["message"]


def test_a_failure_in_the_middle_keeps_what_was_there(admin: Caller, rest: PostgRest, thousand: int) -> None:
    rest.rows = {"stale": {"name": "stale"}}
    rest.fail_after = 1
    assert admin.post(ROUTE).status == 502
    assert "stale" in rest.rows
    rest.fail_after = None
    assert admin.post(ROUTE).status == 200
    assert len(rest.rows) == thousand


@pytest.mark.postgres
def test_a_thousand_entries_are_copied_over_postgresql(
    admin: Caller, database: psycopg.Connection[Any], thousand: int
) -> None:
    for _ in range(2):
        assert admin.post(ROUTE).body["synced_count"] == thousand
        assert len(names(database)) == thousand
    change_entry("time", actor=HUB, description="It's ours")
    delete_entry("fetch", actor=HUB)
    assert admin.post(ROUTE).status == 200
    assert "fetch" not in names(database)
    row = database.execute("SELECT description, tags FROM mcp_registry WHERE name = 'time'").fetchone()
    assert row == ("It's ours", ["time", "timezone", "reference", "utility"])


@pytest.mark.postgres
def test_a_table_of_ones_own_gets_the_columns_it_has(
    admin: Caller, database: psycopg.Connection[Any], shipped: None
) -> None:
    database.execute(
        "CREATE TABLE mcp_registry (id serial, name text UNIQUE, display_name text, tags text[], extra text)"
    )
    assert admin.post(ROUTE).status == 200
    row = database.execute("SELECT display_name, tags FROM mcp_registry WHERE name = 'git'").fetchone()
    assert row == ("Git", ["git", "local", "reference"])


@pytest.mark.postgres
def test_half_a_failure_leaves_the_old_state(admin: Caller, database: psycopg.Connection[Any], thousand: int) -> None:
    database.execute("CREATE TABLE mcp_registry (name text PRIMARY KEY, display_name text)")
    database.execute("INSERT INTO mcp_registry VALUES ('old', 'Old')")
    database.execute("ALTER TABLE mcp_registry ADD CHECK (name <> 'youtube' AND display_name <> 'Wikipedia')")
    reply = admin.post(ROUTE)
    error = reply.body["error"]
    assert (reply.status, error["code"], error["details"]["status"]) == (502, "SYNC_FAILED", "23514")
    assert names(database) == {"old"}


@pytest.mark.parametrize(
    "url", ["postgresql://nobody:secret-word@127.0.0.1:5432/nowhere", "postgresql://127.0.0.1:9/x"]
)
def test_a_database_that_refuses_is_a_clear_502(admin: Caller, settings: Settings, url: str) -> None:
    settings.SUPABASE_DB_URL = url
    reply = admin.post(ROUTE)
    assert (reply.status, reply.body["error"]["code"]) == (502, "SYNC_FAILED")
    assert "secret-word" not in json.dumps(reply.body)


def test_without_a_door_the_variables_are_named(admin: Caller) -> None:
    reply = admin.post(ROUTE)
    assert (reply.status, reply.body["error"]["code"]) == (400, "INVALID_REQUEST")
    assert "SUPABASE_URL" in reply.body["error"]["message"]
    assert "SUPABASE_DB_URL" in reply.body["error"]["message"]
