"""Lines over non-blocking pipes: `LineReader` splits what arrives, `PipeWriter` sends a tick's messages in one write.

Above: `stdio`. Below: the event loop's readers and writers, on bare descriptors: a transport and a stream per pipe cost
more than the whole rest of a call.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

#: A pipe holds this much, so one read takes all there is.
_CHUNK = 64 * 1024


class LineReader:
    """Calls `on_line(bytes)` for each line and `on_end()` once, at end of file or on an error.

    A line longer than `limit` bytes is dropped up to its end, and `on_oversize(head, tail)` is told its first and its
    last bytes (at most 256 each), which often tell whose it was.
    """

    def __init__(
        self,
        descriptor: int,
        limit: int,
        on_line: Callable[[bytes], None],
        on_oversize: Callable[[bytes, bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        self._descriptor = descriptor
        self._limit = limit
        self._on_line = on_line
        self._on_oversize = on_oversize
        self._on_end = on_end
        self._parts: list[bytes] = []
        self._size = 0
        self._dropping = False
        self._closed = False
        self._resting: asyncio.TimerHandle | None = None
        asyncio.get_running_loop().add_reader(descriptor, self._readable)

    def close(self) -> None:
        """Stop reading and close the descriptor; `on_end` is not called any more."""
        if not self._closed:
            self._closed = True
            if self._resting is not None:
                self._resting.cancel()
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._parts.clear()

    def rest(self, seconds: float) -> None:
        """Read nothing for a while; who writes more than fits the pipe has to wait."""
        if not self._closed and self._resting is None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._descriptor)
            self._resting = loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._resting = None
        asyncio.get_running_loop().add_reader(self._descriptor, self._readable)

    def _readable(self) -> None:
        try:
            chunk = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self._on_end()
            return
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0 and not self._closed:
            if self._parts or self._dropping:
                self._finish(chunk[start:end])
            elif end > start:
                self._on_line(chunk[start:end])
            start = end + 1
        if start < len(chunk):
            self._keep(chunk[start:] if start else chunk)

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        self._parts.append(part)
        if self._size > self._limit:
            # Only the ends are of use now.
            whole = b"".join(self._parts)
            self._dropping = True
            self._parts = [whole[:256], whole[-256:]]

    def _finish(self, part: bytes) -> None:
        self._keep(part)
        parts, self._parts = self._parts, []
        dropping, self._dropping, self._size = self._dropping, False, 0
        if dropping:
            self._on_oversize(parts[0], b"".join(parts)[-256:])
        else:
            self._on_line(b"".join(parts))


class PipeWriter:
    """Writes bytes without blocking; everything of one loop tick goes out in one system call."""

    def __init__(self, descriptor: int, on_broken: Callable[[OSError], None]) -> None:
        self._descriptor = descriptor
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._pending: list[bytes] = []
        self._rest: memoryview | None = None
        self._scheduled = False
        self._closed = False

    def write(self, data: bytes) -> None:
        """Send `data` at the end of this tick. Never blocks, never fails: `on_broken` tells of a broken pipe."""
        self._pending.append(data)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if self._closed or self._rest is not None:
            return
        data = self._pending[0] if len(self._pending) == 1 else b"".join(self._pending)
        self._pending.clear()
        self._send(memoryview(data))

    def _send(self, data: memoryview) -> None:
        try:
            sent = os.write(self._descriptor, data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._loop.remove_writer(self._descriptor)
            self._on_broken(error)
            return
        if sent == len(data):
            if self._rest is not None:
                self._rest = None
                self._loop.remove_writer(self._descriptor)
            if self._pending and not self._scheduled:
                self._scheduled = True
                self._loop.call_soon(self._flush)
            return
        if self._rest is None:
            self._loop.add_writer(self._descriptor, self._writable)
        self._rest = data[sent:]

    def _writable(self) -> None:
        if self._rest is not None:
            self._send(self._rest)

    def close(self) -> None:
        """Close the descriptor; what could not be written yet is lost."""
        if not self._closed:
            self._closed = True
            self._loop.remove_writer(self._descriptor)
            os.close(self._descriptor)
            self._pending.clear()
            self._rest = None
