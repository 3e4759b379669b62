"""Meter: what this process counts by itself. Fed with batches that were stored and with jobs that ended.

Above: `sampling`, `observation`. Below: the histogram of the activities.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Any

from activities.histogram import BOUNDS, COLUMNS
from mcphub.gateway.calls import CallRecord


class Meter:
    """See the module. `took` and `ended` may be called from any thread but not at the same time each."""

    def __init__(self) -> None:
        #: calls by server, status and route
        self.calls: Counter[tuple[str, str, str]] = Counter()
        #: by server: calls by duration (see `activities.histogram`), and their sum in milliseconds
        self.durations: dict[str, list[int]] = {}
        self.seconds: Counter[str] = Counter()
        #: Celery tasks by name and state
        self.jobs: Counter[tuple[str, str]] = Counter()

    def took(self, batch: Sequence[CallRecord]) -> None:
        """Count a batch of calls that was stored."""
        for call in batch:
            self.calls[call.server, call.status, call.route] += 1
            bins = self.durations.get(call.server)
            if bins is None:
                bins = self.durations[call.server] = [0] * len(COLUMNS)
            bins[bisect_left(BOUNDS, call.duration_ms)] += 1
            self.seconds[call.server] += call.duration_ms / 1000  # type: ignore[assignment]

    def ended(self, task: Any, state: str | None) -> None:
        """Count a Celery task that ended."""
        self.jobs[str(getattr(task, "name", task)), (state or "unknown").lower()] += 1


#: What this process counted.
meter = Meter()


def count_job(sender: Any = None, state: str | None = None, **about: Any) -> None:
    """Hears Celery's `task_postrun`."""
    meter.ended(sender, state)
