"""A short soak: calls over twenty servers that are toggled, reloaded, killed and edited meanwhile. The long one is
`python -m benchmarks soak`."""

from __future__ import annotations

import pytest

from benchmarks.soak import soak

pytestmark = pytest.mark.slow


def test_trouble_loses_no_call_and_leaks_nothing() -> None:
    found = soak(seconds=6, calls=2000, warm_seconds=3, warm_calls=500)
    assert found.wrong == []
    assert found.storm.answers["ok"] > found.storm.calls / 2
    # Too short to tell a cache that fills from a leak of memory.
    assert set(found.grown) <= {"memory"}, (found.before, found.after)
