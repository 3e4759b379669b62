"""What the hub changes about its web server: the head and the body of an answer leave in one system call.

uvicorn writes them one after the other, and uvloop passes each write on at once. For a small answer the second write,
and the second packet that wakes the client, cost a tenth of the whole call (docs/performance.md). Above: `runhub`.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Corked:
    """A transport whose writes are passed on together at the end of the loop's present turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Keep what is written until the turn ends."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        """Close when everything is written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            parts, self._parts = self._parts, []
            self._transport.writelines(parts)


class CorkedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol on corked transports."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, Corked(transport, self.loop))
