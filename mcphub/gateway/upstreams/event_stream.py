"""Reading server-sent events: bytes in, events out. Pure.

Above: `streamable`, `sse`. Source: the HTML standard, "Server-sent events".
"""

from __future__ import annotations

from dataclasses import dataclass

from mcphub.gateway.errors import UpstreamProtocolError


@dataclass(slots=True)
class ServerEvent:
    """One event. `id` is None where it carries none (an empty one resets the last id)."""

    name: str
    data: bytes
    id: str | None


class EventReader:
    """Splits a stream into events; remembers the last id and the reconnection time (seconds) the server asked for.

    An event longer than `limit` bytes raises `UpstreamProtocolError`: the stream cannot be used any more.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._name = ""
        self._id: str | None = None
        self._after_return = False
        self._first = True
        self.last_id: str | None = None
        self.retry: float | None = None

    def restart(self) -> None:
        """The stream broke off: half an event is lost, the last id and the reconnection time stay."""
        self._parts, self._data = [], []
        self._size = self._data_size = 0
        self._name, self._id = "", None
        self._after_return, self._first = False, True

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Take the next bytes; the events they complete."""
        if self._first:
            self._first = False
            chunk = chunk.removeprefix(b"\xef\xbb\xbf")
        if b"\r" in chunk or self._after_return:
            chunk = self._normalized(chunk)
        *lines, rest = chunk.split(b"\n")
        events: list[ServerEvent] = []
        for line in lines:
            if self._parts:
                self._parts.append(line)
                line = b"".join(self._parts)
                self._parts = []
                self._size = 0
            self._take(line, events)
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
            if self._size + self._data_size > self._limit:
                self._refuse()
        return events

    def _normalized(self, chunk: bytes) -> bytes:
        if self._after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take(self, line: bytes, events: list[ServerEvent]) -> None:
        if not line:
            self._dispatch(events)
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._data_size += len(value)
            if self._data_size > self._limit:
                self._refuse()
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        elif field == b"retry" and value.isdigit():
            self.retry = int(value) / 1000

    def _dispatch(self, events: list[ServerEvent]) -> None:
        if self._id is not None:
            self.last_id = self._id or None
        if self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            # An empty one only carries an id ("priming"): nothing to read in it.
            if data:
                events.append(ServerEvent(self._name or "message", data, self._id))
        self._data = []
        self._data_size = 0
        self._name = ""
        self._id = None

    def _refuse(self) -> None:
        raise UpstreamProtocolError(
            f"An event is longer than the limit of {self._limit} bytes (options.maxBufferSize)."
        )
