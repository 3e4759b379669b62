"""Batches of rows, handed to the database as a whole: something to SELECT from. Above: `sink`. Below: the connection.

PostgreSQL takes one JSON text apart. SQLite reads such a text anew for every column, which took it longer than all the
rest; it gets a temporary table, filled by statements of a hundred rows: the interpreter lock, which the hot path waits
for, then changes hands twenty times for two thousand calls instead of once a call (docs/decisions/0040).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from operator import attrgetter

import msgspec
from django.db import connection

#: Rows of one statement; SQLite takes 32,766 values at most.
_ROWS = 100
_NUL = b"\\u0000"


def staged(name: str, members: Mapping[str, str], rows: Sequence[msgspec.Struct]) -> tuple[str, list[str]]:
    """What stands after FROM to read these rows within the transaction, and its parameters.

    Args:
        name: of the temporary table, a word of ours. members: names of the rows' members and their types in PostgreSQL;
            members that are mappings are read as JSON texts.
    """
    if connection.vendor == "postgresql":
        typed = ", ".join(f"{connection.ops.quote_name(member)} {kind}" for member, kind in members.items())
        return f"json_to_recordset(%s::json) AS sent({typed})", [_text(rows)]
    _fill(name, members, rows)
    return f"temp.{name} AS sent", []


def _text(rows: Sequence[msgspec.Struct]) -> str:
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


def _fill(name: str, members: Mapping[str, str], rows: Sequence[msgspec.Struct]) -> None:
    values = _values(members, rows)
    whole = len(values) - len(values) % _ROWS
    # Past Django's cursor, which would look for its own marks in these long statements again and again.
    sqlite = connection.connection
    with connection.wrap_database_errors:
        sqlite.execute(f"CREATE TEMP TABLE IF NOT EXISTS {name} ({', '.join(map(connection.ops.quote_name, members))})")
        sqlite.execute(f"DELETE FROM temp.{name}")  # noqa: S608 (names of ours)
        for first in range(0, whole, _ROWS):
            rows_of_one = itertools.chain.from_iterable(values[first : first + _ROWS])
            sqlite.execute(_insertion(name, len(members), _ROWS), list(rows_of_one))
        sqlite.executemany(_insertion(name, len(members), 1), values[whole:])


def _values(members: Mapping[str, str], rows: Sequence[msgspec.Struct]) -> list[tuple[object, ...]]:
    values = list(map(attrgetter(*members), rows))
    for place in (place for place, kind in enumerate(members.values()) if kind == "jsonb"):
        for number, row in enumerate(values):
            if row[place] is not None:
                text = msgspec.json.encode(row[place]).decode()
                values[number] = (*row[:place], text, *row[place + 1 :])
    return values


@functools.cache
def _insertion(name: str, columns: int, rows: int) -> str:
    """One and the same text each time, as SQLite's statements are kept by their texts."""
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO temp.{name} VALUES {', '.join([row] * rows)}"  # noqa: S608 (names of ours)
