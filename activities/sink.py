"""DatabaseCallSink: batches of call records into the database, payloads masked, sums included.

Implements `gateway.ports.CallSink`. A batch is one transaction and may be stored twice without harm: the calls' own
ids are the keys. It is handed over as a whole (`staging`), and the database makes rows and sums of it, outside of the
interpreter lock that the hot path needs (docs/decisions/0040). Above: `hub`. Below: `models`, `rollups`, `payloads`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec
from django.db import DataError, connection, transaction

from activities import rollups
from activities.models import CallPayload, CallRecord
from activities.payloads import kept
from activities.staging import staged
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
#: The record's members that are stored with the call, and their types.
_MEMBERS = {
    "id": "text", "started": "double precision", "duration_ms": "double precision", "method": "text", "server": "text",
    "item": "text", "status": "text", "door": "text", "route": "text", "group": "text", "principal": "text",
    "username": "text", "key_id": "text", "key_name": "text", "address": "text", "request_size": "bigint",
    "response_size": "bigint", "error": "text", "error_code": "integer", "trace": "jsonb",
}  # fmt: skip
_PAYLOAD_MEMBERS = {"call_id": "text", "input": "text", "output": "text"}


class DatabaseCallSink:
    """See the module. `heard` is told of each batch that was stored, in the thread that stored it."""

    def __init__(self, heard: Callable[[Sequence[Remembered]], None] | None = None) -> None:
        self._heard = heard

    async def store(self, records: Sequence[Remembered]) -> None:
        """Write a batch; what the database refuses as a whole is raised, and nothing of the batch is stored."""
        await write_in_database(self._store, records)

    def _store(self, records: Sequence[Remembered]) -> None:
        store(records)
        if self._heard is not None:
            self._heard(records)


def store(records: Sequence[Remembered]) -> None:
    """Write a batch; see `DatabaseCallSink.store`."""
    try:
        _store(records)
    except (DataError, UnicodeError) as refused:
        # One record the database cannot hold must not keep the others back for ever.
        if len(records) == 1:
            logger.error("A call record could not be stored and is lost: %s", refused)
            return
        middle = len(records) // 2
        store(records[:middle])
        store(records[middle:])


@transaction.atomic
def _store(records: Sequence[Remembered]) -> None:
    payloads = kept(records)
    source, parameters = staged("sent_calls", _MEMBERS, [_plain(each) for each in records])
    rollups.add(_new_calls(source), parameters)
    with connection.cursor() as cursor:
        cursor.execute(_insert_calls(source), parameters)
        if payloads:
            source, parameters = staged("sent_payloads", _PAYLOAD_MEMBERS, payloads)
            cursor.execute(_insert_payloads(source), parameters)


def _plain(call: Remembered) -> Remembered:
    """The record without payloads, with an error that names no secret, in texts that a database can hold."""
    if call.error is None and call.input is None and call.output is None and "\0" not in call.item:
        return call
    error = None if call.error is None else _holdable(secrecy.hide(call.error[:4000], call.server))
    return msgspec.structs.replace(call, item=_holdable(call.item), error=error, input=None, output=None)


def _holdable(text: str) -> str:
    return text.replace("\0", "").encode(errors="replace").decode()


# -- the statements; names and numbers in them are ours, values are parameters ---------------------------------------


def _calls(source: str) -> str:
    columns = ", ".join(f'{made} AS "{name}"' for name, made in _COLUMNS.items())
    return f"SELECT {columns} FROM {source}"  # noqa: S608


def _new_calls(source: str) -> str:
    """The calls of a batch that are not stored yet, for the roll-ups: a batch may come a second time."""
    table = CallRecord._meta.db_table
    return f"{_calls(source)} WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.id = sent.id)"  # noqa: S608


def _insert_calls(source: str) -> str:
    columns = ", ".join(f'"{name}"' for name in _COLUMNS)
    return f"INSERT INTO {CallRecord._meta.db_table} ({columns}) {_calls(source)} WHERE true ON CONFLICT DO NOTHING"


def _insert_payloads(source: str) -> str:
    columns = ", ".join(_PAYLOAD_MEMBERS)
    return (
        f"INSERT INTO {CallPayload._meta.db_table} ({columns}) SELECT {columns} FROM {source} "  # noqa: S608
        "WHERE true ON CONFLICT DO NOTHING"
    )
