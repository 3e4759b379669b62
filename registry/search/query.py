"""What is asked of the index, and what it answers. Frozen values. Above: everyone who searches. Below: `words`."""

from __future__ import annotations

from dataclasses import dataclass

from registry.search.words import facet


@dataclass(frozen=True, slots=True)
class Query:
    """A search. Empty members do not filter.

    Attributes:
        statuses: what the asker may see; None for everything (admins).
        status: of those, one: draft, approved, hidden or deprecated.
        source: slug. transport: stdio, sse or streamable-http.
        any_term: whether one of the words is enough (the market's rule) instead of all.
        ids: only these entries (installed ones, for example).
    """

    text: str = ""
    category: str = ""
    tag: str = ""
    source: str = ""
    transport: str = ""
    status: str = ""
    statuses: tuple[str, ...] | None = ("approved", "deprecated")
    any_term: bool = False
    ids: tuple[int, ...] | None = None
    without: tuple[int, ...] = ()
    limit: int = 50
    offset: int = 0

    @property
    def facets(self) -> list[list[str]]:
        """Its filters as words of the index (see `words.facet`); of each group one must be met."""
        asked = (("c", self.category), ("t", self.tag), ("s", self.source), ("p", self.transport), ("v", self.status))
        groups = [[facet(kind, value)] for kind, value in asked if value]
        return groups + ([] if self.statuses is None else [[facet("v", status) for status in self.statuses]])


@dataclass(frozen=True, slots=True)
class Found:
    """Ids of entries, best first (by name where no text was asked), and how many there are in all.

    `is_exact` is False where a word is so common that counting stopped: then there are at least `total`.
    """

    ids: tuple[int, ...]
    total: int
    is_exact: bool = True
