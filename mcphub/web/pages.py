"""Which page of a long list somebody asks for; `_pages.html` draws the way to the others. Pure.

Above: the apps' views.
"""

from __future__ import annotations

from collections.abc import Mapping


def page_number(query: Mapping[str, str], total: int, length: int) -> tuple[int, int]:
    """The number of the page that `page` asks for, as far as there is one, and that of the last."""
    last = max(1, -(-total // length))
    return min(max(1, _number(query, "page", 1)), last), last


def first_row(query: Mapping[str, str]) -> int:
    """The row from which a list goes on that is shown bit by bit."""
    return _number(query, "first", 0)


def _number(query: Mapping[str, str], name: str, otherwise: int) -> int:
    sent = query.get(name, "")
    return int(sent) if sent.isdecimal() and len(sent) < 9 else otherwise
