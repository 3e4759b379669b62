"""300 servers with 5,000 tools: time to connect, rebuilding a snapshot, a changed override, memory of an idle upstream.

`python -m benchmarks scale`; `SCALE_STDIO` (200) and `SCALE_HTTP` (100) change its size.
"""

from __future__ import annotations

import os
import re
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tests.tools.hub import TestHub, hub, stdio, streamable
from tests.tools.processes import http_fixture, until

TOOLS = 5000
#: The tool whose description is changed; the first one of every fixture.
TOOL = "echo"
#: The best of so many counts: the machine has other things to do.
TRIES = 3


@dataclass(frozen=True)
class Scale:
    """What was measured. Times in seconds; `connected` counts from the start of the hub's process; memory in bytes."""

    servers: int
    tools: int
    connected: float
    rebuilt: float
    refreshed: float
    override: float
    memory: float


def measure(stdio_count: int, http_count: int, tools: int = TOOLS) -> Scale:
    """Start a hub with so many servers, which share so many tools."""
    count = stdio_count + http_count
    each = str(max(tools // count, 1) + 1)
    with ExitStack() as stack:
        with hub({"only": stdio("--tools", "1")}) as small:
            idle = small.memory()
        url = stack.enter_context(http_fixture("raw_http", "--tools", each))
        servers: dict[str, Any] = {f"s{n:03}": stdio("--name", f"s{n:03}", "--tools", each) for n in range(stdio_count)}
        servers |= {f"h{n:03}": streamable(url) for n in range(http_count)}
        began = time.monotonic()
        target = stack.enter_context(hub(servers, seconds=180, env={"METRICS": "open"}))
        connected = time.monotonic() - began
        memory = (target.memory() - idle) / count
        override = min(shown_after(target, next(iter(servers)), f"changed {n}") for n in range(TRIES))
        refreshed = build_seconds(target)
        rebuilt = min(rebuild(target, f"https://npm{n}.example") for n in range(TRIES))
        return Scale(count, len(target.tools()), connected, rebuilt, refreshed, override, memory)


def shown_after(target: TestHub, server: str, description: str) -> float:
    """Seconds from sending a changed description until tools/list of everything shows it."""
    began = time.monotonic()
    path = f"/servers/{server}/tools/{server}-{TOOL}/description"
    assert target.api("PUT", path, {"description": description})[0] == 200

    def shown() -> bool:
        tools = target.rpc("/mcp", "tools/list")["result"]["tools"]
        return any(tool.get("description") == description for tool in tools)

    until(shown, 30, "the changed description in the list")
    return time.monotonic() - began


def rebuild(target: TestHub, registry: str) -> float:
    """Seconds that a snapshot takes in which every server is built anew: a setting changed that concerns all."""
    before = build_seconds(target)
    status, answer = target.api("PUT", "/system-config", {"install": {"npmRegistry": registry}})
    assert status == 200, answer
    until(lambda: build_seconds(target) != before, 30, "a rebuilt snapshot")
    return build_seconds(target)


def build_seconds(target: TestHub) -> float:
    """How long the newest snapshot took to load, as the hub's metrics have it."""
    with urllib.request.urlopen(f"{target.url}/metrics", timeout=30) as answer:
        found = re.search(r"^mcphub_snapshot_build_seconds(?:{.*})? (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None
    return float(found[1])


def run() -> None:
    """Print the numbers of docs/performance.md."""
    found = measure(int(os.environ.get("SCALE_STDIO", "200")), int(os.environ.get("SCALE_HTTP", "100")))
    print(f"{found.servers} servers with {found.tools} tools connected {found.connected:.1f} s after the start (60)")
    print(f"a snapshot in which everything changed: {found.rebuilt * 1000:.0f} ms, one server: "
          f"{found.refreshed * 1000:.0f} ms (300)")  # fmt: skip
    print(f"a changed override is listed after {found.override:.2f} s (1)")
    print(f"memory for each idle upstream: {found.memory / 1000:.0f} kB (300)")
