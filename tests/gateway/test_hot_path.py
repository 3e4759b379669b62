"""The hot path has a budget. CPU time, so that a busy machine does not matter much; half again for slower ones."""

from __future__ import annotations

from benchmarks.hotpath import measure

#: Microseconds of CPU of one tools/call through the whole front, upstream excluded; measured: about 20 and 24.
BUDGET = 75.0


async def test_a_call_stays_within_its_budget() -> None:
    spent = await measure(1500)
    assert max(spent.values()) < BUDGET, spent
