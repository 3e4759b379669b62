"""The metrics of the hub: name, kind, help and labels of each. The Grafana dashboard uses these names.

Above: `sampling`, `door`. Below: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from activities.histogram import BOUNDS

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; `process` is added to its labels. Counters are shown with the suffix `_total`."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


FAMILIES = {
    family.name: family
    for family in (
        Family("mcphub_calls", "counter", "Calls that were recorded.", ("server", "status", "route")),
        Family("mcphub_call_duration_seconds", "histogram", "How long calls took.", ("server",)),
        Family("mcphub_upstream_calls_in_flight", "gauge", "Calls at an upstream now.", ("server",)),
        Family("mcphub_upstream_calls_queued", "gauge", "Calls that wait for a place at an upstream.", ("server",)),
        Family("mcphub_upstream_state", "gauge", "1 for the state an upstream is in.", ("server", "state")),
        Family("mcphub_upstream_reconnects", "counter", "Connections made after the first.", ("server",)),
        Family("mcphub_sessions", "gauge", "Client sessions used lately."),
        Family("mcphub_streams", "gauge", "Open client streams."),
        Family("mcphub_snapshot_revision", "gauge", "Revision that is served."),
        Family("mcphub_snapshot_build_seconds", "gauge", "How long the newest snapshot took to load."),
        Family("mcphub_records_waiting", "gauge", "Call records that wait for the database."),
        Family("mcphub_records_stored", "counter", "Call records that were stored."),
        Family("mcphub_records_dropped", "counter", "Call records lost to overflow."),
        Family("mcphub_records_stripped", "counter", "Call records that lost their payloads to overflow."),
        Family("mcphub_cache_lookups", "counter", "Lookups in a cache.", ("cache", "result")),
        Family("mcphub_log_lines", "counter", "Lines in the log book."),
        Family("mcphub_log_lines_left_out", "counter", "Lines that came too fast for the log book."),
        Family("mcphub_jobs", "counter", "Celery tasks that ended.", ("task", "state")),
        Family("mcphub_facts_dropped", "counter", "Facts that other processes never heard."),
        Family("mcphub_process_cpu_seconds", "counter", "CPU time of a process of the hub."),
        Family("mcphub_process_resident_bytes", "gauge", "Memory of a process of the hub."),
        Family("mcphub_process_open_files", "gauge", "Open file descriptors of a process of the hub."),
        Family("mcphub_process_start_seconds", "gauge", "When a process of the hub began, epoch seconds."),
    )
}
#: Upper bounds of the histogram in seconds, as Prometheus writes them.
LIMITS = (*(f"{bound / 1000:g}" for bound in BOUNDS), "+Inf")


class Histogram(msgspec.Struct, array_like=True):
    """Durations of one label set: counts by bucket (not cumulated), and their sum in seconds."""

    labels: list[str]
    counts: list[int]
    sum: float


class Sample(msgspec.Struct):
    """What one process has to say at one moment.

    Attributes:
        process: role and process id. at: epoch seconds.
        values: by family, pairs of label values and value. durations: by family.
    """

    process: str
    at: float
    values: dict[str, list[tuple[list[str], float]]] = msgspec.field(default_factory=dict)
    durations: dict[str, list[Histogram]] = msgspec.field(default_factory=dict)

    def add(self, name: str, value: float, *labels: str) -> None:
        """Add one value of a family."""
        self.values.setdefault(name, []).append((list(labels), value))
