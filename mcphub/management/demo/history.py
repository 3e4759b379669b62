"""Days of believable calls: busier in office hours and on weekdays, some servers slow, some failing now and then."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Sequence

from activities import sink
from mcphub.gateway.calls import CallRecord
from mcphub.management.demo.catalogue import SERVERS, DemoServer
from mcphub.management.demo.people import Caller

_DAY = 86_400
_BATCH = 1000
#: What goes in and comes out is kept for the newest calls only, as it is most of the size.
_WITH_PAYLOAD = 400
#: A bad hour: everything that fails then fails more often.
_BAD_HOURS = (6.2, 31.0, 200.5)


def write(callers: Sequence[Caller], calls: int, days: int = 30) -> None:
    """Store so many calls of so many days, the newest a moment ago."""
    chance = random.Random(7)  # noqa: S311 (the same history each time)
    now = time.time()
    moments = sorted(_moment(chance, now, days) for _ in range(calls))
    batch: list[CallRecord] = []
    for number, at in enumerate(moments):
        batch.append(_call(chance, number, at, now, callers, kept=calls - number <= _WITH_PAYLOAD))
        if len(batch) == _BATCH:
            sink.store(batch)
            batch = []
    if batch:
        sink.store(batch)


def _moment(chance: random.Random, now: float, days: int) -> float:
    """A time within the days, more likely where people work; a few are of just now, whenever that is."""
    if chance.random() < 0.004:
        return now - chance.random() * 1800
    while True:
        at = now - chance.random() * days * _DAY
        hour = at % _DAY / 3600
        weekday = int(at // _DAY + 3) % 7
        busy = 0.18 + 0.82 * math.exp(-(((hour - 13.5) / 4.2) ** 2))
        if chance.random() < busy * (0.3 if weekday > 4 else 1.0):
            return at


def _call(
    chance: random.Random, number: int, at: float, now: float, callers: Sequence[Caller], *, kept: bool
) -> CallRecord:
    server = chance.choices(SERVERS, _WEIGHTS)[0]
    tool = _tool(chance, server)
    caller = chance.choice(callers)
    failing = server.failing * (8 if any(abs((now - at) / 3600 - hour) < 0.6 for hour in _BAD_HOURS) else 1)
    failed = chance.random() < failing
    status = chance.choice(("error", "tool_error", "tool_error")) if failed else "ok"
    if not failed and chance.random() < 0.002:
        status = "cancelled"
    output = json.dumps({"content": [{"type": "text", "text": server.why if failed else f"{tool}: done."}]}).encode()
    return CallRecord(
        id=f"demo-{number:x}-{int(at * 1000):x}",
        started=at,
        duration_ms=chance.lognormvariate(math.log(server.latency), 0.55),
        method="tools/call",
        server=server.name,
        item=tool,
        status=status,
        route=caller.route,
        principal=f"key:{caller.key_id}",
        username=caller.username,
        key_id=caller.key_id,
        key_name=caller.key_name,
        address=f"10.0.{number % 3}.{20 + number % 40}",
        group=caller.route,
        request_size=chance.randint(90, 900),
        response_size=int(chance.lognormvariate(7.2, 1.1)),
        error=server.why if failed else None,
        error_code=-32000 if status == "error" else None,
        input=json.dumps({"name": tool, "arguments": {"query": "quarterly report", "limit": 20}}).encode() if kept else None,
        output=output if kept else None,
    )  # fmt: skip


def _tool(chance: random.Random, server: DemoServer) -> str:
    """One of its tools, the first ones more often."""
    names = _TOOLS[server.name]
    return names[min(int(chance.expovariate(4 / len(names))), len(names) - 1)]


_WEIGHTS = [server.calls for server in SERVERS]
_TOOLS = {server.name: server.tool_names() for server in SERVERS}
