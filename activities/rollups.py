"""Roll-ups: sums over calls, written in the same transaction as the calls themselves, entirely inside the database.

A batch of calls becomes one row per bucket and level (see `models.Level`), added to what is there. Nothing has to be
computed later, so charts are exact to the last call; and Python, whose time is the hub's, only hands over a text.
Above: `sink`, the `rebuildrollups` command, `retention`. Below: `models`, `histogram`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from django.db import connection

from activities.histogram import BOUNDS, COLUMNS
from activities.models import CallRollup, Level, Span

#: How long hours are kept, in days: of most levels, and of those that are few rows however many calls there are.
HOURS_KEPT_DAYS = 15
COARSE_LEVELS = (Level.ALL, Level.SERVER, Level.USER)
COARSE_HOURS_KEPT_DAYS = 100
#: How long rows are kept, in days: fine buckets for the recent past, days for as long as anyone may ask, and months
#: until the last of their days is gone, as they tell which names there are.
KEPT_DAYS = {Span.MINUTE: 2, Span.HOUR: COARSE_HOURS_KEPT_DAYS, Span.DAY: 800, Span.MONTH: 830}

_DIMENSIONS = ("username", "key_id", "key_name", "group", "server", "item")
#: Those that tell rows of one time and level apart: a key that was renamed is still one.
NAMED = tuple(name for name in _DIMENSIONS if name != "key_name")
#: Which of them each level keeps apart.
KEEPS: dict[Level, frozenset[str]] = {
    Level.ALL: frozenset(),
    Level.SERVER: frozenset({"server"}),
    Level.TOOL: frozenset({"server", "item"}),
    Level.USER: frozenset({"username"}),
    Level.KEY: frozenset({"username", "key_id", "key_name"}),
    Level.GROUP: frozenset({"username", "group"}),
    Level.FULL: frozenset(_DIMENSIONS),
}
_LEVELS = tuple((level.value, kept) for level, kept in KEEPS.items())
_SUMS = ("calls", "errors", "cancelled", "duration", "failed_duration", "request_bytes", "response_bytes", *COLUMNS)
_KEY = ("span", "level", "username", "start", "key_id", "server", "item", "group")
_TABLE = CallRollup._meta.db_table


def add(source: str, parameters: list[str], spans: Sequence[int] = tuple(Span.values)) -> None:
    """Add calls to the roll-ups.

    Args:
        source: a SELECT with the members of a call record (started in epoch milliseconds), and its parameters.
        spans: lengths of the buckets to add to, shortest first.
    """
    with connection.cursor() as cursor:
        cursor.execute(_statement(tuple(spans)).replace("{source}", source), parameters)


def _bins() -> str:
    """One count per bucket of the histogram."""
    parts = []
    for number, column in enumerate(COLUMNS):
        above = f"duration > {BOUNDS[number - 1]}" if number else ""
        within = f"duration <= {BOUNDS[number]}" if number < len(BOUNDS) else ""
        parts.append(f"COUNT(*) FILTER (WHERE {' AND '.join(filter(None, (above, within)))}) AS {column}")
    return ", ".join(parts)


def _quoted(name: str) -> str:
    return f'"{name}"'


@functools.cache
def _statement(spans: tuple[int, ...]) -> str:
    bucket = f"started / {spans[0] * 1000} * {spans[0]}"
    dimensions = ", ".join(map(_quoted, _DIMENSIONS))
    flags = ", ".join(f"by_{name}" for name in NAMED)
    levels = ", ".join(f"({level}, {', '.join(str(int(name in kept)) for name in NAMED)})" for level, kept in _LEVELS)
    parts = {name: f"CASE WHEN by_{name} = 1 THEN {_quoted(name)} ELSE '' END" for name in NAMED}
    kept = ", ".join(f"{part} AS {name}_" for name, part in parts.items())
    sums = ", ".join(f"SUM({name})" for name in _SUMS)
    grown = ", ".join(f"{name} = {_TABLE}.{name} + excluded.{name}" for name in _SUMS)
    # Two steps: first the calls of one shortest bucket and one combination, then those few rows at all levels and
    # spans. Ordered, so that processes that write the same rows take their locks in the same order. (`WHERE true` tells
    # SQLite that the ON which follows is no join's.)
    return f"""
        WITH finest AS (
            SELECT {bucket} AS bucket, {dimensions}, COUNT(*) AS calls,
                COUNT(*) FILTER (WHERE status NOT IN ('ok', 'cancelled')) AS errors,
                COUNT(*) FILTER (WHERE status = 'cancelled') AS cancelled,
                SUM(duration) AS duration,
                SUM(CASE WHEN status = 'ok' THEN 0 ELSE duration END) AS failed_duration, MAX(duration) AS slowest,
                SUM(request_size) AS request_bytes, SUM(response_size) AS response_bytes, {_bins()}
            FROM ({{source}}) AS calls GROUP BY {bucket}, {dimensions}
        ),
        levels(level, {flags}) AS (VALUES {levels}),
        spans(span) AS (VALUES {", ".join(f"({span})" for span in spans)})
        INSERT INTO {_TABLE}
            (span, level, start, {", ".join(map(_quoted, NAMED))}, key_name, slowest, {", ".join(_SUMS)})
        SELECT span, level, bucket / span * span AS start_, {kept},
            MAX(CASE WHEN by_key_id = 1 THEN key_name ELSE '' END), MAX(slowest), {sums}
        FROM finest CROSS JOIN levels CROSS JOIN spans WHERE true
        GROUP BY span, level, bucket / span * span, {", ".join(parts.values())}
        ORDER BY span, level, username_, start_, key_id_, server_, item_, group_
        ON CONFLICT ({", ".join(map(_quoted, _KEY))}) DO UPDATE SET {grown}, key_name = excluded.key_name,
            slowest = CASE WHEN excluded.slowest > {_TABLE}.slowest THEN excluded.slowest ELSE {_TABLE}.slowest END
    """  # noqa: S608 (names and numbers of ours)
