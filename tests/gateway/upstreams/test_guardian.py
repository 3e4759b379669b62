"""The guardian's promise: whatever happens to the hub, no process that it started is left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mcphub.gateway.upstreams.children import Children
from tests.gateway.upstreams.stage import Stage, stdio, until
from tests.tools.processes import REPOSITORY, is_alive
from tests.tools.processes import until as until_now

ENV = {"PATH": os.environ["PATH"]}
#: A child with a child in its group, one in a session of its own, and one orphan that nobody is the parent of.
FAMILY = "sleep 300 & echo $!; setsid sleep 300 & echo $!; (setsid sleep 300 & echo $!); echo end; wait"

HUB = f"""
import asyncio, os, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from mcphub.gateway.upstreams.children import Children

async def main():
    children = Children()
    child = await children.spawn(["/bin/sh", "-c", {FAMILY!r}], {ENV!r}, "")
    os.set_blocking(child.stdout, True)
    said = b""
    while b"end" not in said:
        said += os.read(child.stdout, 1000)
    print(child.pid, said.decode().replace("end", "").replace(chr(10), " "), flush=True)
    await asyncio.sleep(300)

asyncio.run(main())
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_survives_the_hub(end: int) -> None:
    hub = subprocess.Popen([sys.executable, "-c", HUB], stdout=subprocess.PIPE, start_new_session=True)
    assert hub.stdout is not None
    pids = [int(word) for word in hub.stdout.readline().split()]
    assert len(pids) == 4 and all(map(is_alive, pids))
    began = time.monotonic()
    os.kill(hub.pid, end)
    until_now(lambda: not any(map(is_alive, pids)), 10, "all gone")
    assert time.monotonic() - began < 5
    hub.wait()
    hub.stdout.close()


async def test_children_end_with_a_guardian_that_is_killed_and_a_new_one_takes_over(stage: Stage) -> None:
    stage.show(stdio("s"))
    pid = int(await stage.tool("s", "pid"))
    guardian = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert b"guardian" in Path(f"/proc/{guardian}/cmdline").read_bytes()
    os.kill(guardian, signal.SIGKILL)
    await until(lambda: not is_alive(pid), "the child gone")
    await until(lambda: stage.state("s") == "retrying")
    await stage.connected()
    assert await stage.tool("s", "echo", {"text": "again"}) == "again"


async def test_a_cancelled_start_leaves_no_child() -> None:
    children = Children()
    await children.spawn(["/bin/sleep", "300"], ENV, "")
    starting = asyncio.ensure_future(children.spawn(["/bin/sleep", "301"], ENV, ""))
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait([starting])
    await children.aclose()
    found = subprocess.run(["pgrep", "-f", "^/bin/sleep 30[01]"], capture_output=True).stdout
    assert not found


async def test_what_cannot_be_executed_is_refused_with_its_reason() -> None:
    children = Children()
    try:
        with pytest.raises(FileNotFoundError):
            await children.spawn(["/no/such/program"], ENV, "")
        with pytest.raises(FileNotFoundError):
            await children.spawn(["/bin/true"], ENV, "/no/such/folder")
        with pytest.raises(PermissionError):
            await children.spawn(["/etc/passwd"], ENV, "")
        with pytest.raises(OSError, match="larger than"):
            await children.spawn(["/bin/true", "x" * 500_000], ENV, "")
    finally:
        await children.aclose()


async def test_an_exit_status_is_told() -> None:
    children = Children()
    child = await children.spawn(["/bin/sh", "-c", "exit 7"], ENV, "")
    assert await asyncio.wait_for(child.exited, 10) == 7
    for descriptor in (child.stdin, child.stdout, child.stderr):
        os.close(descriptor)
    await children.aclose()


LIMITED = f"""
import asyncio, os, resource, sys
sys.path.insert(0, {str(REPOSITORY)!r})
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from mcphub.gateway.upstreams import descriptors
from mcphub.gateway.upstreams.children import Children

async def main():
    descriptors.raise_limit()
    children = Children()
    child = await children.spawn(["/bin/sh", "-c", "ulimit -Sn"], {ENV!r}, "")
    await child.exited
    print(*resource.getrlimit(resource.RLIMIT_NOFILE), os.read(child.stdout, 100).decode())
    await children.aclose()

asyncio.run(main())
"""


def test_the_hub_may_open_many_files_and_its_children_as_many_as_without_it() -> None:
    said = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True, timeout=30)
    soft, hard, childs = said.stdout.split()
    assert (soft, childs) == (str(min(int(hard), 1 << 20)), "256")
