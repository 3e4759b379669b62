"""PatientCache: Django's cache in Redis, and in this process's own memory while Redis is away.

What is cached here may be forgotten: windows of rate limits, answers of slow services. Without Redis each process
counts for itself, which beats refusing everybody. Above: `settings`, by name. Below: Django's caches.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

import redis
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

logger = logging.getLogger(__name__)

#: Seconds for which Redis is not asked again after it did not answer: no request shall wait for it twice.
PAUSE = 2.0


class _Standing:
    """When this process may ask Redis again; shared by the caches of all threads, which Django makes one each."""

    away_until = 0.0


def _patient(name: str) -> Callable[..., Any]:
    """The operation `name`, on Redis where it answers."""
    far, near = getattr(RedisCache, name), getattr(LocMemCache, name)

    @functools.wraps(far)
    def operation(self: PatientCache, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() >= _Standing.away_until:
            try:
                return far(self, *args, **kwargs)
            except redis.RedisError as failure:
                _Standing.away_until = time.monotonic() + PAUSE
                logger.warning("Redis does not answer; the cache is this process's own for now: %s", failure)
        return near(self.near, *args, **kwargs)

    return operation


class PatientCache(RedisCache):
    """See the module."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        # Options are for connections to Redis; the prefix is harmless.
        self.near = LocMemCache("near", {**params, "OPTIONS": {"MAX_ENTRIES": 50_000}})

    add = _patient("add")
    get = _patient("get")
    set = _patient("set")
    touch = _patient("touch")
    delete = _patient("delete")
    get_many = _patient("get_many")
    has_key = _patient("has_key")
    incr = _patient("incr")
    set_many = _patient("set_many")
    delete_many = _patient("delete_many")
    clear = _patient("clear")
