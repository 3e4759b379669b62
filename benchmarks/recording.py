"""What recording costs a call: the same load with recording off and on, in turns, in one hub; and nothing is lost.

`python -m benchmarks recording` takes five minutes. Run it on a quiet machine: it tells differences of microseconds.
"""

from __future__ import annotations

import json
import statistics
import time
import urllib.request

import psutil

from benchmarks.harness import Load, wrk
from tests.tools.hub import META, TestHub, hub
from tests.tools.processes import fixture_command, until

#: Turns of each kind: a minute with and a minute without. Short ones, as a machine's mood changes within seconds.
TURNS = 12
SECONDS = 5


def run() -> None:
    """See the module."""
    command, *arguments = fixture_command("raw_stdio")
    with hub({"raw": {"command": command, "args": arguments}}) as running:
        tool = next(name for name in running.tools() if "echo" in name)
        _load(running, tool, 3, connections=2)
        print("about 5,000 calls/s, as 8 clients make them that rest for a millisecond")
        _compare(running, tool, connections=8, pause=1)
        print("as many as 2 clients can make")
        _compare(running, tool, connections=2)


def _compare(running: TestHub, tool: str, **how: int) -> None:
    loads: dict[bool, list[Load]] = {False: [], True: []}
    cost: dict[bool, list[float]] = {False: [], True: []}
    recorded, dropped = _stored(running), _lost(running)
    for turn in range(TURNS):
        for enabled in (False, True) if turn % 2 else (True, False):
            running.api("PUT", "/system-config", {"activityLog": {"enabled": enabled}})
            time.sleep(0.5)
            before = _cpu(running)
            loads[enabled].append(_load(running, tool, SECONDS, **how))
            cost[enabled].append((_cpu(running) - before) / (loads[enabled][-1].per_second * SECONDS))
    for enabled, found in loads.items():
        spent = statistics.median(cost[enabled]) * 1e6
        print(f"recording {'on ' if enabled else 'off'}  {_middle(found)}   CPU of the hub {spent:.0f} µs a call")
    off, on = (statistics.median(each.p50 for each in loads[enabled]) for enabled in (False, True))
    print(f"median latency changes by {100 * (on - off) / off:+.1f} %")
    sent = sum(each.per_second * SECONDS for each in loads[True])
    until(lambda: _waiting(running) == 0, 30, "an empty queue of records")
    print(
        f"sent with recording on: about {sent:,.0f};",
        f"stored: {_stored(running) - recorded:,}; lost: {_lost(running) - dropped}",
    )


def _load(running: TestHub, tool: str, seconds: int, **how: int) -> Load:
    params = {"name": tool, "arguments": {"text": "x" * 200}, "_meta": META}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    headers = running.headers("tools/call", tool)
    return wrk(f"{running.url}/mcp", body, headers, seconds=seconds, **how)


def _cpu(running: TestHub) -> float:
    """CPU time of the hub process in seconds: tells what a call costs on a machine that others use as well."""
    used = psutil.Process(running.process.pid).cpu_times()
    return float(used.user + used.system)


def _middle(loads: list[Load]) -> Load:
    return sorted(loads, key=lambda each: each.p50)[len(loads) // 2]


def _stored(running: TestHub) -> int:
    return int(running.api("GET", "/activities/stats")[1]["data"]["totalCalls"])


def _metric(running: TestHub, name: str) -> float:
    asked = urllib.request.Request(f"{running.url}/metrics", headers={"Authorization": f"Bearer {running.key}"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + "{"))


def _waiting(running: TestHub) -> float:
    return _metric(running, "mcphub_records_waiting")


def _lost(running: TestHub) -> int:
    return int(_metric(running, "mcphub_records_dropped_total"))
