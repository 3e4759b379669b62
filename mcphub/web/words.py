"""Numbers, durations, sizes and moments as people read them. Pure. Above: `mcphub.templatetags`, the apps' views."""

from __future__ import annotations

from datetime import UTC, datetime

_STEPS = ((60, "s"), (3600, "min"), (86_400, "h"))


def number(value: float | None) -> str:
    """With thousands separated: 48,210."""
    return "–" if value is None else f"{value:,.0f}"


def compact(value: float | None) -> str:
    """With at most three digits: 980, 31.4k, 2.1M."""
    if value is None:
        return "–"
    for limit, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")):
        if value >= limit * 0.9995:
            short = value / limit
            return f"{short:.0f}{unit}" if short >= 99.95 else f"{short:.1f}".removesuffix(".0") + unit
    return f"{value:.0f}"


def milliseconds(value: float | None) -> str:
    """A duration: 0.3 ms, 38 ms, 1.2 s, 3 min."""
    if value is None:
        return "–"
    if value < 999.5:
        return f"{value:.1f} ms".replace(".0 ms", " ms") if value < 10 else f"{value:.0f} ms"
    if value < 99_500:
        return f"{value / 1000:.1f} s"
    return f"{value / 60_000:.0f} min"


def share(part: float, whole: float) -> str:
    """A share in percent: 0 %, 0.42 %, 41 %; a dash where there is no whole."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if percent == 0:
        return "0 %"
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def octets(value: float | None) -> str:
    """A size: 812 B, 4.2 kB, 1.1 MB."""
    if value is None:
        return "–"
    for limit, unit in ((1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")):
        if value >= limit:
            return f"{value / limit:.1f} {unit}"
    return f"{value:.0f} B"


def span(seconds: float) -> str:
    """A length of time in one unit: 40 s, 3 min, 2 h, 5 d."""
    seconds = max(0.0, seconds)
    for limit, unit in _STEPS:
        if seconds < limit:
            return f"{seconds / {'s': 1, 'min': 60, 'h': 3600}[unit]:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def ago(then: datetime, now: datetime) -> str:
    """How long since a moment: just now, 3 min ago; the date after thirty days."""
    passed = (now - then).total_seconds()
    if passed < 5:
        return "just now"
    if passed > 30 * 86_400:
        return then.strftime("%-d %b %Y")
    return f"{span(passed)} ago"


def moment(value: datetime | float | None) -> datetime | None:
    """A moment from itself or from epoch seconds."""
    if value is None or isinstance(value, datetime):
        return value
    return datetime.fromtimestamp(value, UTC)


def plural(count: int, one: str, many: str = "") -> str:
    """1 tool, 3 tools."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
