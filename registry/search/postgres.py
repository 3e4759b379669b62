"""The engine on PostgreSQL: a tsvector for each entry under a GIN index. Above: `index`. Below: the database.

Words of titles and tags are stored a second time with a mark of their own: weights would do the same, but are not in
the index, so that every match would have to be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from registry.search.query import Query

CREATE = (
    "CREATE TABLE registry_words (entry_id bigint PRIMARY KEY, vector tsvector NOT NULL)",
    "CREATE INDEX registry_words_vector ON registry_words USING gin (vector) WITH (fastupdate = off)",
)
MATCHING = "SELECT entry_id AS id FROM registry_words WHERE vector @@ to_tsquery('simple', %s)"
ID = "entry_id"
_TITLE, _TAG = "zqw", "zqk"
#: Where the words are, from the best place to all of them, and whether they may be beginnings.
_TIERS = (((_TITLE,), ""), ((_TITLE,), ":*"), ((_TITLE, _TAG), ":*"), (("",), ":*"))


def write(rows: Sequence[tuple[int, str, str, str, str]]) -> None:
    """See `index.Engine`."""
    texts = [
        (pk, " ".join([title, tags, body, facets, *_marked(_TITLE, title), *_marked(_TAG, tags)]))
        for pk, title, tags, body, facets in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO registry_words (entry_id, vector) VALUES (%s, strip(to_tsvector('simple', %s))) "
            "ON CONFLICT (entry_id) DO UPDATE SET vector = excluded.vector",
            texts,
        )


def remove(ids: Sequence[int]) -> None:
    """See `index.Engine`."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM registry_words WHERE entry_id = ANY(%s)", [list(ids)])


def clear() -> None:
    """See `index.Engine`."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE registry_words")


def tiers(terms: Sequence[str], query: Query) -> list[str]:
    """See `index.Engine`. Terms hold letters and digits only, so nothing in them is read as an operator."""
    joint = " | " if query.any_term else " & "
    facets = "".join(f" & ({' | '.join(group)})" for group in query.facets)
    expressions = []
    for marks, ending in _TIERS:
        words = [" | ".join(f"{mark}{term}{ending}" for mark in marks) for term in terms]
        expressions.append(f"({joint.join(f'({word})' for word in words)}){facets}")
    return expressions


def _marked(mark: str, words: str) -> list[str]:
    return [mark + word for word in words.split()]
