"""Percentiles out of buckets."""

from __future__ import annotations

import random

from activities.histogram import BOUNDS, COLUMNS, bucket_of, percentiles


def test_a_percentile_is_close_to_the_true_one() -> None:
    chance = random.Random(7)
    durations = sorted(chance.lognormvariate(3.5, 1.3) for _ in range(20_000))
    counts = [0] * len(COLUMNS)
    for duration in durations:
        counts[bucket_of(duration)] += 1
    for share, found in zip((0.5, 0.95, 0.99), percentiles(counts, (0.5, 0.95, 0.99), durations[-1]), strict=True):
        true = durations[int(share * len(durations))]
        assert found is not None
        assert abs(found - true) / true < 0.2


def test_no_calls_have_no_percentiles() -> None:
    assert percentiles([0] * len(COLUMNS), (0.5, 0.99)) == [None, None]


def test_the_slowest_call_bounds_what_is_told() -> None:
    counts = [0] * len(COLUMNS)
    counts[-1] = 1
    assert percentiles(counts, (0.99,), 90_000.0)[0] == 89_700.0
    assert bucket_of(BOUNDS[-1]) == len(BOUNDS) - 1
