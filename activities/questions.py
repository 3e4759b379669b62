"""What somebody asks of the log, as the words of a query. Above: the routes and the socket. Below: `logs`."""

from __future__ import annotations

from collections.abc import Mapping

from activities.logs import Wanted
from activities.logs.entries import LEVELS
from mcphub.errors import InvalidInput


def wanted_lines(query: Mapping[str, str]) -> Wanted:
    """The filter in `level`, `server`, `source` (both may list several, comma-separated) and `text`.

    Raises `InvalidInput` for a level that is none.
    """
    level = query.get("level", "").strip().lower()
    if level and level not in LEVELS:
        raise InvalidInput(f"level must be one of {', '.join(sorted(set(LEVELS.values())))}.")
    return Wanted(
        level=LEVELS.get(level, "debug"),
        servers=_words(query.get("server", "")),
        sources=_words(query.get("source", "")),
        text=query.get("text", ""),
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())
