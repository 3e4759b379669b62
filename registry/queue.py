"""Asking for a job once the present transaction is committed, by its name: actions do not import tasks.

Above: `actions`. Below: Celery's current app, which every process of the hub has (`mcphub.celery`).
"""

from __future__ import annotations

import functools
import logging
from typing import Any

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)


def later(task: str, **arguments: Any) -> None:
    """Queue a job on commit. A broker that is away must not undo what was just stored; beat repairs it."""
    transaction.on_commit(functools.partial(_send, task, arguments))


def now(task: str, **arguments: Any) -> str:
    """Queue a job at once; returns its id. Raises kombu's OperationalError where the broker is away."""
    return str(current_app.send_task(task, kwargs=arguments).id)


def _send(task: str, arguments: dict[str, Any]) -> None:
    try:
        now(task, **arguments)
    except (OperationalError, OSError) as failure:
        logger.warning("The job %s could not be queued: %s", task, failure)
