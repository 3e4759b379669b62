"""The stage, cleared after each test: no child, task or descriptor may be left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tests.gateway.upstreams.stage import Stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A supervisor with sinks that remember."""
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    made = Stage()
    yield made
    await made.supervisor.aclose()
    await asyncio.sleep(0)  # transports close their sockets one turn later
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in children]
    assert not left, left
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not tasks, tasks
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors
