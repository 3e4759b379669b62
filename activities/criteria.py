"""Criteria: which calls are asked for, as one value that both the calls and their roll-ups can be searched with.

Names are asked for by a part of them. Searching ten million rows for a part would take seconds, so parts are turned
into whole names first: the monthly roll-ups know every name there is, and are few. Above: the API's filters,
`readings`, `exports`. Below: `models`, `rollups`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from activities.models import CallRecord, CallRollup, Level, Span
from activities.rollups import KEEPS
from mcphub.actor import Viewer

Outcome = Literal["", "success", "error", "cancelled"]
#: Where only a text is asked for, calls of this many seconds are searched, as no index knows texts.
TEXT_WINDOW = 86_400
#: What a status may be asked for; any other word asks for nothing.
OUTCOMES: dict[str, Outcome] = {"success": "success", "error": "error", "cancelled": "cancelled"}


@dataclass(frozen=True, slots=True)
class Criteria:
    """See the module.

    Attributes:
        names: by column, whole names of which any counts.
        since, until: epoch milliseconds; both belong to it.
        outcome: success, error (whatever is no success) or cancelled; "" for all.
        method: tools/call, prompts/get or resources/read. text: part of the item or the error message.
    """

    names: dict[str, frozenset[str]] = field(default_factory=dict)
    since: int | None = None
    until: int | None = None
    outcome: Outcome = ""
    method: str = ""
    text: str = ""

    @property
    def is_summed(self) -> bool:
        """Whether roll-ups can answer: they know names and times, not methods and texts."""
        return not self.method and not self.text

    @property
    def level(self) -> Level:
        """The coarsest level of roll-ups that keeps apart what is asked for."""
        return next(level for level in _COARSEST_FIRST if KEEPS[level] >= self.names.keys())

    def within(self, since: int | None, until: int | None) -> Criteria:
        """The same between two times (epoch milliseconds), as far as they are narrower."""
        least = max((each for each in (self.since, since) if each is not None), default=None)
        most = min((each for each in (self.until, until) if each is not None), default=None)
        return replace(self, since=least, until=most)

    def calls(self) -> QuerySet[CallRecord]:
        """The calls, newest first."""
        rows = CallRecord.objects.filter(self._named())
        if self.since is not None:
            rows = rows.filter(started__gte=self.since)
        if self.until is not None:
            rows = rows.filter(started__lte=self.until)
        if self.outcome:
            rows = rows.filter(_OUTCOMES[self.outcome])
        if self.method:
            rows = rows.filter(method=self.method)
        if self.text:
            rows = rows.filter(Q(item__contains=self.text) | Q(error__contains=self.text))
        return rows

    def rollups(self, span: int, level: Level | None = None) -> QuerySet[CallRollup]:
        """Roll-ups of whole buckets within the times, at a level that keeps apart what is asked for."""
        rows = CallRollup.objects.filter(self._named(), span=span, level=self.level if level is None else level)
        if "username" not in KEEPS[self.level if level is None else level]:
            rows = rows.filter(username="")  # tells the index where to look
        if self.since is not None:
            rows = rows.filter(start__gte=math.ceil(self.since / 1000 / span) * span)
        if self.until is not None:
            rows = rows.filter(start__lt=math.floor((self.until + 1) / 1000 / span) * span)
        return rows

    def _named(self) -> Q:
        found = Q()
        for column, names in self.names.items():
            found &= Q(**({column: next(iter(names))} if len(names) == 1 else {f"{column}__in": sorted(names)}))
        return found


_COARSEST_FIRST = sorted(Level, key=lambda level: (len(KEEPS[level]), level))
#: Written out: SQLite uses the index on failed calls only where it sees its condition, not a parameter.
_FAILED = RawSQL(f"NOT ({CallRecord._meta.db_table}.status = 'ok')", (), BooleanField())  # noqa: S611 (no input in it)
_OUTCOMES = {"success": Q(status="ok"), "error": Q(_FAILED), "cancelled": Q(status="cancelled")}


def owned(viewer: Viewer) -> Criteria:
    """The calls a viewer may see: all for admins, else their own."""
    if viewer.is_admin:
        return Criteria()
    return Criteria(names={"username": frozenset({viewer.username or "\0"})})


def names_of(viewer: Viewer, column: str) -> list[str]:
    """Every name in a column among the calls a viewer may see, sorted. `key_name` for keys' names."""
    level = Level.FULL if not viewer.is_admin else _LISTED[column]
    rows = owned(viewer).rollups(Span.MONTH, level).exclude(**{column: ""})
    oldest = CallRecord.objects.order_by("started").values_list("started", flat=True).first()
    if oldest is None:
        return []
    month = oldest // 1000 // Span.MONTH * Span.MONTH
    return sorted(set(rows.filter(start__gte=month).values_list(column, flat=True).distinct()))


_LISTED = {
    "server": Level.SERVER, "item": Level.TOOL, "group": Level.GROUP, "username": Level.USER, "key_name": Level.KEY
}  # fmt: skip


def holding(viewer: Viewer, column: str, part: str) -> frozenset[str]:
    """The names in a column that hold a part (in this case)."""
    return frozenset(name for name in names_of(viewer, column) if part in name)


def key_names(viewer: Viewer) -> dict[str, str]:
    """The newest name of every key among the calls a viewer may see, by id."""
    level = Level.KEY if viewer.is_admin else Level.FULL
    rows = owned(viewer).rollups(Span.MONTH, level).exclude(key_id="").order_by("start")
    return dict(rows.values_list("key_id", "key_name"))


def keys_named(viewer: Viewer, part: str) -> frozenset[str]:
    """The ids of keys whose names hold a part."""
    return frozenset(key_id for key_id, name in key_names(viewer).items() if part in name)
