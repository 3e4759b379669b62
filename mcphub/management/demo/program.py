"""One program that plays the demo's servers: one of them over stdio, or all remote ones over HTTP on a loopback port.

    program.py <catalogue.json> <name> [--crash WHY | --silent] [--http PORT]

Standard library alone, started isolated as any child of the hub. The catalogue is written by `manage.py demo`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
_LINES = (
    "cache: 118 of 131 looked up without asking the service",
    "connection pool: 4 of 10 in use",
    "refreshed the access token, valid for 3600 s",
    "warning: the service answered slowly (1.8 s)",
    "indexed 240 documents in 0.9 s",
    "debug: keep-alive sent",
    "error: the service closed the connection; trying again",
)


def _initialize(name: str, params: dict[str, Any]) -> dict[str, Any]:
    asked = params.get("protocolVersion")
    return {
        "protocolVersion": asked if asked in _VERSIONS else _VERSIONS[0],
        "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
        "serverInfo": {"name": name, "version": f"1.{len(name) % 7}.{len(name) % 5}"},
    }


def _call(params: dict[str, Any]) -> dict[str, Any]:
    found = {"tool": params.get("name"), "arguments": params.get("arguments") or {}, "items": random.randint(1, 20)}  # noqa: S311
    return {"content": [{"type": "text", "text": json.dumps(found)}], "structuredContent": found}


def answer(catalogue: dict[str, Any], name: str, message: dict[str, Any]) -> dict[str, Any] | None:
    """The answer to one message; None where none is due."""
    if "id" not in message or "method" not in message:
        return None
    params = message.get("params") or {}
    offered = catalogue[name]
    results: dict[str, Callable[[], dict[str, Any]]] = {
        "initialize": lambda: _initialize(name, params),
        "ping": dict,
        "tools/list": lambda: {"tools": offered["tools"]},
        "tools/call": lambda: _call(params),
        "prompts/list": lambda: {"prompts": offered["prompts"]},
        "prompts/get": lambda: {"messages": [{"role": "user", "content": {"type": "text", "text": offered["about"]}}]},
        "resources/list": lambda: {"resources": offered["resources"]},
        "resources/templates/list": lambda: {"resourceTemplates": []},
        "resources/read": lambda: {"contents": [{"uri": params.get("uri"), "text": offered["about"]}]},
    }
    told: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
    made = results.get(message["method"])
    if made is None:
        return told | {"error": {"code": -32601, "message": f"There is no method {message['method']}."}}
    return told | {"result": made()}


class Remote(BaseHTTPRequestHandler):
    """All remote servers by their names; those that refuse answer 401."""

    catalogue: dict[str, Any]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """One message."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = self.path.strip("/")
        if name not in self.catalogue:
            return self._send(404, b"")
        if self.catalogue[name]["refuses"]:
            return self._send(401, b"")
        message = json.loads(body)
        told = answer(self.catalogue, name, message) if isinstance(message, dict) else None
        return self._send(202, b"") if told is None else self._send(200, json.dumps(told).encode())

    def do_GET(self) -> None:
        """No stream of its own."""
        self._send(405 if self.path.strip("/") in self.catalogue else 404, b"")

    do_DELETE = do_GET  # noqa: N815

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer error="invalid_token"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the hub tells of calls already."""


def _serve(catalogue: dict[str, Any], port: int) -> None:
    handler = type("Handler", (Remote,), {"catalogue": catalogue})
    # A second program on the same port leaves it to the first.
    with contextlib.suppress(OSError):
        server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()


def _chatter(seed: str) -> None:
    """Write a line now and then, so that there is something to read in the log."""
    chance = random.Random(seed)  # noqa: S311
    while True:
        time.sleep(chance.uniform(4, 30))
        sys.stderr.write(chance.choice(_LINES) + "\n")
        sys.stderr.flush()


def main() -> None:
    """Answer line by line until the hub closes our input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("name")
    parser.add_argument("--crash", default="")
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--http", type=int)
    asked = parser.parse_args()
    if asked.crash:
        sys.exit(asked.crash)
    catalogue = json.loads(asked.catalogue.read_text())
    if asked.http:
        _serve(catalogue, asked.http)
    threading.Thread(target=_chatter, args=(asked.name,), daemon=True).start()
    for line in sys.stdin:
        told = None if asked.silent else answer(catalogue, asked.name, json.loads(line))
        if told is not None:
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
