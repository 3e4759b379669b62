"""Finding entries as one types: one interface, SQLite FTS5 and PostgreSQL full text behind it.

    words       texts to plain lower-case words, so that both databases see the same ones
    query       what is asked (`Query`) and answered (`Found`)
    index       put, remove, find: chooses by database
    sqlite, postgres     the two engines

Above: actions, sync, the API, the pages. Below: `models`.
"""

from registry.search.index import find, put, rebuild, remove
from registry.search.query import Found, Query

__all__ = ["Found", "Query", "find", "put", "rebuild", "remove"]
