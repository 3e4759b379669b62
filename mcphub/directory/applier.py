"""Applier: brings "these servers are mine" to whoever connects them, one change at a time, always the newest.

Above: `directory.memory`, `directory.redis`. Below: nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

#: Seconds before a change that could not be applied is tried again.
PAUSE = 1.0


class Applier:
    """Awaits `apply(mine)` after `changed(mine)`; tells `applied(mine)` when it returned.

    Changes that come while one is being applied are applied as one.
    """

    def __init__(self, applied: Callable[[frozenset[str]], None] = lambda mine: None) -> None:
        self.apply: Callable[[frozenset[str]], Awaitable[None]] | None = None
        self._applied = applied
        self._newest: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        # The carriages are below `gateway.tasks`; this task is held here and its end is awaited in `aclose`.
        self._task = asyncio.get_running_loop().create_task(self._run(), name="directory:apply")

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def changed(self, mine: frozenset[str]) -> None:
        """These are mine from now on."""
        self._newest = mine
        self._changed.set()

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            mine = self._newest
            try:
                if self.apply is not None:
                    await self.apply(mine)
            except Exception:
                logger.exception("Connections could not be brought in line; trying again.")
                self._changed.set()
                await asyncio.sleep(PAUSE)
            else:
                self._applied(mine)
