"""A copy of the catalogue in Supabase, by whichever of its two doors is configured: PostgREST or PostgreSQL.

Rows are inserted or updated by name and rows that the catalogue no longer has are removed. Over PostgreSQL all of it is
one transaction; over PostgREST, which has none, a failure leaves rows that are old or new but never half of one, and
the next push completes it. Above: the API, jobs. Below: `web`, `models`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
from django.conf import settings
from psycopg import sql
from psycopg.types.json import Jsonb

from mcphub.errors import HubError, InvalidInput
from registry import readings
from registry.models import Entry
from registry.web import Answer, Unreachable, Web

#: Rows in one request.
BATCH = 500
#: Longest list of names in an address; proxies refuse requests whose first line is much longer.
_LONGEST_LIST = 4000
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?")
#: The columns of a table this hub makes itself; an existing one may have fewer.
COLUMNS: dict[str, LiteralString] = {
    "name": "text primary key", "display_name": "text", "description": "text", "version": "text", "url": "text",
    "icon": "text", "category": "text", "tags": "jsonb", "tools_count": "integer", "tools": "jsonb",
    "authentication": "jsonb", "rate_limit": "jsonb", "supported_platforms": "jsonb", "source": "text",
    "status": "text", "repository": "text", "transports": "jsonb", "updated_at": "timestamptz",
}  # fmt: skip


class NotConfigured(InvalidInput):
    """No door to Supabase is configured."""

    sentence = (
        "Supabase is not configured: set SUPABASE_URL and SUPABASE_SERVICE_KEY for its API, or SUPABASE_DB_URL for its "
        "database."
    )


class SyncFailed(HubError):
    """Supabase refused, or could not be reached; `data` has the upstream's status or error code."""

    code = "sync_failed"
    http_status = 502
    sentence = "The catalogue could not be copied to Supabase."


@dataclass(frozen=True, slots=True)
class Pushed:
    """A copy that was made."""

    count: int
    at: datetime


def push() -> Pushed:
    """Copy the catalogue. Raises `NotConfigured`, `SyncFailed`."""
    table = settings.SUPABASE_TABLE
    if not _TABLE.fullmatch(table):
        raise InvalidInput("SUPABASE_TABLE is no name of a table.")
    if settings.SUPABASE_DB_URL:
        count = _over_postgres(table)
    elif settings.SUPABASE_URL and settings.SUPABASE_SERVICE_KEY:
        count = _over_rest(table)
    else:
        raise NotConfigured
    return Pushed(count, datetime.now(UTC))


def is_configured() -> bool:
    """Whether there is a door to Supabase."""
    return bool(settings.SUPABASE_DB_URL or (settings.SUPABASE_URL and settings.SUPABASE_SERVICE_KEY))


def rows() -> Iterator[dict[str, Any]]:
    """The catalogue as rows, in the order of names."""
    for entry in Entry.objects.offered().select_related("source").order_by("name").iterator(500):
        told = readings.detailed(entry)
        told["updated_at"] = entry.updated_at.isoformat()
        yield {column: told[column] for column in COLUMNS}


# -- PostgreSQL ------------------------------------------------------------------------------------------------------


def _over_postgres(table: str) -> int:
    target = sql.Identifier(*table.split("."))
    try:
        with psycopg.connect(settings.SUPABASE_DB_URL, connect_timeout=10) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(target, _definitions()))
            columns = _columns_of(cursor, table)
            copied = list(rows())
            cursor.executemany(
                _upsert(target, list(columns)),
                ([_fitting(row[column], kind) for column, kind in columns.items()] for row in copied),
            )
            names = [row["name"] for row in copied]
            cursor.execute(sql.SQL("DELETE FROM {} WHERE NOT (name = ANY(%s))").format(target), [names])
            return len(names)
    except psycopg.Error as failure:
        # The address holds the password, and messages of the driver may hold the address.
        told = failure.diag.message_primary or "The database could not be reached."
        raise SyncFailed(f"Supabase's database refused: {told}", data={"status": failure.sqlstate or ""}) from None


def _definitions() -> sql.Composed:
    parts = [sql.SQL("{} ").format(sql.Identifier(name)) + sql.SQL(kind) for name, kind in COLUMNS.items()]
    return sql.SQL(", ").join(parts)


def _columns_of(cursor: psycopg.Cursor[Any], table: str) -> dict[str, str]:
    """The columns to write with their types: those of ours that the table has."""
    schema, _, name = table.rpartition(".")
    cursor.execute(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_name = %s AND table_schema = coalesce(nullif(%s, ''), current_schema())",
        [name, schema],
    )
    found = dict(cursor.fetchall())
    if "name" not in found:
        raise SyncFailed("The table in Supabase has no column `name`.", data={"status": "42703"})
    return {column: found[column] for column in COLUMNS if column in found}


def _upsert(target: sql.Composable, columns: Sequence[str]) -> sql.Composed:
    others = [sql.Identifier(column) for column in columns if column != "name"]
    renewed = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(column) for column in others)
    return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (name) DO {}").format(
        target,
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() * len(columns)),
        sql.SQL("UPDATE SET ") + renewed if others else sql.SQL("NOTHING"),
    )


def _fitting(value: Any, kind: str) -> Any:
    """A value as a column of that type takes it: tables of people's own making differ."""
    if kind in ("json", "jsonb"):
        return Jsonb(value)
    if isinstance(value, list | dict) and kind != "ARRAY":
        return json.dumps(value, ensure_ascii=False)
    return value


# -- PostgREST -------------------------------------------------------------------------------------------------------


def _over_rest(table: str) -> int:
    key = settings.SUPABASE_SERVICE_KEY
    address = f"{settings.SUPABASE_URL}/rest/v1/{table}"
    try:
        with Web({"apikey": key, "Authorization": f"Bearer {key}"}) as web:
            names: list[str] = []
            batch: list[dict[str, Any]] = []
            for row in rows():
                names.append(row["name"])
                batch.append(row)
                if len(batch) == BATCH:
                    _post(web, address, batch)
                    batch = []
            if batch:
                _post(web, address, batch)
            _remove_others(web, address, names)
            return len(names)
    except Unreachable as failure:
        raise SyncFailed(f"Supabase: {failure.message}", data={"status": 0}) from None


def _post(web: Web, address: str, batch: Sequence[dict[str, Any]]) -> None:
    headers = {"Prefer": "resolution=merge-duplicates,return=minimal"}
    _accepted(web.send("POST", address, batch, headers, {"on_conflict": "name"}))


def _remove_others(web: Web, address: str, names: Sequence[str]) -> None:
    """Remove the rows that are not among these names."""
    listed = _quoted(names)
    if len(listed) > _LONGEST_LIST:
        stale = _stale(web, address, set(names))
        if stale is not None:
            for part in _portions(stale):
                _accepted(web.send("DELETE", address, None, params={"name": f"in.({_quoted(part)})"}))
            return
    _accepted(
        web.send("DELETE", address, None, params={"name": f"not.in.({listed})"} if names else {"name": "not.is.null"})
    )


def _stale(web: Web, address: str, names: set[str]) -> list[str] | None:
    """Names in the table that the catalogue does not have; None where the table cannot be read."""
    found: list[str] = []
    start = 0
    while True:
        answer = web.get(address, {"select": "name", "order": "name", "limit": "1000", "offset": str(start)})
        if answer.status not in (200, 206):
            return None
        page = answer.json()
        if not isinstance(page, list) or not all(isinstance(row, dict) and "name" in row for row in page):
            return None
        found += [row["name"] for row in page if row["name"] not in names]
        start += len(page)
        if len(page) < 1000:
            return found


def _portions(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), 30):
        yield names[start : start + 30]


def _quoted(names: Sequence[str]) -> str:
    """Names as PostgREST's list operators take them."""
    return ",".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)


def _accepted(answer: Answer) -> None:
    if not 200 <= answer.status < 300:
        reason = answer.reason()
        sentence = f"Supabase answered {answer.status}{f': {reason}' if reason else '.'}"
        raise SyncFailed(sentence, data={"status": answer.status})
