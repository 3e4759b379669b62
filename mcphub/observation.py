"""Observation: everything that watches a running hub, in one place: log book and relay, known secrets, metrics, traces.

One a hub, started before it takes up connections and stopped after it let them go. Above: `hub`. Below: the log book,
`metrics`, `tracing`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import redis
from django.conf import settings

from activities.logs import LogRelay, logbook
from mcphub import lines, plane
from mcphub.bus import Bus, LogCleared
from mcphub.gateway.ports import Tracer
from mcphub.gateway.snapshot import Snapshot
from mcphub.gateway.tasks import Tasks
from mcphub.metrics.families import Sample
from mcphub.metrics.sampling import Observed, sample
from mcphub.metrics.sharing import EVERY, Publisher
from mcphub.secrecy import secrecy

if TYPE_CHECKING:
    from mcphub.tracing import CallTracer

logger = logging.getLogger(__name__)


class Observation:
    """See the module. `start` and `stop` run on the hub's loop."""

    def __init__(self, hub: Observed, carriage: Bus) -> None:
        self._hub = hub
        self._bus = carriage
        self._tasks = Tasks("observation")
        self._ending = AsyncExitStack()
        self._tracer = _tracer()

    @property
    def tracer(self) -> Tracer | None:
        """Who is told of calls; None where no traces are exported."""
        return self._tracer

    def learn(self, snapshot: Snapshot) -> None:
        """Take over the secrets that must not show anywhere."""
        secrecy.learn(snapshot)

    async def sample(self) -> Sample:
        """This process's metrics now."""
        return sample(self._hub)

    async def start(self) -> None:
        book = logbook()
        book.attach(asyncio.get_running_loop())
        self._ending.callback(book.detach)
        if settings.LOG_FORMAT == "json":
            book.echo = lines.echo
        self._ending.callback(self._bus.subscribe(LogCleared, lambda fact: book.clear()))
        self._ending.push_async_callback(self._tasks.aclose)
        if settings.REDIS_URL:
            relay = LogRelay(book)
            await relay.start()
            self._ending.push_async_callback(relay.aclose)
            self._tasks.start(self._publish(), "metrics")
        plane.observe(self)
        self._ending.callback(plane.observe, None)

    async def stop(self) -> None:
        await self._ending.aclose()
        if self._tracer is not None:
            # It waits for its thread, which may wait for the network.
            await asyncio.get_running_loop().run_in_executor(None, self._tracer.close)

    async def _publish(self) -> None:
        publisher = Publisher(settings.REDIS_URL)
        try:
            while True:
                try:
                    await publisher.publish(sample(self._hub))
                except (redis.RedisError, OSError) as failure:
                    logger.debug("The metrics of this process could not be left for the others: %s", failure)
                await asyncio.sleep(EVERY)
        finally:
            await publisher.aclose()


def _tracer() -> CallTracer | None:
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return None
    # Imported only where it is wanted: exporter and protocol buffers cost a tenth of a second and 20 MB.
    from mcphub.tracing import CallTracer  # noqa: PLC0415

    return CallTracer()
