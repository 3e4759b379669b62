"""Calls through Redis: one process that calls, one worker that holds an upstream which echoes at once.

`python -m benchmarks.peer [--redis URL]` prints calls/s, median and 99th percentile at 1 and 32 concurrent calls with
half-kilobyte messages, and the rate of one-megabyte results. What it measures is the hop alone: no HTTP, no child.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import secrets
import statistics
import sys
import time

import uvloop
from msgspec import Raw

from mcphub.bus import MemoryBus
from mcphub.directory import RedisDirectory
from mcphub.gateway import jsonrpc
from mcphub.gateway.calls import Call, Exchange, Silence
from mcphub.gateway.peer import PeerServer, RedisLink

SERVER = "echo"


class Echo:
    """A worker's link whose upstream answers at once: with the params, or with a megabyte where asked."""

    big = Raw(b'{"content":[{"type":"text","text":"%s"}]}' % (b"x" * 1_000_000))

    async def call(self, call: Call, exchange: Exchange) -> Raw:
        return self.big if call.method == "big" else call.params["arguments"]

    async def subscribe(self, server: str, uri: str, wanted: bool) -> None:
        return None


async def work(url: str, prefix: str) -> None:
    """The worker's process."""
    directory = RedisDirectory(url, MemoryBus(), prefix=prefix, holding=True)
    await directory.start()
    server = PeerServer(url, Echo(), directory, prefix=prefix)
    await server.start()
    directory.want({SERVER: "one"})
    await asyncio.Event().wait()


async def measure(link: RedisLink, method: str, calls: int, concurrency: int) -> tuple[float, list[float]]:
    """Calls per second, and each call's milliseconds in order of size."""
    params = jsonrpc.members(jsonrpc.dumps({"name": "echo", "arguments": {"text": "x" * 500}}))
    numbers = itertools.count()
    took: list[float] = []

    async def one() -> None:
        while (number := next(numbers)) < calls:
            began = time.perf_counter()
            await link.call(Call(f"bench-{number}", SERVER, method, params), Silence())
            took.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(concurrency)))
    return calls / (time.perf_counter() - began), sorted(took)


async def benchmark(url: str, prefix: str) -> None:
    """The caller's process: start a worker, call it, print."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.peer", "--redis", url, "--work", prefix
    )
    directory = RedisDirectory(url, MemoryBus(), prefix=prefix)
    link = RedisLink(url, directory, prefix=prefix)
    try:
        await directory.start()
        await link.start()
        async with asyncio.timeout(20):
            while not directory.holders(SERVER):
                await asyncio.sleep(0.05)
        await measure(link, "small", 2000, 8)
        print(f"{'':24}{'calls/s':>10}{'p50 ms':>10}{'p99 ms':>10}")
        for method, calls, concurrency in (("small", 10_000, 1), ("small", 40_000, 32), ("big", 400, 4)):
            rate, took = await measure(link, method, calls, concurrency)
            name = f"{'0.5 kB' if method == 'small' else '1 MB'}, {concurrency} at once"
            print(f"{name:24}{rate:10.0f}{statistics.median(took):10.3f}{took[len(took) * 99 // 100]:10.3f}")
    finally:
        worker.terminate()
        await worker.wait()
        await link.stop()
        await directory.stop()


def run(url: str = "") -> None:
    """Print one line a measurement."""
    url = url or os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"
    uvloop.run(benchmark(url, f"mcphub-bench-{secrets.token_hex(3)}"))


def main() -> None:
    """Read the command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--redis", default="")
    options.add_argument("--work", default="", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.work:
        uvloop.run(work(given.redis, given.work))
    else:
        run(given.redis)


if __name__ == "__main__":
    main()
