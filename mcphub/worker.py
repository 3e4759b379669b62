"""ConnectionStep: a Celery worker that holds upstream connections, beside the jobs it runs.

The step runs a `Hub` of role `worker` on an event loop of its own, in a thread of its own: neither the consumer nor a
job ever waits for it, and it waits for neither. Where the database or Redis is not there yet, it tries again; the
worker runs jobs meanwhile. Above: `celery`. Below: `hub`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import uvloop
from celery import bootsteps

if TYPE_CHECKING:
    from mcphub.hub import Hub

logger = logging.getLogger(__name__)

#: Celery's pools (by module) whose jobs run in the process that holds the connections. Forked children would not see
#: them, and would keep their sockets and pipes open.
POOLS = ("thread", "solo")
#: Seconds for the connections to close when the worker stops; children are killed by their guardian after that.
GRACE = 20.0
#: Seconds between attempts to start.
PAUSE = 2.0


class ConnectionStep(bootsteps.StartStopStep):
    """See the module. Started before the worker consumes, stopped after it has stopped to."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        pool = parent.pool_cls.__module__.rpartition(".")[2]
        if pool not in POOLS:
            raise SystemExit(f"Start this worker with `-P threads`: the pool {pool!r} cannot hold connections.")
        self._connections: Connections | None = None

    def start(self, parent: Any) -> None:
        self._connections = Connections()
        self._connections.start()

    def stop(self, parent: Any) -> None:
        if self._connections is not None:
            self._connections.stop()

    def terminate(self, parent: Any) -> None:
        self.stop(parent)


class Connections:
    """A hub of role `worker` in a thread. `start` returns at once, `stop` when the connections are closed."""

    def __init__(self) -> None:
        self._thread = threading.Thread(target=lambda: uvloop.run(self._run()), name="mcphub-connections", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._begun = threading.Event()

    def start(self) -> None:
        self._thread.start()
        self._begun.wait()

    def stop(self) -> None:
        assert self._loop is not None
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(GRACE)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun.set()
        # Imported here, not above: Celery loads this module before Django's apps may be imported.
        from mcphub.hub import Hub  # noqa: PLC0415

        hub = Hub(role="worker")
        if await self._start(hub):
            await self._stopping.wait()
            await hub.stop()

    async def _start(self, hub: Hub) -> bool:
        """Start the hub, however often that takes; False where the worker was stopped meanwhile."""
        while not self._stopping.is_set():
            try:
                await hub.start()
                return True
            except Exception:
                logger.exception("The connections could not be taken up; trying again.")
            try:
                async with asyncio.timeout(PAUSE):
                    await self._stopping.wait()
            except TimeoutError:
                pass
        return False
