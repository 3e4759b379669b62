"""Durations in buckets, and percentiles out of them. Pure.

The bounds are close enough that a percentile read from a bucket is off by a fifth at most, over six decades, and few
enough that a roll-up row stays small. Above: `models`, `rollups`, `readings`, metrics. Below: nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

#: Upper bounds in milliseconds; the last bucket has none.
BOUNDS = (
    0.5, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 25, 35, 50, 75, 100, 150, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000
)  # fmt: skip
#: The columns of a roll-up row that hold the counts.
COLUMNS = tuple(f"bin_{number}" for number in range(len(BOUNDS) + 1))


def bucket_of(duration: float) -> int:
    """Which bucket a duration in milliseconds falls into."""
    return bisect_left(BOUNDS, duration)


def percentiles(counts: Sequence[int], wanted: Iterable[float], slowest: float | None = None) -> list[float | None]:
    """Durations in milliseconds below which the wanted shares (0..1) of the calls lie; None where there are none.

    Args:
        counts: calls per bucket. slowest: the longest duration, where it is known.
    """
    total = sum(counts)
    return [_percentile(counts, share * total, slowest) if total else None for share in wanted]


def _percentile(counts: Sequence[int], rank: float, slowest: float | None) -> float:
    below = 0
    for number, count in enumerate(counts):
        if below + count >= rank and count:
            lower = BOUNDS[number - 1] if number else 0.0
            upper = BOUNDS[number] if number < len(BOUNDS) else max(slowest or 0.0, BOUNDS[-1])
            if slowest is not None:
                upper = max(lower, min(upper, slowest))
            return round(lower + (upper - lower) * (rank - below) / count, 3)
        below += count
    return BOUNDS[-1]
