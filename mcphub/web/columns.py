"""Columns over time as SVG: how many, and how many of those went wrong. No script, no inline style.

Each column tells its numbers on hover; what the whole says stands beside it in HTML. Pure. Above: the apps' views.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_HEIGHT, _STEP, _GAP = 100.0, 10.0, 2.0
#: What is there is seen, however little it is beside the highest column.
_LEAST = 1.5


@dataclass(frozen=True, slots=True)
class Column:
    """One stretch of time: `bad` of `value` went wrong; `words` is what hovering tells."""

    value: float
    bad: float
    words: str


def columns(found: Sequence[Column], label: str) -> SafeString:
    """A chart of columns, the oldest first. `label` says for screen readers what it shows."""
    top = max((column.value for column in found), default=0.0) or 1.0
    drawn = format_html_join("", "{}", ((_drawn(number, column, top),) for number, column in enumerate(found)))
    return format_html(
        '<svg class="columns" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        f"{max(1, len(found)) * _STEP:.0f}",
        f"{_HEIGHT:.0f}",
        label,
        drawn,
    )


def _drawn(number: int, column: Column, top: float) -> SafeString:
    whole = _height(column.value, top)
    bad = min(whole, _height(column.bad, top))
    at = number * _STEP
    return format_html(
        '<g><title>{}</title><rect class="room" x="{}" width="{}" height="{}"/>{}{}</g>',
        column.words,
        f"{at:.0f}",
        f"{_STEP:.0f}",
        f"{_HEIGHT:.0f}",
        _bar("all", at, whole),
        _bar("failed", at, bad),
    )


def _height(value: float, top: float) -> float:
    return max(_LEAST, _HEIGHT * value / top) if value else 0.0


def _bar(kind: str, at: float, height: float) -> SafeString:
    if not height:
        return SafeString("")
    return format_html(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>',
        kind,
        f"{at + _GAP / 2:.0f}",
        f"{_HEIGHT - height:.1f}",
        f"{_STEP - _GAP:.0f}",
        f"{height:.1f}",
    )
