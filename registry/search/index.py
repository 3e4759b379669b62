"""The index over entries: put, remove, find. Whoever writes an entry puts it, in the same transaction.

Without a text the rows are read in the order of names; with one they are ranked by where its words are. Of a word
that thousands of entries have only the first `CANDIDATES` of each rank are looked at, which keeps the answer within
milliseconds while someone types its first letters (docs/decisions/0032). Above: actions, sync. Below: the engines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from django.db import connection
from django.db.models import QuerySet

from registry.models import Entry, SearchRow
from registry.search import postgres, sqlite
from registry.search.query import Found, Query
from registry.search.words import facet, joined, terms_of

#: Of more matches than this only so many are ranked.
CANDIDATES = 1000


class Engine(Protocol):
    """What a database's full text has to do; modules are engines.

    `MATCHING` selects the ids that match an expression, `ID` is their column there.
    """

    MATCHING: str
    ID: str

    def write(self, rows: Sequence[tuple[int, str, str, str, str]]) -> None:
        """Store (entry, title words, tag words, other words, facets), replacing what was there."""

    def remove(self, ids: Sequence[int]) -> None:
        """Forget these entries."""

    def clear(self) -> None:
        """Forget all."""

    def tiers(self, terms: Sequence[str], query: Query) -> list[str]:
        """What to ask the engine for, from the best matches to all of them; each includes the ones before."""


def engine() -> Engine:
    """The engine of the default database."""
    return postgres if connection.vendor == "postgresql" else sqlite


def put(entries: Iterable[Entry]) -> None:
    """Bring the index up to date for these entries."""
    batch = list(entries)
    if not batch:
        return
    rows = [_row(entry) for entry in batch]
    SearchRow.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["entry"],
        update_fields=["name", "source", "status", "category", "transports", "tags", "weight"],
        batch_size=200,
    )
    engine().write([_words(entry) for entry in batch])


def remove(ids: Sequence[int]) -> None:
    """Forget these entries; call it before they are deleted."""
    SearchRow.objects.filter(entry__in=ids).delete()
    engine().remove(ids)


def rebuild() -> int:
    """Make the whole index again; returns the number of entries."""
    SearchRow.objects.all().delete()
    engine().clear()
    count, batch = 0, []
    for entry in Entry.objects.select_related("source", "release").iterator(500):
        batch.append(entry)
        if len(batch) == 500:
            put(batch)
            count, batch = count + len(batch), []
    put(batch)
    return count + len(batch)


def find(query: Query) -> Found:
    """Search. An unknown filter value finds nothing."""
    terms = terms_of(query.text)
    if query.text.strip() and not terms:
        return Found((), 0)
    if terms:
        ids = _ranked(terms, query)
        page = tuple(ids[query.offset : query.offset + query.limit])
        return Found(page, min(len(ids), CANDIDATES), len(ids) <= CANDIDATES)
    rows = filtered(query)
    found = rows.order_by("name").values_list("entry_id", flat=True)[query.offset : query.offset + query.limit]
    return Found(tuple(found), rows.count())


def _ranked(terms: Sequence[str], query: Query) -> list[int]:
    """All matches up to a bound, best first: the entry of that name, then by where the words are, weight and name."""
    chosen = engine()
    narrowed, ids = _narrowed(chosen.ID, query)
    parts: list[str] = []
    values: list[Any] = []
    for tier, expression in enumerate(chosen.tiers(terms, query)):
        # Put into the statement are numbers, placeholders and names of columns, nothing of the query's.
        parts.append(f"SELECT id, {tier} AS tier FROM ({chosen.MATCHING}{narrowed} LIMIT {CANDIDATES + 1}) t{tier}")  # noqa: S608
        values += [expression, *ids]
    where, filters = _conditions(query)
    sql = (
        f"WITH candidates AS ({' UNION ALL '.join(parts)}), "  # noqa: S608
        "best AS (SELECT id, min(tier) AS tier FROM candidates GROUP BY id) "
        "SELECT r.entry_id FROM best JOIN registry_searchrow r ON r.entry_id = best.id "
        f"WHERE {where} ORDER BY CASE WHEN r.name = %s THEN 0 ELSE 1 END, best.tier, r.weight DESC, r.name"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values, *filters, "-".join(terms)])
        return [row[0] for row in cursor.fetchall()]


def _narrowed(column: str, query: Query) -> tuple[str, list[int]]:
    """The entries that a query is limited to, and those it leaves out, as SQL on an engine's ids."""
    parts = ""
    values: list[int] = []
    if query.ids is not None:
        parts += f" AND {column} IN ({', '.join(['%s'] * len(query.ids)) or 'NULL'})"
        values += query.ids
    if query.without:
        parts += f" AND {column} NOT IN ({', '.join(['%s'] * len(query.without))})"
        values += query.without
    return parts, values


def _conditions(query: Query) -> tuple[str, list[str]]:
    """The query's filters on the rows themselves; the engine's facets are only nearly as exact."""
    parts = ["1 = 1"]
    values: list[str] = []
    if query.statuses is not None:
        parts.append(f"r.status IN ({', '.join(['%s'] * len(query.statuses)) or 'NULL'})")
        values += query.statuses
    for column, value in (("status", query.status), ("category", query.category), ("source", query.source)):
        if value:
            parts.append(f"r.{column} = %s")
            values.append(value)
    for column, value in (("tags", query.tag), ("transports", query.transport)):
        if value:
            parts.append(f"r.{column} LIKE %s ESCAPE '!'")
            values.append("%|" + re.sub(r"([!%_])", r"!\1", value.lower()) + "|%")
    return " AND ".join(parts), values


def filtered(query: Query) -> QuerySet[SearchRow]:
    """The rows that pass a query's filters, its text aside."""
    rows = SearchRow.objects.all()
    if query.statuses is not None:
        rows = rows.filter(status__in=query.statuses)
    for field in ("status", "category", "source"):
        if value := getattr(query, field):
            rows = rows.filter(**{field: value})
    for field, value in (("tags", query.tag), ("transports", query.transport)):
        if value:
            rows = rows.filter(**{f"{field}__contains": f"|{value.lower()}|"})
    if query.ids is not None:
        rows = rows.filter(entry__in=query.ids)
    return rows.exclude(entry__in=query.without) if query.without else rows


def _status(entry: Entry) -> str:
    """The admins' status, or what the source says where it says that the entry is no longer good."""
    withdrawn = entry.availability if entry.availability in ("deprecated", "deleted") else ""
    return withdrawn if withdrawn and entry.status in ("approved", "deprecated") else entry.status


def _row(entry: Entry) -> SearchRow:
    return SearchRow(
        entry=entry,
        name=entry.name,
        source=entry.source.slug,
        status=_status(entry),
        category=entry.category,
        transports="".join(f"|{one}" for one in entry.transports) + "|",
        tags="".join(f"|{str(one).lower()}" for one in entry.tags) + "|",
        weight=14 if entry.source.kind != "registry" else 12 if entry.official else 10,
    )


def _words(entry: Entry) -> tuple[int, str, str, str, str]:
    document = entry.document if entry.release is None else json.loads(entry.release.raw).get("server") or {}
    packages = document.get("packages")
    names = (
        [str(one.get("identifier", "")) for one in packages if isinstance(one, dict)]
        if isinstance(packages, list)
        else []
    )
    tools = [f"{tool.get('name', '')} {tool.get('description', '')}" for tool in entry.tools if isinstance(tool, dict)]
    return (
        entry.pk,
        joined([entry.title, entry.upstream_name, entry.name]),
        joined([*map(str, entry.tags), entry.category, *names]),
        joined([entry.description, entry.author, *tools])[:4000],
        " ".join(
            [
                facet("c", entry.category),
                facet("s", entry.source.slug),
                facet("v", _status(entry)),
                *(facet("t", str(tag)) for tag in entry.tags),
                *(facet("p", str(transport)) for transport in entry.transports),
            ]
        ),
    )
