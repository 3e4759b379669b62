"""The one place where background tasks are made: `TaskGroup`-like ownership without losing failures.

A bare `asyncio.create_task` is banned elsewhere (see pyproject.toml): its task can be garbage-collected while it
runs, and its exception is noticed only at exit. `Tasks` holds what it started, reports failures at once and cancels
the rest in `aclose()`.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Coroutine
from typing import Any

from mcphub.context import call_id

logger = logging.getLogger(__name__)


class Tasks:
    """Owns background tasks: `start(coroutine)` runs one, `aclose()` cancels and awaits all that are left."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, coroutine: Coroutine[Any, Any, Any], name: str | None = None) -> asyncio.Task[Any]:
        """Run `coroutine` until it ends or this owner closes. A failure is logged with its traceback."""
        # What outlives a call must not go on in its name.
        context = None
        if call_id.get():
            context = contextvars.copy_context()
            context.run(call_id.set, "")
        task = asyncio.get_running_loop().create_task(
            coroutine, name=f"{self.name}:{name or getattr(coroutine, '__qualname__', 'task')}", context=context
        )
        self._running.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            logger.error("Background task %s failed.", task.get_name(), exc_info=failure)

    async def aclose(self) -> None:
        """Cancel what still runs, and wait until all of it has ended."""
        current = asyncio.current_task()
        while pending := [task for task in self._running if task is not current]:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
