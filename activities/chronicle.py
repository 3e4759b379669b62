"""What the pages show of many calls: the columns of a time, its sums, and a ranking of who or what was called most.

Everything comes from roll-ups, so it costs the same for a hundred calls and ten million. Above: the pages. Below:
`readings`, `criteria`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from activities.criteria import Criteria
from activities.models import CallRecord
from activities.readings import Chart, Sums, chart
from mcphub.web.columns import Column
from mcphub.web.words import plural

#: Times that are offered, in seconds; None for everything that is kept.
RANGES: Mapping[str, tuple[str, int | None]] = {
    "1h": ("1 h", 3600),
    "24h": ("24 h", 86_400),
    "7d": ("7 d", 7 * 86_400),
    "30d": ("30 d", 30 * 86_400),
    "all": ("All", None),
}
#: More columns than this are put together.
_MOST_COLUMNS = 96
#: What a ranking can be of.
RANKINGS = {"server": "Server", "tool": "Tool", "user": "User", "key": "Key"}


@dataclass(frozen=True, slots=True)
class Line:
    """One of a ranking: its sums, and its calls over time for a small line."""

    name: str | None
    sums: Sums
    calls: Sequence[float]


@dataclass(frozen=True, slots=True)
class Chronicle:
    """A time at a glance. `since` and `until` are epoch seconds."""

    total: Sums
    columns: Sequence[Column]
    since: int
    until: int


def chronicle(asked: Criteria) -> Chronicle:
    """The columns and sums of what is asked for; `asked` names no method and no text."""
    since, until = _bounds(asked)
    drawn = chart(asked, since, until)
    sums = drawn.lines[""]
    together = -(-len(drawn.starts) // _MOST_COLUMNS)
    total, columns = Sums(), []
    for first in range(0, len(drawn.starts), together):
        part = Sums()
        for start in drawn.starts[first : first + together]:
            if start in sums:
                part.add(sums[start])
        columns.append(_column(drawn.starts[first], drawn.bucket * together, part))
        total.add(part)
    return Chronicle(total, columns, since, until)


def ranking(asked: Criteria, by: str) -> list[Line]:
    """The busiest servers, tools, users or keys, and (with a name of None) all others."""
    since, until = _bounds(asked)
    drawn = chart(asked, since, until, by)
    return [_line(name, drawn) for name in drawn.lines]


def _line(name: str | None, drawn: Chart) -> Line:
    found, total = drawn.lines[name], Sums()
    for part in found.values():
        total.add(part)
    return Line(name, total, [found[start].calls if start in found else 0 for start in drawn.starts])


def _bounds(asked: Criteria) -> tuple[int, int]:
    until = int(time.time()) if asked.until is None else asked.until // 1000
    if asked.since is not None:
        return min(asked.since // 1000, until), until
    oldest = CallRecord.objects.order_by("started").values_list("started", flat=True).first()
    return (until - 86_400 if oldest is None else min(oldest // 1000, until)), until


def _column(start: int, length: int, part: Sums) -> Column:
    at = datetime.fromtimestamp(start, UTC)
    words = f"{at:%-d %b}" if length >= 86_400 else f"{at:%-d %b %H:%M} UTC"
    failed = f", {part.errors:,} failed" if part.errors else ""
    return Column(part.calls, part.errors, f"{words}: {plural(part.calls, 'call')}{failed}")
