"""The lines on stdout: for people (LOG_FORMAT=plain) or, as JSON, for machines that collect them. Secrets are masked.

A JSON line has `time`, `level`, `logger`, `message`, `pid`, and where they apply `request`, `call`, `server`, `source`
and `exception`. With JSON the servers' own lines come here as well (logger `mcphub.servers`), so that a collector gets
everything the log book gets. Named by `settings.LOGGING`. Above: settings. Below: structlog, `secrecy`.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import MutableMapping
from typing import Any

import structlog
from redis.exceptions import RedisError

from mcphub.context import call_id, request_id
from mcphub.secrecy import secrecy

_AS_LEVEL = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

#: Seconds between two lines about the same outage.
_REPEAT = 60.0

servers = logging.getLogger("mcphub.servers")


class PlainFormatter(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return secrecy.hide(super().format(record))


class OutageFilter(logging.Filter):
    """Channels tells every second, with a traceback, that Redis cannot be reached: one line a minute is kept."""

    def __init__(self) -> None:
        super().__init__()
        self._told = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        failure = record.exc_info[1] if record.exc_info else None
        if not isinstance(failure, (OSError, RedisError)):
            return True
        now = time.monotonic()
        if now - self._told < _REPEAT:
            return False
        self._told = now
        record.msg, record.args, record.exc_info = "Redis cannot be reached: %s", (failure,), None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def json_formatter() -> logging.Formatter:
    """Lines for machines."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(("server", "source", "call"))],
        processors=[
            _described,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            _masked,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(sort_keys=False),
        ],
    )


def echo(level: str, message: str, **about: str) -> None:
    """Put one line of a server on stdout, where that is wanted (JSON)."""
    servers.log(_AS_LEVEL[level], "%s", message, extra={name: value for name, value in about.items() if value})


def _described(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record: logging.LogRecord = event["_record"]
    if record.exc_info:
        event["exc_info"] = record.exc_info
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")
    stamp(logger, name, event)
    event.update(level=record.levelname.lower(), logger=record.name, pid=os.getpid())
    for key, variable in (("request", request_id), ("call", call_id)):
        if value := variable.get():
            event.setdefault(key, value)
    return event


def _masked(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and not key.startswith("_"):
            event[key] = secrecy.hide(value)
    return event
