"""The little HTTP the gateway needs on bare ASGI: headers, bodies, plain replies, and event streams.

No MCP in here. Above: `admission`, the endpoints. Below: nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from mcphub.errors import InvalidInput, TooLarge
from mcphub.gateway.tasks import Tasks

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
#: Lower-case names and trimmed values; repeated headers keep the last value (`repeated` finds them).
Headers = dict[bytes, bytes]
HeaderLines = Iterable[tuple[bytes, bytes]]

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
#: A comment line this often keeps proxies from closing a quiet stream, in seconds.
HEARTBEAT = 15.0
#: A client that takes nothing for this long is gone, in seconds.
STALLED = 60.0
#: What may wait for a slow reader, in bytes and in events.
BACKLOG_BYTES = 16 * 1024 * 1024
BACKLOG_EVENTS = 4096

_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


class ClientGone(Exception):
    """The client closed the connection; there is nobody to answer."""


def headers_of(scope: Scope) -> Headers:
    """The request's headers. Values are trimmed: some servers leave trailing blanks on them."""
    return {name: value.strip(b" \t") for name, value in scope["headers"]}


def repeated(scope: Scope, headers: Headers, prefix: bytes) -> bytes | None:
    """The first header with this prefix that the request carries twice, if any."""
    if len(headers) == len(scope["headers"]):
        return None
    seen: set[bytes] = set()
    for name, _ in scope["headers"]:
        if name.startswith(prefix):
            if name in seen:
                return bytes(name)
            seen.add(name)
    return None


async def read_body(scope_headers: Headers, receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises:
        TooLarge: it has more than `limit` bytes; refused as soon as that is known.
        ClientGone: the client went away while sending.
    """
    announced = scope_headers.get(b"content-length")
    if announced is not None:
        if not announced.isdigit():
            raise InvalidInput("The Content-Length header is not a number.")
        if int(announced) > limit:
            raise TooLarge()
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise TooLarge()
        return body
    chunks, size = [body], len(body)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone()
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise TooLarge()
    return b"".join(chunks)


async def reply(
    send: Send, status: int, body: bytes = b"", content_type: bytes = JSON, headers: HeaderLines = ()
) -> None:
    """Send a whole response."""
    lines = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def event(payload: bytes, name: bytes = b"message") -> bytes:
    """One server-sent event. JSON may hold line breaks between its tokens; in a stream they would end the event."""
    if b"\n" in payload or b"\r" in payload:
        payload = payload.replace(b"\r", b" ").replace(b"\n", b" ")
    return b"event: " + name + b"\ndata: " + payload + b"\n\n"


class EventStream:
    """An SSE response: `push` never blocks, a writer sends, and a reader that is too slow loses the stream.

    `overflowed` is called when the client takes nothing any more: the backlog is full, or a write stalls.
    """

    __slots__ = ("_backlog", "_beat", "_closed", "_headers", "_overflowed", "_send", "_size", "_started", "_wake")

    def __init__(self, send: Send, headers: HeaderLines = (), overflowed: Callable[[], object] | None = None) -> None:
        self._send = send
        self._headers = headers
        self._overflowed = overflowed
        self._backlog: deque[bytes] = deque()
        self._size = 0
        self._wake = asyncio.Event()
        self._closed = False
        self._started = False
        self._beat: asyncio.TimerHandle | None = None

    @property
    def closed(self) -> bool:
        return self._closed

    def push(self, frame: bytes) -> None:
        """Queue encoded bytes of the stream. After `close` or an overflow they are dropped."""
        if self._closed:
            return
        if (self._size + len(frame) > BACKLOG_BYTES and self._backlog) or len(self._backlog) >= BACKLOG_EVENTS:
            self._backlog.clear()
            self.close()
            if self._overflowed is not None:
                self._overflowed()
            return
        self._backlog.append(frame)
        self._size += len(frame)
        self._wake.set()

    def close(self) -> None:
        """End the stream after what is queued."""
        self._closed = True
        self._wake.set()

    async def write(self) -> None:
        """Send until closed. Returns early, the response left incomplete, when the client takes nothing any more."""
        loop = asyncio.get_running_loop()
        await self._send({"type": "http.response.start", "status": 200, "headers": [*_STREAM_HEADERS, *self._headers]})
        try:
            # Some servers hold the response head back until there is a first byte of the body.
            await self._emit(b": open\n\n")
            self._schedule_beat(loop)
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._backlog:
                    chunk = b"".join(self._backlog)
                    self._backlog.clear()
                    self._size = 0
                    await self._emit(chunk)
                if self._closed:
                    break
            await self._send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            if self._overflowed is not None:
                self._overflowed()
        finally:
            self._closed = True
            if self._beat is not None:
                self._beat.cancel()

    async def _emit(self, chunk: bytes) -> None:
        async with asyncio.timeout(STALLED):
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    def _schedule_beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._beat = loop.call_later(HEARTBEAT, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._closed:
            if not self._backlog:
                self.push(b": keep-alive\n\n")
            self._schedule_beat(loop)

    async def serve(self, receive: Receive, tasks: Tasks) -> None:
        """Write until closed or until the client leaves."""
        watch = tasks.start(self._until_gone(receive), "stream watch")
        try:
            await self.write()
        finally:
            watch.cancel()

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.close()
