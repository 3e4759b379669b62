"""A child that writes 20,000 lines a second, 50 readers of the log, one that stopped: what it does to calls and memory.

`python -m benchmarks logs` takes about a minute. Run it on a quiet machine.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.harness import Load, wrk
from tests.tools.hub import META, TestHub, hub
from tests.tools.processes import fixture_command

RATE = 20_000
READERS = 50
SECONDS = 8
CONNECTIONS = 2
_LEAKY = Path(__file__).parents[1] / "tests" / "activities" / "leaky_server.py"


def run() -> None:
    """See the module."""
    command, *arguments = fixture_command("raw_stdio")
    servers = {
        "raw": {"command": command, "args": arguments},
        "noisy": {"command": sys.executable, "args": [str(_LEAKY)]},
    }
    with hub(servers) as running:
        tool = next(name for name in running.tools() if name.startswith("raw") and "echo" in name)
        _load(running, tool)
        quiet, memory = _load(running, tool), running.memory()
        running.call("noisy-flood", {"rate": RATE})
        noisy = _load(running, tool)
        readers = [Reader(running) for _ in range(READERS)]
        stopped = Reader(running, reads=False)
        time.sleep(2)
        before = [reader.events for reader in readers]
        watched = _load(running, tool)
        heard = [reader.events - count for reader, count in zip(readers, before, strict=True)]
        print(f"quiet              {quiet}")
        print(f"{RATE:,} lines/s     {noisy}  ({100 * (noisy.p50 / quiet.p50 - 1):+.0f} %)")
        print(f"and {READERS} readers     {watched}  ({100 * (watched.p50 / quiet.p50 - 1):+.0f} %)")
        print(f"events heard by each reader meanwhile: {min(heard)} to {max(heard)}")
        print(f"memory: {memory / 2**20:.0f} MB before, {running.memory() / 2**20:.0f} MB at the end")
        for reader in (*readers, stopped):
            reader.close()


class Reader:
    """Somebody who follows the log; with `reads` off, only opens it."""

    def __init__(self, running: TestHub, *, reads: bool = True) -> None:
        address = urlsplit(running.url)
        self.events = 0
        self._socket = socket.create_connection((address.hostname, address.port))
        request = (
            f"GET /api/logs/stream HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {running.key}\r\n\r\n"
        )
        self._socket.sendall(request.encode())
        if reads:
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while chunk := self._socket.recv(1 << 16):
            self.events += chunk.count(b"data: ")

    def close(self) -> None:
        """Go away."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _load(running: TestHub, tool: str) -> Load:
    params = {"name": tool, "arguments": {"text": "x" * 200}, "_meta": META}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    headers = running.headers("tools/call", tool)
    return wrk(f"{running.url}/mcp", body, headers, connections=CONNECTIONS, seconds=SECONDS)
