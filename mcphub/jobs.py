"""EmbeddedJobs: a Celery worker and beat as threads of the hub process, on the memory broker.

Used by `runhub` where no Redis is configured; scaled out, `celery -A mcphub worker` and `celery -A mcphub beat` are
processes of their own. Above: `runhub`. Below: `celery`.
"""

from __future__ import annotations

import logging
import threading
from types import TracebackType

from celery.beat import Service
from celery.worker import WorkController
from django.conf import settings

from mcphub.celery import app

logger = logging.getLogger(__name__)

#: Seconds to wait for a running job when the hub stops; what takes longer is idempotent and runs again.
GRACE = 5.0


class EmbeddedJobs:
    """A context manager: the threads run inside it. Does nothing where Redis gives real workers the work."""

    def __init__(self) -> None:
        self._worker: WorkController | None = None
        self._beat: Service | None = None
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> EmbeddedJobs:
        if settings.REDIS_URL:
            return self
        self._worker = WorkController(
            app=app,
            pool_cls="threads",
            concurrency=2,
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
            hostname="embedded@mcphub",
        )
        self._beat = Service(app, scheduler_cls=app.conf.beat_scheduler)
        for name, run in (("jobs", self._worker.start), ("beat", self._beat.start)):
            thread = threading.Thread(target=run, name=f"mcphub-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beat is not None:
            self._beat.stop(wait=False)
        if self._worker is not None:
            self._worker.stop()
        for thread in self._threads:
            thread.join(GRACE)
