"""Tags and filters of the dashboard's templates: `{% load hub %}`. Below: `mcphub.web`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mcphub.web import charts, columns, words

register = template.Library()

register.filter("number", words.number)
register.filter("compact", words.compact)
register.filter("milliseconds", words.milliseconds)
register.filter("octets", words.octets)
register.filter("plural", words.plural)
register.simple_tag(words.share, name="share")
register.simple_tag(charts.meter, name="meter")
register.simple_tag(columns.columns, name="columns")


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of `_sprite.html`; decoration, so what it means must also be said in words."""
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="#i-{}"/></svg>', classes, name)


@register.simple_tag
def line(values: Sequence[float | None], tone: str = "accent", label: str = "") -> SafeString:
    """See `charts.line`."""
    return charts.line(values, tone=tone, label=label)


@register.simple_tag
def ago(value: datetime | float | None, missing: str = "–") -> SafeString | str:
    """A relative time with the exact one on hover; kept right by `times.js`."""
    then = words.moment(value)
    if then is None:
        return missing
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        then.isoformat(timespec="seconds"),
        then.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        words.ago(then, datetime.now(UTC)),
    )


@register.simple_tag
def until(value: datetime | float | None) -> SafeString | str:
    """How long until a moment, counted down by `times.js`."""
    then = words.moment(value)
    if then is None:
        return ""
    left = words.span((then - datetime.now(UTC)).total_seconds())
    return format_html(
        '<time datetime="{}" title="{}" data-until>{}</time>',
        then.isoformat(timespec="seconds"),
        then.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        left,
    )


@register.filter
def pretty(value: Any) -> str:
    """JSON on several lines; texts that hold JSON are opened."""
    if isinstance(value, bytes | str):
        try:
            value = json.loads(value)
        except ValueError:
            return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def segment(value: object) -> str:
    """A text as one segment of a path."""
    return quote(str(value), safe="")


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """The present address's query with some parameters changed (None removes); shareable filters are made of it."""
    found = context["request"].GET.copy()
    for name, value in changes.items():
        if value is None or value == "":
            found.pop(name, None)
        else:
            found[name] = value
    text = found.urlencode()
    return f"?{text}" if text else "?"


@register.filter
def next_sort(column: str, present: str) -> str:
    """The order a click on a column's head asks for: downwards first, then upwards, then the list's own."""
    return {f"-{column}": column, column: ""}.get(present, f"-{column}")
