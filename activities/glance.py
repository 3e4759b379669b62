"""The last day at a glance: totals with a line, sums by server, busiest tools, recent failures. For the dashboard.

Everything but the failures comes from roll-ups, so it costs the same for a hundred calls and ten million; what many
pages show is remembered for a few seconds. Admins see all calls, others their own. Above: the dashboard's views.
Below: `readings`, `models`.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import ExpressionWrapper, F, IntegerField, Max, Q, QuerySet, Sum

from activities.histogram import COLUMNS
from activities.models import CallRecord, CallRollup, Level, Span
from activities.readings import Sums
from mcphub.actor import Viewer

DAY = 86_400
#: Points of a line, each of which sums up as many seconds of the day.
POINTS = 48
_STEP = DAY // POINTS
#: How long numbers are remembered, in seconds.
_FRESH = 5.0
_NAMES = ("calls", "errors", "cancelled", "duration", "failed_duration", "request_bytes", "response_bytes", *COLUMNS)
_SUMS = {f"{name}_sum": Sum(name) for name in _NAMES} | {"slowest_max": Max("slowest")}
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours: all together, and in `POINTS` steps from the oldest to the newest."""

    total: Sums
    steps: Sequence[Sums]
    per_minute: float

    @property
    def calls(self) -> list[float]:
        """Calls in each step."""
        return [step.calls for step in self.steps]

    @property
    def error_shares(self) -> list[float]:
        """The share of calls that failed in each step, 0 to 1."""
        return [step.errors / step.calls if step.calls else 0.0 for step in self.steps]

    @property
    def p95(self) -> list[float | None]:
        """The 95th percentile of the durations in each step, milliseconds."""
        return [step.percentiles["p95"] for step in self.steps]


@dataclass(frozen=True, slots=True)
class Busy:
    """A tool and its calls."""

    server: str
    item: str
    sums: Sums


def _remembered(work: Callable[[str | None], R]) -> Callable[[Viewer], R]:
    """Ask once in a few seconds for each who sees other calls; `work` is given None for everybody's calls."""
    kept: dict[str | None, tuple[float, R]] = {}

    @functools.wraps(work)
    def remembering(viewer: Viewer) -> R:
        whose = None if viewer.is_admin else viewer.username or ""
        found = kept.get(whose)
        if found is None or time.monotonic() - found[0] > _FRESH:
            if len(kept) > 1000:
                kept.clear()
            found = kept[whose] = (time.monotonic(), work(whose))
        return found[1]

    remembering.forget = kept.clear  # type: ignore[attr-defined]  # for tests
    return remembering


@_remembered
def day(whose: str | None) -> Day:
    """The last 24 hours."""
    first = (int(time.time()) // 60 + 1) * 60 - DAY
    number = ExpressionWrapper((F("start") - first) / _STEP, output_field=IntegerField())
    rows = _rollups(Span.MINUTE, Level.ALL, Level.USER, whose).filter(start__gte=first)
    steps = [Sums() for _ in range(POINTS)]
    total = Sums()
    for row in rows.annotate(step=number).values("step").order_by().annotate(**_SUMS):
        steps[min(int(row["step"]), POINTS - 1)].take(row)
        total.take(row)
    recent = rows.filter(start__gte=first + DAY - 6 * 60).aggregate(calls=Sum("calls"))["calls"] or 0
    return Day(total, steps, recent / 5)


@_remembered
def by_server(whose: str | None) -> Mapping[str, Sums]:
    """Sums over the last 24 hours (by whole hours) for each server that was called."""
    rows = _rollups(Span.HOUR, Level.SERVER, Level.FULL, whose).filter(start__gt=int(time.time()) - DAY)
    found: dict[str, Sums] = {}
    for row in rows.values("server").order_by().annotate(**_SUMS):
        found.setdefault(row["server"], Sums()).take(row)
    return found


@_remembered
def busiest(whose: str | None) -> Sequence[Busy]:
    """The six items that were called most often in the last 24 hours."""
    rows = (
        _rollups(Span.HOUR, Level.TOOL, Level.FULL, whose).filter(start__gt=int(time.time()) - DAY).exclude(server="")
    )
    top = rows.values("server", "item").order_by().annotate(total=Sum("calls")).order_by("-total", "server", "item")[:6]
    names = [(row["server"], row["item"]) for row in top]
    chosen = Q()
    for server, item in names:
        chosen |= Q(server=server, item=item)
    sums: dict[tuple[str, str], Sums] = {name: Sums() for name in names}
    for row in rows.filter(chosen).values("server", "item").order_by().annotate(**_SUMS) if names else ():
        sums[row["server"], row["item"]].take(row)
    return [Busy(server, item, sums[server, item]) for server, item in names]


def failures(viewer: Viewer, server: str = "", most: int = 6) -> list[CallRecord]:
    """The newest calls that failed."""
    rows = CallRecord.objects.visible_to(viewer).exclude(status__in=("ok", "cancelled"))
    return list((rows.filter(server=server) if server else rows)[:most])


def newest(viewer: Viewer, server: str, most: int = 50) -> list[CallRecord]:
    """The newest calls of a server."""
    return list(CallRecord.objects.visible_to(viewer).filter(server=server)[:most])


def _rollups(span: Span, everyone: Level, own: Level, whose: str | None) -> QuerySet[CallRollup, Any]:
    """Roll-ups of everybody's calls at one level, or of one person's at another."""
    rows = CallRollup.objects.filter(span=span)
    return rows.filter(level=everyone, username="") if whose is None else rows.filter(level=own, username=whose)
