"""Calls a second through one web process, Redis and one worker: the same load as `speed`, scaled out.

Needs PostgreSQL and the program redis-server; both get a database of their own.
"""

from __future__ import annotations

from benchmarks.speed import call
from tests.tools.cluster import cluster
from tests.tools.hub import stdio, streamable
from tests.tools.processes import http_fixture, until


def run() -> None:
    """Print one line a measurement."""
    with http_fixture("raw_http") as upstream, cluster({"raw": stdio(), "http": streamable(upstream)}) as found:
        found.worker()
        target = found.web()
        until(target.is_healthy, 60, "a healthy hub")
        until(lambda: {"raw-echo", "http-echo"} <= set(target.tools()), 60, "the tools of both servers")
        for connections in (1, 32):
            print(f"stdio through Redis    c={connections:<3}", call(target, "raw", connections))
            print(f"HTTP through Redis     c={connections:<3}", call(target, "http", connections))
        print("1 MB results, stdio    c=1  ", call(target, "raw", 1, "big", {"arguments": {"bytes": 1_000_000}}))


if __name__ == "__main__":
    run()
