"""What happened, in numbers: pages of calls, sums, time series. Roll-ups answer; calls only where a bucket is cut.

With ten million calls, counting them takes a second and adding up roll-ups a few milliseconds. Both agree, because
they are written together: whole days come from roll-ups, what is left at both ends is counted. Above: the API, the
dashboard. Below: `criteria`, `histogram`.
"""

from __future__ import annotations

import functools
import operator
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import Count, Max, Q, QuerySet, Sum

from activities.criteria import Criteria
from activities.histogram import BOUNDS, COLUMNS, percentiles
from activities.models import CallRecord, CallRollup, Level, Span
from activities.rollups import COARSE_HOURS_KEPT_DAYS, COARSE_LEVELS, HOURS_KEPT_DAYS, KEEPS, NAMED

_DAY_MS = Span.DAY * 1000
#: Shares of the calls whose durations are told.
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
#: Lines of a chart; the rest is one more.
MOST_SERIES = 10
#: Roll-ups of more keys than this are not looked up one by one, which would be no gain.
_MOST_KEYS = 40
#: Longest times that are drawn by minutes and by hours, in seconds.
_FINEST = ((6 * 3600, Span.MINUTE), (14 * 86_400, Span.HOUR))
_ADDED = ("calls", "errors", "cancelled", "duration", "failed_duration", "request_bytes", "response_bytes")
_BIN_SUMS = tuple(f"{column}_sum" for column in COLUMNS)
_COLUMN_OF = {"server": "server", "tool": "item", "user": "username", "key": "key_id", "group": "group"}
#: Levels whose names no index on the calls leads to.
_UNINDEXED = (Level.FULL, Level.GROUP)
#: Deeper pages begin at a day that the roll-ups find.
_FAR = 5_000


@dataclass(slots=True)
class Sums:
    """Sums over some calls; durations in milliseconds, sizes in bytes."""

    calls: int = 0
    errors: int = 0
    cancelled: int = 0
    duration: float = 0.0
    failed_duration: float = 0.0
    slowest: float = 0.0
    request_bytes: int = 0
    response_bytes: int = 0
    bins: list[int] = field(default_factory=lambda: [0] * len(COLUMNS))

    def take(self, row: Mapping[str, Any]) -> None:
        """Add a row of sums as the database gives them."""
        self.calls += row["calls_sum"] or 0
        self.errors += row["errors_sum"] or 0
        self.cancelled += row["cancelled_sum"] or 0
        self.duration += row["duration_sum"] or 0.0
        self.failed_duration += row["failed_duration_sum"] or 0.0
        self.slowest = max(self.slowest, row["slowest_max"] or 0.0)
        self.request_bytes += row["request_bytes_sum"] or 0
        self.response_bytes += row["response_bytes_sum"] or 0
        self.bins = [count + (row[name] or 0) for count, name in zip(self.bins, _BIN_SUMS, strict=True)]

    def add(self, other: Sums, sign: int = 1) -> None:
        """Add other sums, or with `sign` -1 take them away."""
        for name in _ADDED:
            setattr(self, name, getattr(self, name) + sign * getattr(other, name))
        self.slowest = max(self.slowest, other.slowest)
        self.bins = [mine + sign * its for mine, its in zip(self.bins, other.bins, strict=True)]

    @property
    def succeeded(self) -> int:
        """Calls that were answered without an error."""
        return self.calls - self.errors - self.cancelled

    @property
    def average(self) -> float:
        """Mean duration; 0 without calls."""
        return self.duration / self.calls if self.calls else 0.0

    @property
    def percentiles(self) -> dict[str, float | None]:
        """p50, p95 and p99; None without calls."""
        return dict(zip(SHARES, percentiles(self.bins, SHARES.values(), self.slowest or None), strict=True))


_SUMMED = (
    "calls", "errors", "cancelled", "duration", "failed_duration", "request_bytes", "response_bytes", *COLUMNS
)  # fmt: skip
_OF_ROLLUPS = {f"{name}_sum": Sum(name) for name in _SUMMED} | {"slowest_max": Max("slowest")}


def _of_calls() -> dict[str, Any]:
    """The same sums, counted from calls."""
    sums: dict[str, Any] = {
        "calls_sum": Count("id"),
        "errors_sum": Count("id", filter=~Q(status__in=("ok", "cancelled"))),
        "cancelled_sum": Count("id", filter=Q(status="cancelled")),
        "duration_sum": Sum("duration"),
        "failed_duration_sum": Sum("duration", filter=~Q(status="ok")),
        "slowest_max": Max("duration"),
        "request_bytes_sum": Sum("request_size"),
        "response_bytes_sum": Sum("response_size"),
    }
    for number, column in enumerate(COLUMNS):
        within = Q()
        if number:
            within &= Q(duration__gt=BOUNDS[number - 1])
        if number < len(BOUNDS):
            within &= Q(duration__lte=BOUNDS[number])
        sums[f"{column}_sum"] = Count("id", filter=within)
    return sums


_OF_CALLS = _of_calls()


# -- sums ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is asked for, by who answers, newest last: whole days and hours by roll-ups, the rest by the calls."""

    summed: Sequence[tuple[Span, Criteria]] = ()
    counted: Sequence[Criteria] = ()

    @property
    def days(self) -> Criteria | None:
        """The whole days, if there are any."""
        return next((part for span, part in self.summed if span is Span.DAY), None)


def sums(asked: Criteria) -> Sums:
    """Sums over all calls that are asked for. (Of one outcome: counts and mean; percentiles are those of all.)"""
    if not asked.is_summed:
        return _taken(asked.calls().order_by().aggregate(**_OF_CALLS))
    total = Sums()
    parts = _parts(asked)
    for span, part in parts.summed:
        total.take(part.rollups(span).aggregate(**_OF_ROLLUPS))
    for edge in parts.counted:
        # Counted like the roll-ups, whatever the outcome, so that both can be limited together.
        total.take(replace(edge, outcome="").calls().order_by().aggregate(**_OF_CALLS))
    return _limited(total, asked.outcome)


def _taken(row: Mapping[str, Any]) -> Sums:
    total = Sums()
    total.take(row)
    return total


def _limited(total: Sums, outcome: str) -> Sums:
    """The sums of one outcome."""
    if outcome == "success":
        return replace(
            total, calls=total.succeeded, errors=0, cancelled=0, duration=total.duration - total.failed_duration
        )
    if outcome == "error":
        return replace(total, calls=total.errors + total.cancelled, duration=total.failed_duration)
    if outcome == "cancelled":
        return replace(total, calls=total.cancelled, errors=0, duration=0.0)
    return total


def _parts(asked: Criteria) -> _Parts:
    # Roll-ups live longer than calls: nothing before the oldest call counts.
    oldest = CallRecord.objects.order_by("started").values_list("started", flat=True).first()
    if oldest is None:
        return _Parts()
    since = oldest // _DAY_MS * _DAY_MS if _is_whole(oldest) else oldest
    summed: list[tuple[Span, Criteria]] = []
    counted: list[Criteria] = []
    older, days, newer = _split(asked.within(since, None), Span.DAY)
    if days is not None:
        summed.append((Span.DAY, days))
    for edge in (older, newer):
        if edge is not None:
            _split_by_hours(edge, summed, counted)
    return _Parts(summed, counted)


def _split_by_hours(edge: Criteria, summed: list[tuple[Span, Criteria]], counted: list[Criteria]) -> None:
    assert edge.since is not None
    kept = COARSE_HOURS_KEPT_DAYS if edge.level in COARSE_LEVELS else HOURS_KEPT_DAYS
    if time.time() - edge.since / 1000 > (kept - 1) * Span.DAY:
        counted.append(edge)
        return
    before, hours, after = _split(edge, Span.HOUR)
    if hours is not None:
        summed.append((Span.HOUR, hours))
    counted.extend(part for part in (before, after) if part is not None)


def _split(asked: Criteria, span: Span) -> tuple[Criteria | None, Criteria | None, Criteria | None]:
    """What lies before, in and behind whole buckets of a length. `asked` has a beginning."""
    length = span * 1000
    assert asked.since is not None
    first = -(-asked.since // length) * length
    last = None if asked.until is None else (asked.until + 1) // length * length
    if last is not None and last <= first:
        return asked, None, None
    before = asked.within(None, first - 1) if asked.since < first else None
    after = asked.within(last, None) if last is not None and asked.until is not None and last <= asked.until else None
    return before, asked.within(first, None if last is None else last - 1), after


@functools.lru_cache(maxsize=4)
def _is_whole(oldest: int) -> bool:
    """Whether nothing of the oldest call's day was pruned. What is pruned is always oldest, so the answer stays."""
    day = oldest // _DAY_MS * _DAY_MS
    kept = CallRecord.objects.filter(started__gte=day, started__lt=day + _DAY_MS).count()
    summed = Criteria(since=day, until=day + _DAY_MS - 1).rollups(Span.DAY).aggregate(calls=Sum("calls"))
    return bool(kept == summed["calls"])


# -- pages -----------------------------------------------------------------------------------------------------------


def count(asked: Criteria) -> int:
    """How many calls are asked for."""
    if not asked.is_summed:
        return _counted(asked)
    parts = _parts(asked)
    summed = (part.rollups(span).aggregate(**_OF_OUTCOMES) for span, part in parts.summed)
    return sum(_of_outcome(row, asked.outcome) for row in summed) + sum(map(_counted, parts.counted))


def _counted(asked: Criteria) -> int:
    return asked.calls().order_by().count()


_OF_OUTCOMES = {name: Sum(column) for name, column in (("all", "calls"), ("failed", "errors"), ("left", "cancelled"))}


def _of_outcome(row: Mapping[str, Any], outcome: str) -> int:
    every, failed, left = (int(row[name] or 0) for name in _OF_OUTCOMES)
    return {"": every, "success": every - failed - left, "error": failed + left, "cancelled": left}[outcome]


def page(asked: Criteria, first: int, length: int) -> list[CallRecord]:
    """Calls `first` to `first + length`, newest first, with their payloads."""
    stretches: Iterable[Criteria] = (asked,)
    several = any(len(names) > 1 for names in asked.names.values())
    if asked.is_summed and (first > _FAR or several or asked.level in _UNINDEXED):
        stretches, first = _stretches(asked, first, length)
    found: list[CallRecord] = []
    for stretch in stretches:
        found += stretch.calls().select_related("payload")[first : first + length - len(found)]
        first = 0
        if len(found) >= length:
            break
    return found


def _stretches(asked: Criteria, first: int, length: int) -> tuple[list[Criteria], int]:
    """The times that hold a page, newest first, and how many calls of the first one come before it.

    Roll-ups know the days. Without them the database would walk over all that is newer than a deep page, for names that
    rarely meet over all the calls of one of them, and may put all the calls of several names in order for one page.
    """
    parts = _parts(asked)
    if parts.days is None or parts.days.since is None:
        return [asked], first
    found: list[Criteria] = []
    left = first + length
    if parts.days.until is not None:
        newest = asked.within(parts.days.until + 1, None)
        calls = count(newest)
        left -= calls
        if calls > first:
            found.append(newest)
        else:
            first -= calls
    days = parts.days.rollups(Span.DAY).values("start").order_by().annotate(**_OF_OUTCOMES)
    whole: list[tuple[int, int]] = []
    for day in days.order_by("-start"):
        if left <= 0:
            break
        calls = _of_outcome(day, asked.outcome)
        left -= calls
        if not found and not whole and calls <= first:
            first -= calls
            continue
        begin = day["start"] * 1000
        if whole and whole[-1][0] == begin + _DAY_MS:
            whole[-1] = (begin, whole[-1][1])
        elif calls:
            whole.append((begin, begin + _DAY_MS - 1))
    found += [asked.within(begin, end) for begin, end in whole]
    if left > 0:
        found.append(asked.within(None, parts.days.since - 1))
    return found, first


# -- series ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chart:
    """Sums by time. `names` are the lines, busiest first; a name of None is all others.

    Attributes:
        bucket: seconds. starts: the buckets' beginnings, epoch seconds, without gaps.
        lines: by name, sums by bucket's beginning.
    """

    bucket: int
    starts: Sequence[int]
    lines: dict[str | None, dict[int, Sums]]


def bucket_for(since: int, until: int, wanted: str = "") -> Span:
    """The length of buckets between two epoch seconds: as wanted, or coarser where that is what is kept."""
    length = until - since
    finest = next((span for longest, span in _FINEST if length <= longest), Span.DAY)
    if finest is Span.MINUTE and time.time() - since > 2 * 86_400:
        finest = Span.HOUR
    if finest is Span.HOUR and time.time() - since > HOURS_KEPT_DAYS * 86_400:
        finest = Span.DAY
    asked = {"minute": Span.MINUTE, "hour": Span.HOUR, "day": Span.DAY}.get(wanted, finest)
    return max(asked, finest)


def chart(asked: Criteria, since: int, until: int, by: str = "", bucket: str = "") -> Chart:
    """Calls, errors and durations by time, in one line or one for each server, tool, user, key or group.

    Args:
        since, until: epoch seconds. by: server, tool, user, key, group or "". bucket: minute, hour, day or "".
    """
    span = bucket_for(since, until, bucket)
    column = _COLUMN_OF.get(by)
    wider = Criteria(dict(asked.names) if column is None else {**{column: frozenset()}, **asked.names})
    starts = range(since // span * span, until + 1, span)
    within = asked.within(starts.start * 1000, (starts[-1] + span) * 1000 - 1)
    total = {start: sums for (start,), sums in _summed(within.rollups(span), "start")}
    if column is None:
        return Chart(span, starts, {"": total})
    lines: dict[str | None, dict[int, Sums]] = {}
    lines.update(_busiest(within, span, wider.level, column))
    # What is not shown is what is left of all: adding it up by itself would read most of the rows again.
    for line in lines.values():
        for start, sums in line.items():
            total[start].add(sums, -1)
    rest = {start: sums for start, sums in total.items() if sums.calls > 0}
    if rest:
        lines[None] = rest
    return Chart(span, starts, lines)


def _busiest(within: Criteria, span: Span, level: Level, column: str) -> dict[str, dict[int, Sums]]:
    """The sums of the busiest names by bucket, busiest first. `within` has a beginning and an end."""
    found: dict[str, dict[int, Sums]] = defaultdict(dict)
    wanted = _rows_of_busiest(within, span, level, column)
    for (start, name), sums in _summed(within.rollups(span, level).filter(wanted), "start", column):
        found[name][start] = sums
    calls = {name: sum(sums.calls for sums in line.values()) for name, line in found.items()}
    return {name: found[name] for name in sorted(found, key=lambda name: (-calls[name], name))[:MOST_SERIES]}


def _rows_of_busiest(within: Criteria, span: Span, level: Level, column: str) -> Q:
    """Which rows are those of the busiest names, and at most a few more.

    Where a name may have many rows at a time, they are looked up by their whole keys instead of being searched for
    among those of thousands of tools. The next coarser roll-ups, which are few, tell what names and keys there are.
    """
    assert within.since is not None and within.until is not None
    if KEEPS[level] == {column}:
        return Q(**{f"{column}__in": _ranked(within.rollups(span, level), column)})
    coarser = next(each for each in Span if each > span)
    around = replace(within, since=None, until=None).rollups(coarser, level).order_by()
    around = around.filter(start__gt=within.since // 1000 - coarser, start__lte=within.until // 1000)
    few = MOST_SERIES + MOST_SERIES // 5  # ranking a little more than that would take longer than reading it
    names = [row[column] for row in around.values(column).distinct()[: few + 1]]
    if len(names) > few:
        older, whole, newer = _split(within, coarser)
        parts = ((span, older), (coarser, whole), (span, newer))
        rows = [part.rollups(length, level) for length, part in parts if part is not None]
        names = _ranked(functools.reduce(operator.or_, rows), column)
    named = Q(**{f"{column}__in": names})
    keys = list(around.filter(named).values(*NAMED).distinct()[: _MOST_KEYS + 1])
    if not 0 < len(keys) <= _MOST_KEYS:
        return named
    starts = range(within.since // 1000 // span * span, within.until // 1000 + 1, span)
    return functools.reduce(operator.or_, (Q(**key) for key in keys)) & Q(start__in=starts)


def _ranked(rows: QuerySet[CallRollup], column: str) -> list[str]:
    """The busiest names."""
    names = rows.values(column).order_by().annotate(calls_sum=Sum("calls")).order_by("-calls_sum", column)
    return [row[column] for row in names[:MOST_SERIES]]


def _summed(rows: QuerySet[CallRollup], *by: str) -> Iterator[tuple[tuple[Any, ...], Sums]]:
    """The sums of some roll-ups by columns."""
    for row in rows.values_list(*by).order_by().annotate(**_OF_ROLLUPS):
        values = dict(zip(_ADDED, row[len(by) :], strict=False))
        *bins, slowest = row[len(by) + len(_ADDED) :]
        yield row[: len(by)], Sums(**values, slowest=slowest, bins=bins)
