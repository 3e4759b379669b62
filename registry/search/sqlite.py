"""The engine on SQLite: one FTS5 table, whose row ids are the entries' ids. Above: `index`. Below: the database."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from registry.search.query import Query

CREATE = (
    "CREATE VIRTUAL TABLE registry_words USING fts5("
    "title, tags, body, facets, tokenize = 'unicode61 remove_diacritics 0', prefix = '1 2 3', detail = column)"
)
MATCHING = "SELECT rowid AS id FROM registry_words WHERE registry_words MATCH %s"
ID = "rowid"
#: Where the words are, from the best place to all of them, and whether they may be beginnings.
_TIERS = (("title", ""), ("title", "*"), ("title tags", "*"), ("title tags body", "*"))


def write(rows: Sequence[tuple[int, str, str, str, str]]) -> None:
    """See `index.Engine`."""
    remove([row[0] for row in rows])
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO registry_words (rowid, title, tags, body, facets) VALUES (%s, %s, %s, %s, %s)", list(rows)
        )


def remove(ids: Sequence[int]) -> None:
    """See `index.Engine`."""
    with connection.cursor() as cursor:
        cursor.executemany("DELETE FROM registry_words WHERE rowid = %s", [(one,) for one in ids])


def clear() -> None:
    """See `index.Engine`."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM registry_words")


def tiers(terms: Sequence[str], query: Query) -> list[str]:
    """See `index.Engine`. Terms hold letters and digits only, so nothing in them is read as FTS5's query language."""
    joint = " OR " if query.any_term else " AND "
    facets = "".join(f" AND (facets : ({' OR '.join(group)}))" for group in query.facets)
    return [
        f"({{{columns}}} : ({joint.join(f'{chr(34)}{term}{chr(34)}{mark}' for term in terms)})){facets}"
        for columns, mark in _TIERS
    ]
