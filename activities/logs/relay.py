"""LogRelay: the lines of every process to every process, through the Channels layer, in bounded batches.

Runs beside the hub where Redis connects several processes. Lines that cannot be sent (Redis away, too many) are left
out and told of; nothing waits for them. A process that starts asks the others for their newest lines, so that a reader
who comes back to it misses nothing. Above: `hub`. Below: `book`, Channels.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import msgspec
from channels.layers import get_channel_layer

from activities.logs.book import LogBook
from activities.logs.entries import Entry
from mcphub.gateway.ports import LogLine
from mcphub.gateway.tasks import Tasks

GROUP = "mcphub.logs"
#: Most lines of one message, and of an answer to a process that has just started.
BATCH = 500
RECALL = 1000
_PAUSE = 2.0

_lines = msgspec.json.Decoder(list[Entry])


class LogRelay:
    """See the module. `start` and `aclose` run on the hub's loop."""

    def __init__(self, book: LogBook) -> None:
        self._book = book
        self._layer: Any = get_channel_layer()
        self._tasks = Tasks("log relay")
        self._position = book.position
        self._new = asyncio.Event()

    async def start(self) -> None:
        """Begin to send and to hear, and ask the others for what they have."""
        self._book.on_pulse.append(self._new.set)
        self._tasks.start(self._hear(), "hear")
        self._tasks.start(self._send_new(), "send")

    async def aclose(self) -> None:
        """End."""
        self._book.on_pulse.remove(self._new.set)
        await self._tasks.aclose()

    # -- sending

    async def _send_new(self) -> None:
        while True:
            await self._new.wait()
            self._new.clear()
            news = self._book.since(self._position, self._is_own, self._book.capacity)
            entries = [kept.entry for kept in news.lines]
            self._position = news.position
            left_out = max(0, len(entries) - BATCH)
            try:
                await self._send_lines(entries[left_out:])
            except Exception:
                # Redis is away. The lines are still in this process's book; the others hear of the gap later.
                left_out = len(entries)
                await asyncio.sleep(_PAUSE)
            if left_out:
                said = f"{left_out} lines of this process did not reach the others."
                self._book.write(LogLine(time.time(), "warning", "hub", said))

    def _is_own(self, entry: Entry) -> bool:
        return entry.origin == self._book.origin

    async def _send_lines(self, entries: list[Entry]) -> None:
        if entries:
            await self._send({"type": "lines", "lines": msgspec.json.encode(entries)})

    async def _send(self, message: dict[str, Any]) -> None:
        await self._layer.group_send(GROUP, {**message, "from": self._book.origin})

    # -- hearing

    async def _hear(self) -> None:
        while True:
            with contextlib.suppress(Exception):  # Redis is away: the layer comes back with it
                channel = await self._layer.new_channel()
                await self._layer.group_add(GROUP, channel)
                await self._send({"type": "recall"})
                while True:
                    await self._take(await self._layer.receive(channel))
            await asyncio.sleep(_PAUSE)

    async def _take(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if message.get("from") == self._book.origin:
            return
        if kind == "lines":
            self._book.accept(_lines.decode(message["lines"]))
        elif kind == "recall":
            own = [entry for entry in self._book.lines() if self._is_own(entry)][-RECALL:]
            for start in range(0, len(own), BATCH):
                await self._send_lines(own[start : start + BATCH])
