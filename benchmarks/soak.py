"""Calls over many upstreams while servers are toggled, reloaded, killed and edited at random.

Every call must get an answer that is its own: the echo of what it sent, or an error that says why. Afterwards no
child, socket or file descriptor may be left over, the memory must be where it was after the warm-up, and the hub's
records must count the calls as the callers do.

`python -m benchmarks soak`; `SOAK_SECONDS` (180) and `SOAK_CALLS` (200000, at least) change its size.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil

from tests.tools.hub import META, TestHub, hub, stdio, streamable
from tests.tools.processes import http_fixture, until

STDIO, HTTP = 14, 6
CALLERS = 32
#: Seconds after which the last idle connection is surely closed.
IDLE = 10.0


@dataclass
class Tally:
    """What came back. `wrong` must stay empty."""

    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def calls(self) -> int:
        return sum(self.answers.values())


async def caller(number: int, target: TestHub, names: list[str], tally: Tally, stop: asyncio.Event) -> None:
    """Call random servers one after another and check every echo."""
    chance = random.Random(number)
    count = 0
    async with aiohttp.ClientSession() as session:
        while not stop.is_set():
            count += 1
            name, token = f"{chance.choice(names)}-echo", f"{number}:{count}:{chance.random()}"
            params = {"name": name, "arguments": {"text": token}, "_meta": META}
            message = {"jsonrpc": "2.0", "id": token, "method": "tools/call", "params": params}
            began = time.monotonic()
            try:
                async with session.post(
                    f"{target.url}/mcp", json=message, headers=target.headers("tools/call", name)
                ) as answer:
                    judge(await answer.json(content_type=None), token, tally)
            except (aiohttp.ClientError, TimeoutError, ValueError) as lost:
                tally.wrong.append(f"no answer to {token}: {lost!r}")
            tally.slowest = max(tally.slowest, time.monotonic() - began)


def judge(answer: dict[str, Any], token: str, tally: Tally) -> None:
    """Count an answer; an echo of something else is wrong, an error without words too."""
    if answer.get("id") != token:
        tally.wrong.append(f"{token} got the answer to {answer.get('id')}: {json.dumps(answer)[:200]}")
    elif "error" in answer:
        tally.answers[f"error {answer['error'].get('code')}"] += 1
        if not answer["error"].get("message"):
            tally.wrong.append(f"{token}: an error without a message")
    elif token not in json.dumps(answer["result"].get("content")):
        tally.wrong.append(f"{token} got {json.dumps(answer)[:200]}")
    else:
        tally.answers["ok"] += 1


async def trouble(target: TestHub, names: list[str], done: Counter[str], stop: asyncio.Event) -> None:
    """Toggle, reload, edit and kill at random, several times a second."""
    chance = random.Random(7)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {target.key}"}) as session:
        while not stop.is_set():
            name, what = chance.choice(names), chance.choice(["toggle", "reload", "edit", "kill", "override"])
            with suppress(aiohttp.ClientError):
                await harm(session, target, name, what, chance)
            done[what] += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.25)


async def harm(session: aiohttp.ClientSession, target: TestHub, name: str, what: str, chance: random.Random) -> None:
    """One disturbance through the same API that people use; kills go to a child directly."""
    base = f"{target.url}/api/servers/{name}"
    if what == "toggle":
        for enabled in (False, True):
            await (await session.post(f"{base}/toggle", json={"enabled": enabled})).read()
    elif what == "reload":
        await (await session.post(f"{base}/reload")).read()
    elif what == "edit":
        await (await session.put(base, json={"config": {"description": f"edited {chance.random()}"}})).read()
    elif what == "override":
        url = f"{base}/tools/{name}-echo/description"
        await (await session.put(url, json={"description": f"described {chance.random()}"})).read()
    elif children := fixtures(target):
        with suppress(psutil.NoSuchProcess):
            chance.choice(children).send_signal(signal.SIGKILL)


def fixtures(target: TestHub) -> list[psutil.Process]:
    """The fixture processes below the hub, whatever stands between."""
    found = []
    for child in psutil.Process(target.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if any("raw_stdio" in part for part in child.cmdline()):
                found.append(child)
    return found


def footprint(target: TestHub) -> dict[str, int]:
    """What must not grow: children, descriptors, threads, resident memory."""
    process = psutil.Process(target.process.pid)
    return {
        "children": len(process.children(recursive=True)),
        "descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "memory": process.memory_info().rss,
    }


async def storm(target: TestHub, names: list[str], seconds: float, calls: int) -> Tally:
    """Callers and trouble for that long, and on until that many calls were made."""
    tally, stop, done = Tally(), asyncio.Event(), Counter[str]()
    async with asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(caller(number, target, names, tally, stop))
        group.create_task(trouble(target, names, done, stop))
        end = time.monotonic() + seconds
        while time.monotonic() < end or tally.calls < calls:
            await asyncio.sleep(0.5)
            if len(tally.wrong) > 20:
                break
        stop.set()
    print("disturbances:", dict(done))
    return tally


def healthy(target: TestHub, count: int) -> bool:
    return len(fixtures(target)) == count and target.health().get("status") == "healthy"


def settled(target: TestHub) -> dict[str, int]:
    """The footprint once idle connections to upstreams, which are kept for some seconds, have been closed."""
    until(lambda: healthy(target, STDIO), 90, "all servers back after a storm")
    time.sleep(IDLE)
    return footprint(target)


def recorded(target: TestHub) -> int:
    """How many calls the hub has stored as answered."""
    with closing(sqlite3.connect(f"file:{target.data / 'mcphub.sqlite3'}?mode=ro", uri=True)) as database:
        found = database.execute("SELECT count(*) FROM activities_callrecord WHERE status = 'ok'").fetchone()
    return int(found[0])


@dataclass(frozen=True)
class Verdict:
    """What a soak showed: the tallies of warm-up and storm, and the footprints before and after the storm."""

    warm: Tally
    storm: Tally
    before: dict[str, int]
    after: dict[str, int]

    @property
    def wrong(self) -> list[str]:
        return self.warm.wrong + self.storm.wrong

    @property
    def grown(self) -> list[str]:
        """What is larger than it may be. A lane for requests or a reader of the database may have been added."""
        allowed = {"children": 0.0, "descriptors": 6.0, "threads": 6.0, "memory": self.before["memory"] * 0.10}
        return [name for name, more in allowed.items() if self.after[name] > self.before[name] + more]


def soak(seconds: float, calls: int, warm_seconds: float, warm_calls: int) -> Verdict:
    """Warm up, look, storm, look again; AssertionError where servers do not come back or records are missing."""
    with ExitStack() as stack:
        servers: dict[str, Any] = {f"raw{n}": stdio("--name", f"raw{n}") for n in range(STDIO)}
        for n in range(HTTP):
            servers[f"http{n}"] = streamable(stack.enter_context(http_fixture("raw_http")))
        target = stack.enter_context(hub(servers))
        warm = asyncio.run(storm(target, list(servers), warm_seconds, warm_calls))
        before = settled(target)
        tally = asyncio.run(storm(target, list(servers), seconds, calls))
        answered = warm.answers["ok"] + tally.answers["ok"]
        until(lambda: recorded(target) == answered, 30, f"{answered} answered calls in the records")
        return Verdict(warm, tally, before, settled(target))


def run() -> None:
    """Exit status 1 when a promise was broken."""
    seconds, calls = float(os.environ.get("SOAK_SECONDS", "180")), int(os.environ.get("SOAK_CALLS", "200000"))
    found = soak(seconds, calls, 20, 5000)
    tally = found.storm
    print(
        f"calls {tally.calls}: {dict(tally.answers)}; slowest answer {tally.slowest:.2f} s; wrong: {len(found.wrong)}"
    )
    print("before", found.before, "\nafter ", found.after)
    for line in found.wrong[:10]:
        print("WRONG", line)
    if found.grown or found.wrong:
        print("grown:", found.grown)
        sys.exit(1)
    print("no call lost, no wrong answer, nothing leaked")
