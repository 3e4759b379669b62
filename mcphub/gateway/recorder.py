"""Recorder: remembers calls, later, in batches. The hot path only appends to a deque.

Two bounds, records and bytes of payloads: when the database is away for long, the newest calls lose first their
payloads and then themselves, counted both. Above: `methods`. Below: `ports.CallSink`, implemented by the application.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence

import msgspec

from mcphub.gateway.calls import CallRecord
from mcphub.gateway.ports import CallSink
from mcphub.gateway.tasks import Tasks

logger = logging.getLogger(__name__)

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
_WARN_EVERY = 30.0
#: Payloads that wait may take this much memory, in bytes.
_MOST_PAYLOADS = 64 * 1024 * 1024
#: What a failing sink may cost when the hub stops, in seconds.
_LAST_WORDS = 5.0


class Recorder:
    """A bounded queue of call records, flushed when a batch is full or `interval` seconds after its first record.

    A failing sink is asked again with growing pauses; meanwhile the queue fills, and what does not fit any more is
    counted in `dropped` (calls) and `stripped` (payloads of calls).
    """

    def __init__(self, sink: CallSink, *, capacity: int = 50_000, batch: int = 2_000, interval: float = 0.5) -> None:
        self._sink = sink
        self._capacity = capacity
        self._batch = batch
        self._interval = interval
        self._queue: deque[CallRecord] = deque()
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._tasks = Tasks("recorder")
        self._warned = 0.0
        self._payload_bytes = 0
        #: records lost to overflow since the start
        self.dropped = 0
        #: records that lost their payloads to overflow since the start
        self.stripped = 0
        #: records stored since the start
        self.stored = 0

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, record: CallRecord) -> None:
        """Take one record. Never blocks, never fails."""
        waiting = len(self._queue)
        if waiting >= self._capacity:
            self._drop()
            return
        if record.output is not None or record.input is not None:
            record = self._weighed(record)
        self._queue.append(record)
        if not waiting:
            self._wake.set()
        elif waiting + 1 == self._batch:
            self._full.set()

    def _weighed(self, record: CallRecord) -> CallRecord:
        weight = _weight(record)
        if self._payload_bytes + weight > _MOST_PAYLOADS:
            self.stripped += 1
            return msgspec.structs.replace(record, input=None, output=None)
        self._payload_bytes += weight
        return record

    def _drop(self) -> None:
        self.dropped += 1
        now = time.monotonic()
        if now - self._warned > _WARN_EVERY:
            self._warned = now
            logger.warning("Call records do not fit the queue; %d were dropped so far.", self.dropped)

    async def start(self) -> None:
        """Begin to flush."""
        self._tasks.start(self._run())

    async def aclose(self) -> None:
        """Flush what is left, for a few seconds at most, and end."""
        await self._tasks.aclose()
        try:
            async with asyncio.timeout(_LAST_WORDS):
                while self._queue:
                    await self._store()
        except Exception:
            self.dropped += len(self._queue)
            logger.exception("%d call records could not be stored at the end.", len(self._queue))

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            await self._wake.wait()
            if len(self._queue) < self._batch:
                await self._gather()
            try:
                await self._store()
                pause = _FIRST_PAUSE
            except Exception as failure:
                logger.warning("Call records could not be stored (%s); trying again in %.1f s.", failure, pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            if not self._queue:
                self._wake.clear()

    async def _gather(self) -> None:
        self._full.clear()
        try:
            async with asyncio.timeout(self._interval):
                await self._full.wait()
        except TimeoutError:
            pass

    async def _store(self) -> None:
        # Records leave the queue only when they are stored: a failure keeps them, in order.
        batch = [self._queue[index] for index in range(min(self._batch, len(self._queue)))]
        await self._sink.store(batch)
        self.stored += len(batch)
        self._forget(batch)

    def _forget(self, batch: Sequence[CallRecord]) -> None:
        for record in batch:
            self._queue.popleft()
            self._payload_bytes -= _weight(record)


def _weight(record: CallRecord) -> int:
    return len(record.input or b"") + len(record.output or b"")
