"""One process's sample: what the meter counted, and what the running hub looks like now. Runs on the hub's loop.

Above: `observation`, `door`. Below: `meter`, `families`, the running hub.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from activities.logs import logbook
from mcphub.gateway.ports import UpstreamState
from mcphub.gateway.recorder import Recorder
from mcphub.metrics.families import Histogram, Sample
from mcphub.metrics.meter import meter

_PAGE = resource.getpagesize()
_STARTED = time.time()


class Observed(Protocol):
    """What of a hub is measured."""

    #: Seconds the newest snapshot took to load.
    load_seconds: float

    @property
    def role(self) -> str: ...

    @property
    def revision(self) -> int: ...

    def held(self) -> Iterable[UpstreamState]:
        """States of the upstreams whose connections this process holds."""

    def counts(self) -> dict[str, int]:
        """See `GatewayApp.counts`; empty where no clients are answered."""

    def queue(self) -> Recorder | None:
        """Where call records wait, if clients are answered here."""

    def facts_dropped(self) -> int:
        """Facts that other processes never heard."""


def process_name(role: str) -> str:
    """How a process is called in the metrics: its role and its number."""
    return f"{role}-{os.uname().nodename}-{os.getpid()}"


def sample(hub: Observed) -> Sample:
    """Everything that can be said of this process now."""
    found = Sample(process_name(hub.role), time.time())
    _calls(found)
    _upstreams(found, hub.held())
    _front(found, hub)
    book = logbook()
    found.add("mcphub_log_lines", book.position)
    found.add("mcphub_log_lines_left_out", book.left_out)
    found.add("mcphub_snapshot_revision", hub.revision)
    found.add("mcphub_snapshot_build_seconds", hub.load_seconds)
    found.add("mcphub_facts_dropped", hub.facts_dropped())
    for (task, state), count in list(meter.jobs.items()):
        found.add("mcphub_jobs", count, task, state)
    _process(found)
    return found


def _calls(found: Sample) -> None:
    for (server, status, route), count in list(meter.calls.items()):
        found.add("mcphub_calls", count, server, status, route)
    found.durations["mcphub_call_duration_seconds"] = [
        Histogram([server], list(bins), float(meter.seconds[server])) for server, bins in list(meter.durations.items())
    ]


def _upstreams(found: Sample, states: Iterable[UpstreamState]) -> None:
    for state in states:
        found.add("mcphub_upstream_state", 1, state.name, state.state)
        found.add("mcphub_upstream_calls_in_flight", state.in_flight, state.name)
        found.add("mcphub_upstream_calls_queued", state.queued, state.name)
        found.add("mcphub_upstream_reconnects", max(0, state.connects - 1), state.name)


def _front(found: Sample, hub: Observed) -> None:
    counts, recorder = hub.counts(), hub.queue()
    if counts:
        found.add("mcphub_streams", counts["streams"])
        found.add("mcphub_sessions", counts["sessions"])
        misses = counts["credentials_asked"]
        found.add("mcphub_cache_lookups", max(0, counts["credentials_seen"] - misses), "credentials", "hit")
        found.add("mcphub_cache_lookups", misses, "credentials", "miss")
    if recorder is not None:
        found.add("mcphub_records_waiting", len(recorder))
        found.add("mcphub_records_stored", recorder.stored)
        found.add("mcphub_records_dropped", recorder.dropped)
        found.add("mcphub_records_stripped", recorder.stripped)


def _process(found: Sample) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    found.add("mcphub_process_cpu_seconds", used.ru_utime + used.ru_stime)
    found.add("mcphub_process_start_seconds", _STARTED)
    with contextlib.suppress(OSError, ValueError, IndexError):  # not on Linux
        found.add("mcphub_process_resident_bytes", int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE)
        found.add("mcphub_process_open_files", len(os.listdir("/proc/self/fd")))  # noqa: PTH208 (a count, no paths)
