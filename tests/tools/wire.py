"""MCP by hand, for tests that have to see the bytes: messages of both eras, over a child's pipes and over HTTP."""

from __future__ import annotations

import itertools
import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]

MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
NAMED_BY = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}

_IDS = itertools.count(1)


def request(method: str, params: Json | None = None, request_id: Any = None) -> Json:
    """A request of the session revisions."""
    message: Json = {"jsonrpc": "2.0", "id": next(_IDS) if request_id is None else request_id, "method": method}
    return message if params is None else {**message, "params": params}


def modern(method: str, params: Json | None = None, request_id: Any = None, **meta: Any) -> Json:
    """A request of the stateless revision; `meta` joins its envelope."""
    envelope = {
        META + "protocolVersion": MODERN,
        META + "clientCapabilities": {},
        META + "clientInfo": {"name": "test", "version": "1"},
        **meta,
    }
    return request(method, {**(params or {}), "_meta": envelope}, request_id)


def modern_headers(message: Json) -> dict[str, str]:
    """The headers the stateless revision wants beside a message."""
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": message["method"]}
    key = NAMED_BY.get(message["method"])
    return {**headers, "Mcp-Name": message["params"][key]} if key else headers


def call(tool: str, arguments: Json | None = None, **more: Any) -> Json:
    """The params of a tools/call."""
    return {"name": tool, "arguments": arguments or {}, **more}


def initialize(version: str = "2025-11-25") -> Json:
    """The first request of a session."""
    who = {"name": "test", "version": "1"}
    return request("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": who})


def first_text(answer: Json) -> str:
    """The text of the first content block of a tool's answer."""
    text: str = answer["result"]["content"][0]["text"]
    return text


class Silence(AssertionError):
    """Nothing came in the time allowed."""


class Pipes:
    """A child's stdin and stdout, line by line."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, stderr: int = subprocess.DEVNULL
    ) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._input, self._output = self.process.stdin, self.process.stdout
        self._buffer = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)

    def send(self, *messages: Json) -> None:
        """Write messages at once."""
        self._input.write("".join(json.dumps(message) + "\n" for message in messages).encode())
        self._input.flush()

    def line(self, seconds: float = 10) -> bytes:
        """The next line; empty at the end of the stream."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                raise Silence(f"no line within {seconds} s; so far: {self._buffer[:200]!r}")
            piece = os.read(self._output.fileno(), 1 << 20)
            if not piece:
                return b""
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def receive(self, seconds: float = 10) -> Json:
        """The next message."""
        message: Json = json.loads(self.line(seconds))
        return message

    def ask(self, message: Json, seconds: float = 10) -> Json:
        """Send a request and return its answer, whatever else comes before it."""
        self.send(message)
        while (answer := self.receive(seconds)).get("id") != message["id"]:
            pass
        return answer

    def close_input(self) -> None:
        """End the child's stdin."""
        self._input.close()

    def end(self) -> None:
        """Kill the child's group."""
        self._selector.close()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self._output.close()
        if self.process.stderr is not None:
            self.process.stderr.close()
        try:
            self._input.close()
        except BrokenPipeError:
            pass


@contextmanager
def pipes(
    command: Sequence[str], env: Mapping[str, str] | None = None, stderr: int = subprocess.DEVNULL
) -> Iterator[Pipes]:
    """A child to talk to, gone with its group when the block ends."""
    child = Pipes(command, env, stderr)
    try:
        yield child
    finally:
        child.end()


@dataclass
class Reply:
    """An HTTP answer; `messages` are its JSON-RPC messages, from a JSON body or from an event stream."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def messages(self) -> list[Json]:
        """Every message, in order."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            lines = self.body.decode().splitlines()
            return [json.loads(line[5:]) for line in lines if line.startswith("data:") and line[5:].strip()]
        return [json.loads(self.body)] if self.body else []

    @property
    def answer(self) -> Json:
        """The last message, which is the response."""
        return self.messages[-1]


def _read_all(response: HTTPResponse, deadline: float) -> bytes:
    """The whole body by a deadline: a stream of comments never lets a socket's own timeout pass."""
    pieces = []
    while piece := response.read1(1 << 20):
        pieces.append(piece)
        if time.monotonic() > deadline:
            raise TimeoutError("the answer does not end")
    return b"".join(pieces)


def http(
    url: str, body: Json | bytes | None = None, *, method: str = "POST", seconds: float = 10, **headers: str
) -> Reply:
    """One HTTP request on a connection of its own. Header names are written with underscores."""
    parts = urlsplit(url)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    given = {"Accept": "application/json, text/event-stream"}
    if data is not None:
        given["Content-Type"] = "application/json"
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
    try:
        connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, data, given)
        response = connection.getresponse()
        body_read = _read_all(response, time.monotonic() + seconds)
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, body_read)
    finally:
        connection.close()


def post_modern(url: str, message: Json, seconds: float = 10, **headers: str) -> Reply:
    """POST a message of the stateless revision with the headers it needs."""
    wanted = {name.replace("-", "_"): value for name, value in modern_headers(message).items()}
    return http(url, message, seconds=seconds, **(wanted | headers))


# What a client sees of a server that resets, hangs or cuts its answer short.
TRANSPORT_ERRORS = (OSError, HTTPException)
