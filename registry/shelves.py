"""What a search finds, shelf by shelf: how many entries each category has. Above: the pages. Below: `search`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Count

from registry.models import Category, SearchRow
from registry.search import Query, find
from registry.search.index import CANDIDATES, filtered


@dataclass(frozen=True, slots=True)
class Shelf:
    """A category and the number of entries in it."""

    name: str
    title: str
    count: int


def shelves(query: Query) -> Sequence[Shelf]:
    """All categories with what a query finds in them, whatever category it asks for.

    Of a text, the best matches are counted (see `search.index`), which is what one can page through.
    """
    everywhere = replace(query, category="", offset=0, limit=CANDIDATES)
    rows = SearchRow.objects.filter(entry__in=find(everywhere).ids) if query.text.strip() else filtered(everywhere)
    counts = dict(rows.order_by().values_list("category").annotate(Count("pk")))
    return [Shelf(value, str(label), counts.get(value, 0)) for value, label in Category.choices]
