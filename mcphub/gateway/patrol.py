"""Patrol: notices callers that go away while their call runs, and the calls that clients cancel.

Most calls end within milliseconds; a task per call to watch its connection would cost more than the call. So calls
are only noted, and one timer looks every `EVERY` seconds for those old enough to be worth a watcher. Above: the
endpoints. Below: `tasks`.
"""

from __future__ import annotations

import asyncio

from mcphub.gateway.http import Receive
from mcphub.gateway.tasks import Tasks

#: How long a call runs unwatched at most, in seconds.
EVERY = 0.05


class Watch:
    """One running call. `gone` tells that its cancellation came from here, and `cancelled` that the client said so."""

    __slots__ = ("cancelled", "gone", "receive", "task", "watcher")

    def __init__(self, task: asyncio.Task[object], receive: Receive) -> None:
        self.task = task
        self.receive = receive
        self.watcher: asyncio.Task[None] | None = None
        self.gone = False
        self.cancelled = False

    def abandon(self) -> None:
        """Cancel the call because nobody waits for its answer any more."""
        if not self.gone:
            self.gone = True
            self.task.cancel()

    def cancel(self) -> None:
        """Cancel the call because its client asked for that; it still gets a last word."""
        if not self.cancelled:
            self.cancelled = True
            self.task.cancel()


class Patrol:
    """The running calls of one process."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._young: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, receive: Receive) -> Watch:
        """Note a call that the current task is about to make."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is made outside of a task")
        watch = Watch(task, receive)
        self._young.add(watch)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._round)
        return watch

    def leave(self, watch: Watch) -> None:
        """The call ended."""
        self._young.discard(watch)
        if watch.watcher is not None:
            watch.watcher.cancel()

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _round(self) -> None:
        self._timer = None
        young, self._young = self._young, set()
        for watch in young:
            watch.watcher = self._tasks.start(self._until_gone(watch), "connection watch")

    @staticmethod
    async def _until_gone(watch: Watch) -> None:
        while (await watch.receive())["type"] != "http.disconnect":
            pass
        watch.abandon()
