"""DatabaseCallSink: batches of call records into the database, payloads masked, sums included.

Implements `gateway.ports.CallSink`. A batch is one transaction and may be stored twice without harm: the calls' own
ids are the keys. It is handed over as one JSON text and taken apart by the database: rows made in Python cost ten times
more for each call, all of it under the interpreter lock that the hot path needs (docs/decisions/0040).
Above: `hub`. Below: `models`, `rollups`, `payloads`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec
from django.db import DataError, connection, transaction

from activities import rollups
from activities.models import CallPayload, CallRecord
from activities.payloads import kept
from mcphub.bridge import write_in_database
from mcphub.gateway.calls import CallRecord as Remembered
from mcphub.secrecy import secrecy

logger = logging.getLogger(__name__)

#: Columns of a call, and how each is made of the record's members.
_COLUMNS = {
    "id": "id",
    "started": "CAST(started * 1000 AS bigint)",
    "duration": "duration_ms",
    "method": "substr(method, 1, 32)",
    "server": "substr(server, 1, 255)",
    "item": "substr(item, 1, 512)",
    "status": "status",
    "door": "door",
    "route": "substr(route, 1, 512)",
    # Behind a server's own route that route is what people filter by.
    "group": "substr(COALESCE(NULLIF(\"group\", ''), route), 1, 255)",
    "principal": "principal",
    # The contract's name for who acts by a key that is nobody's.
    "username": "COALESCE(username, CASE WHEN key_id IS NULL THEN '' ELSE 'system' END)",
    "key_id": "COALESCE(key_id, '')",
    "key_name": "COALESCE(key_name, '')",
    "address": "substr(address, 1, 64)",
    "request_size": "request_size",
    "response_size": "response_size",
    "error": "substr(COALESCE(error, ''), 1, 2000)",
    "error_code": "error_code",
    "trace": "trace",
}  # fmt: skip
_TYPES = {
    "started": "double precision", "duration_ms": "double precision", "request_size": "bigint",
    "response_size": "bigint", "error_code": "integer", "trace": "jsonb",
}  # fmt: skip
_MEMBERS = (
    "id", "started", "duration_ms", "method", "server", "item", "status", "door", "route", "group", "principal",
    "username", "key_id", "key_name", "address", "request_size", "response_size", "error", "error_code", "trace",
)  # fmt: skip
_NUL = b"\\u0000"


class DatabaseCallSink:
    """See the module. `heard` is told of each batch that was stored."""

    def __init__(self, heard: Callable[[Sequence[Remembered]], None] | None = None) -> None:
        self._heard = heard

    async def store(self, records: Sequence[Remembered]) -> None:
        """Write a batch; what the database refuses as a whole is raised, and nothing of the batch is stored."""
        await write_in_database(store, records)
        if self._heard is not None:
            self._heard(records)


def store(records: Sequence[Remembered]) -> None:
    """Write a batch; see `DatabaseCallSink.store`."""
    try:
        _store(records)
    except DataError as refused:
        # One record the database cannot hold must not keep the others back for ever.
        if len(records) == 1:
            logger.error("A call record could not be stored and is lost: %s", refused)
            return
        middle = len(records) // 2
        store(records[:middle])
        store(records[middle:])


@transaction.atomic
def _store(records: Sequence[Remembered]) -> None:
    plain = [_plain(each) for each in records]
    payloads = [payload for each in records if (payload := kept(each)) is not None]
    calls = _text(plain)
    rollups.add(_new_calls(), [calls])
    with connection.cursor() as cursor:
        cursor.execute(_insert_calls(), [calls])
        if payloads:
            cursor.execute(_insert_payloads(), [_text(payloads)])


def _plain(call: Remembered) -> Remembered:
    """The record without payloads, with an error that names no secret."""
    if call.error is None:
        return call if call.input is None and call.output is None else _without_payload(call)
    return msgspec.structs.replace(call, input=None, output=None, error=secrecy.hide(call.error[:4000], call.server))


def _without_payload(call: Remembered) -> Remembered:
    return msgspec.structs.replace(call, input=None, output=None)


def _text(rows: Sequence[object]) -> str:
    raw = msgspec.json.encode(rows)
    if _NUL in raw:
        # PostgreSQL stores no NUL; clients may send one in any name.
        raw = msgspec.json.encode(_without_nul(msgspec.json.decode(raw)))
    return raw.decode()


def _without_nul(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(member) for member in value]
    if isinstance(value, dict):
        return {name.replace("\0", ""): _without_nul(member) for name, member in value.items()}
    return value


# -- the statements; names and numbers in them are ours, values are parameters ---------------------------------------


def _rows(members: Sequence[str]) -> str:
    """A FROM clause that turns the one parameter, a JSON array of objects, into rows with these members."""
    if connection.vendor == "postgresql":
        typed = ", ".join(f'"{name}" {_TYPES.get(name, "text")}' for name in members)
        return f"json_to_recordset(%s::json) AS sent({typed})"
    parts = ", ".join(f"json_extract(value, '$.{name}') AS \"{name}\"" for name in members)
    return f"(SELECT {parts} FROM json_each(%s)) AS sent"  # noqa: S608


def _calls() -> str:
    columns = ", ".join(f'{made} AS "{name}"' for name, made in _COLUMNS.items())
    return f"SELECT {columns} FROM {_rows(_MEMBERS)}"  # noqa: S608


def _new_calls() -> str:
    """The calls of a batch that are not stored yet, for the roll-ups: a batch may come a second time."""
    table = CallRecord._meta.db_table
    return f"{_calls()} WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.id = sent.id)"  # noqa: S608


def _insert_calls() -> str:
    columns = ", ".join(f'"{name}"' for name in _COLUMNS)
    return f"INSERT INTO {CallRecord._meta.db_table} ({columns}) {_calls()} WHERE true ON CONFLICT DO NOTHING"


def _insert_payloads() -> str:
    table = CallPayload._meta.db_table
    rows = _rows(("call_id", "input", "output"))
    return (
        f"INSERT INTO {table} (call_id, input, output) SELECT call_id, input, output FROM {rows} "  # noqa: S608
        "WHERE true ON CONFLICT DO NOTHING"
    )
