"""The table of servers: what each row tells, filters, order, pages. Read from memory and the day's remembered sums.

Above: the dashboard's views. Below: `attention`, `cost`, `activities.glance`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from activities import glance
from activities.readings import Sums
from mcphub import plane
from mcphub.actor import Actor
from mcphub.web.pages import first_row
from servers import attention
from servers.attention import Seen
from servers.cost import tools_cost

#: Rows that are drawn at once; the next ones are loaded when somebody gets there.
PAGE = 50
_NOTHING = Sums()
TRANSPORTS = {"stdio": "stdio", "streamable-http": "Streamable HTTP", "sse": "SSE", "openapi": "OpenAPI"}
_STATES: Mapping[str, Callable[[Seen], bool]] = {
    "up": lambda seen: seen.standing.is_up,
    "needs": lambda seen: seen.needs_viewer,
    "off": lambda seen: not seen.spec.enabled,
}
_LABELS = {"": "All", "up": "Up", "needs": "Needs you", "off": "Off"}


@dataclass(frozen=True, slots=True)
class Row:
    """One server with its numbers of the last 24 hours."""

    seen: Seen
    sums: Sums
    tools_on: int
    tokens: int

    @property
    def spec(self) -> Any:
        """The server."""
        return self.seen.spec

    @property
    def transport(self) -> str:
        """How it is reached, in words."""
        words = TRANSPORTS.get(self.seen.spec.transport, self.seen.spec.transport)
        return f"{words}, on demand" if self.seen.spec.lifecycle.start_on_demand else words

    @property
    def p95(self) -> float | None:
        """Milliseconds below which 95 of 100 calls were answered."""
        return self.sums.percentiles["p95"]


@dataclass(frozen=True, slots=True)
class Filters:
    """What somebody looks for, as the address says it. Unknown words mean nothing."""

    state: str = ""
    transport: str = ""
    owner: str = ""
    text: str = ""
    sort: str = ""
    first: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filters:
        """From a query."""
        return cls(
            query.get("state", ""),
            query.get("transport", ""),
            query.get("owner", ""),
            query.get("q", "").strip().lower(),
            query.get("sort", ""),
            first_row(query),
        )

    @property
    def any(self) -> bool:
        """Whether rows are left out."""
        return bool(self.state or self.transport or self.owner or self.text)


@dataclass(frozen=True, slots=True)
class Table:
    """A page of rows: `found` of `total` servers fit the filters, `next_first` is where the next page begins."""

    rows: Sequence[Row]
    found: int
    total: int
    states: Sequence[tuple[str, str, int]]
    owners: Sequence[str]
    next_first: int | None


def table(viewer: Actor, filters: Filters) -> Table:
    """The page of the table that the filters ask for."""
    everything = attention.seen_by(viewer)
    fitting = [seen for seen in everything if _fits(seen, filters)]
    sums, separator = glance.by_server(viewer), plane.require().snapshot.switches.separator
    ordered = _ordered(fitting, filters.sort, sums, separator)
    shown = ordered[filters.first : filters.first + PAGE]
    following = filters.first + PAGE
    return Table(
        [row_of(seen, sums, separator) for seen in shown],
        len(fitting),
        len(everything),
        [(key, label, sum(map(_STATES.get(key, _anything), everything))) for key, label in _LABELS.items()],
        sorted({seen.spec.owner for seen in everything}),
        following if following < len(fitting) else None,
    )


def row(viewer: Actor, seen: Seen) -> Row:
    """One row."""
    return row_of(seen, glance.by_server(viewer), plane.require().snapshot.switches.separator)


def row_of(seen: Seen, sums: Mapping[str, Sums], separator: str) -> Row:
    """One row, from what is known already."""
    spec = seen.spec
    on = sum(offer.enabled for offer in spec.tools)
    return Row(seen, sums.get(spec.name, _NOTHING), on, tools_cost(spec, separator))


def _anything(seen: Seen) -> bool:
    return True


def _fits(seen: Seen, filters: Filters) -> bool:
    spec = seen.spec
    return (
        _STATES.get(filters.state, _anything)(seen)
        and (not filters.transport or spec.transport == filters.transport)
        and (not filters.owner or spec.owner == filters.owner)
        and (
            not filters.text
            or filters.text in spec.name.lower()
            or filters.text in spec.description.lower()
            or any(filters.text in offer.item.key.lower() for offer in spec.tools)
        )
    )


def _ordered(seen: list[Seen], sort: str, sums: Mapping[str, Sums], separator: str) -> list[Seen]:
    """By a column, `-` before its name for the other direction; without one in the hub's own order."""
    column = sort.removeprefix("-")
    keys: Mapping[str, Callable[[Seen], Any]] = {
        "name": lambda each: each.spec.name.lower(),
        "state": lambda each: (not each.standing.needs_someone, each.standing.label),
        "transport": lambda each: each.spec.transport,
        "tools": lambda each: len(each.spec.tools),
        "calls": lambda each: sums.get(each.spec.name, _NOTHING).calls,
        "errors": lambda each: sums.get(each.spec.name, _NOTHING).errors,
        "p95": lambda each: sums.get(each.spec.name, _NOTHING).percentiles["p95"] or 0.0,
        "tokens": lambda each: tools_cost(each.spec, separator),
    }
    if column not in keys:
        return seen
    return sorted(seen, key=keys[column], reverse=sort.startswith("-"))
