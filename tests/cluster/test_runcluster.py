"""`make cluster`: a hub of many processes by one command."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.tools.cluster import cluster
from tests.tools.hub import TestHub, stdio
from tests.tools.processes import is_alive, until

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]


def answers(web: TestHub) -> bool:
    """Whether a call through this web process succeeds."""
    try:
        answer = web.call("echo-echo", {"text": "hello"})
    except OSError:
        return False
    return "result" in answer and "hello" in answer["result"]["content"][0]["text"]


def below(pid: int) -> set[int]:
    """All processes below another, those of its threads included."""
    found = set()
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, tasks.read_text().split()):
            found |= {child} | below(child)
    return found


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_one_command_runs_all_parts_restarts_what_ends_and_leaves_nothing(end: signal.Signals) -> None:
    with cluster({"echo": stdio()}) as found:
        process, webs = found.whole()
        for web in webs:
            until(lambda web=web: answers(web), 60, f"a call through {web.url}")

        started = re.search(r"web-1 \| .*Started server process.*?(\d+)", process.output())
        assert started is not None, process.output()
        os.kill(int(started[1]), signal.SIGKILL)
        process.wait_for_output("web-1 | ended with status -9; starting it again", 20)
        until(lambda: answers(webs[0]), 60, "a call through the web process that replaced the killed one")

        everything = below(process.pid)
        assert len(everything) >= 6  # two web processes, two workers, beat, the server's child
        process.process.send_signal(end)
        process.process.wait(timeout=60)
        until(lambda: not any(map(is_alive, everything)), 40, "all parts to be gone")
