"""Calls and lists a second through one hub process, and called directly, in the same run.

Upstreams are the raw fixtures; a bearer key is checked and every call recorded. One load thread beside the hub.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmarks.harness import Load, wrk
from tests.tools.hub import META, TestHub, hub, stdio, streamable
from tests.tools.processes import http_fixture

ECHO = {"arguments": {"text": "x" * 180}}


def body(method: str, params: Mapping[str, Any]) -> bytes:
    """One request of the stateless revision."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}).encode()


def call(target: TestHub, server: str, connections: int, tool: str = "echo", extra: Any = None) -> Load:
    """Load on one tool through the hub."""
    name = f"{server}-{tool}"
    request = body("tools/call", {"name": name, **(extra or ECHO)})
    return wrk(f"{target.url}/mcp", request, target.headers("tools/call", name), connections=connections)


def listing(target: TestHub, server: str, connections: int) -> Load:
    """Load on one server's list."""
    url = f"{target.url}/mcp/{server}"
    return wrk(url, body("tools/list", {}), target.headers("tools/list"), connections=connections)


def direct(url: str, connections: int) -> Load:
    """Load on the HTTP fixture itself, without a hub."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "echo",
    }
    return wrk(url, body("tools/call", {"name": "echo", **ECHO}), headers, connections=connections)


def run() -> None:
    """Print one line a measurement."""
    with http_fixture("raw_http") as upstream:
        servers = {
            "raw": stdio(),
            "http": streamable(upstream),
            "wide": stdio("--tools", "500"),
        }
        with hub(servers) as target:
            for connections in (1, 32):
                print(f"direct, HTTP fixture   c={connections:<3}", direct(upstream, connections))
                print(f"stdio through the hub  c={connections:<3}", call(target, "raw", connections))
                print(f"HTTP through the hub   c={connections:<3}", call(target, "http", connections))
            print("tools/list of 500      c=32 ", listing(target, "wide", 32))
            before = target.memory()
            big = call(target, "raw", 1, "big", {"arguments": {"bytes": 1_000_000}})
            print("1 MB results, stdio    c=1  ", big, f"  memory +{(target.memory() - before) / 1e6:.1f} MB")


if __name__ == "__main__":
    run()
