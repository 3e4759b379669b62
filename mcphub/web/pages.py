"""Which page of a long list somebody asks for; `_pages.html` draws the way to the others. Pure.

Above: the apps' views.
"""

from __future__ import annotations

from collections.abc import Mapping


def page_number(query: Mapping[str, str], total: int, length: int) -> tuple[int, int]:
    """The number of the page that `page` asks for, as far as there is one, and that of the last."""
    last = max(1, -(-total // length))
    sent = query.get("page", "")
    asked = int(sent) if sent.isdecimal() and len(sent) < 9 else 1
    return min(max(1, asked), last), last
