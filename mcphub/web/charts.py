"""Charts as SVG, drawn here: no script, no inline style, the colour comes from the element's class.

Pure. A line is stretched to its element's width (its stroke is not), so it has no text inside; numbers stand beside it
in HTML, where screen readers find them. Above: `mcphub.templatetags`, the apps' views.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

_WIDTH, _HEIGHT, _ROOM = 240.0, 38.0, 3.0


def line(values: Sequence[float | None], *, tone: str = "accent", label: str = "") -> SafeString:
    """A line over an area, from the oldest to the newest value; None leaves a gap (drawn as zero in the area)."""
    top = max((value for value in values if value is not None), default=0.0)
    points = list(_points([value or 0.0 for value in values], top))
    path = "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in points) if points else ""
    area = f"{path} L{_WIDTH:.0f} {_HEIGHT:.0f} L0 {_HEIGHT:.0f} Z" if points else ""
    return format_html(
        '<svg class="chart c-{}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<path class="area" fill="currentColor" d="{}"/><path class="line" stroke="currentColor" d="{}"/></svg>',
        tone,
        f"{_WIDTH:.0f}",
        f"{_HEIGHT:.0f}",
        label or "Chart",
        area,
        path,
    )


def _points(values: Sequence[float], top: float) -> list[tuple[float, float]]:
    if len(values) < 2:
        values = [*values, *values] or [0.0, 0.0]
    step = _WIDTH / (len(values) - 1)
    usable = _HEIGHT - _ROOM - 1
    return [(index * step, _HEIGHT - 1 - (usable * value / top if top else 0)) for index, value in enumerate(values)]


def meter(value: float, whole: float) -> SafeString:
    """A bar that shows a share; what it means stands beside it."""
    width = 0.0 if whole <= 0 else max(1.0, min(100.0, 100 * value / whole))
    return format_html(
        '<svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="6" rx="3"/><rect class="fill" width="{}" height="6" rx="3"/></svg>',
        f"{width:.1f}",
    )
