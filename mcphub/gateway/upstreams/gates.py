"""Two bounds: how many calls are in flight at one upstream, and how many upstreams start at the same time.

Above: `keeper`, `supervisor`. Below: asyncio.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcphub.gateway.errors import UpstreamBusy, UpstreamTimeout
from mcphub.gateway.snapshot import CallOptions


class InFlight:
    """Counts the calls of one upstream; beyond the limit they queue for a while, beyond the queue they are refused."""

    __slots__ = ("_waiting", "busy")

    def __init__(self) -> None:
        self.busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def queued(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    async def wait(self, options: CallOptions) -> None:
        """Take a place that is not free yet. (Where one is free the caller just counts itself into `busy`.)

        Raises:
            UpstreamBusy: the queue is full.
            UpstreamTimeout: no place became free in time.
        """
        if len(self._waiting) >= options.max_queued:
            raise UpstreamBusy(data={"inFlight": self.busy, "queued": len(self._waiting)})
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(options.timeout):
                await place
        except BaseException as ended:
            if place.done() and not place.cancelled():
                # The place was given just as its owner left.
                self.leave()
            elif place in self._waiting:
                self._waiting.remove(place)
            if isinstance(ended, TimeoutError):
                raise UpstreamTimeout("All calls that the MCP server may have in flight stayed busy.") from None
            raise

    def leave(self) -> None:
        """Give the place to whoever waits longest, or free it."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.busy -= 1


class Starts:
    """Admits `limit` starts at a time, first come, first served; 0 for no limit.

    A slow start (npx downloading, a server that hangs until INIT_TIMEOUT) gives its slot back after `patience`
    seconds and goes on outside, so that it delays the others by that much at most: what the bound protects, the
    CPU while programs load, is over by then.
    """

    def __init__(self, limit: int, patience: float = 3.0) -> None:
        self._slots = asyncio.Semaphore(limit) if limit else None
        self._patience = patience

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot within the block, for `patience` seconds at most."""
        if self._slots is None:
            yield
            return
        await self._slots.acquire()
        held = True

        def release() -> None:
            nonlocal held
            if held and self._slots is not None:
                held = False
                self._slots.release()

        early = asyncio.get_running_loop().call_later(self._patience, release)
        try:
            yield
        finally:
            early.cancel()
            release()
