"""A whole registry mirrored by the command people use: time and memory.

REGISTRY_SERVERS=30000 REGISTRY_VERSIONS=100000 pytest tests/registry/test_scale.py -s
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from tests.registry.fake_source import FakeSource
from tests.registry.test_resilience import home, manage, mirrored, prepare, start_sync

__all__ = ["home"]
SERVERS = int(os.environ.get("REGISTRY_SERVERS", "2000"))
VERSIONS = int(os.environ.get("REGISTRY_VERSIONS", "6000"))


def sync(home: Path, *words: str) -> int:
    """Run the command; the largest memory of its process in bytes."""
    process, largest = start_sync(home, *words), 0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess, subprocess.TimeoutExpired):
            largest = max(largest, watched.memory_info().rss)
            process.wait(0.05)
    assert process.returncode == 0, process.communicate()
    return largest


def seconds_of_last_run(home: Path) -> float:
    told = manage(
        home,
        "shell",
        "-v0",
        "-c",
        "from registry.models import SyncRun; import json; r = SyncRun.objects.first();"
        " print(json.dumps([r.started_at.isoformat(), r.finished_at.isoformat()]))",
    )
    began, ended = map(datetime.fromisoformat, json.loads(told.strip().splitlines()[-1]))
    return (ended - began).total_seconds()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_registry_is_mirrored_in_time_and_memory(home: Path) -> None:
    with FakeSource() as fake:
        fake.fill(SERVERS, VERSIONS)
        prepare(home, fake.url)
        memory = sync(home, "--full")
        full = seconds_of_last_run(home)
        sync(home)
        delta = seconds_of_last_run(home)
        print(
            f"\n{SERVERS} servers, {VERSIONS} versions: {full:.0f} s, {memory / 1e6:.0f} MB; empty delta {delta:.1f} s"
        )
        assert mirrored(home) == fake.state()
    assert full < 300
    assert memory < 300e6
    assert delta < 2
