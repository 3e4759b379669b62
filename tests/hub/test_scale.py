"""Many servers at once, in small; the numbers of a large hub are `python -m benchmarks scale`."""

from __future__ import annotations

import pytest

from benchmarks.scale import measure

pytestmark = pytest.mark.slow


def test_forty_servers_with_a_thousand_tools_are_no_burden() -> None:
    """The budgets are those of three hundred servers: a machine that is busy with other tests stays within them."""
    found = measure(30, 10, tools=1000)
    assert found.tools >= 1000
    assert found.rebuilt < 0.3
    assert found.refreshed < 0.3
    assert found.override < 1.0
    assert found.memory < 300_000
