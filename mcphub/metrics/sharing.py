"""Samples between processes: each leaves its own in one hash in Redis, any reads them all.

A sample that was not renewed for a minute belongs to a process that is gone, and is removed by whoever reads it.
Above: `observation`, `door`. Below: Redis.
"""

from __future__ import annotations

import logging
import time

import msgspec
import redis
import redis.asyncio

from mcphub.metrics.families import Sample

logger = logging.getLogger(__name__)

#: Seconds between two samples of a process, and after which one is stale.
EVERY = 2.0
LIFETIME = 60.0
_KEY = "mcphub:metrics"
#: Celery's queue under the prefix of `CELERY_BROKER_TRANSPORT_OPTIONS`.
_QUEUE = "mcphub.mcphub"
_TIMEOUT = 2.0

_decoder = msgspec.json.Decoder(Sample)


class Publisher:
    """Leaves this process's samples in Redis."""

    def __init__(self, url: str) -> None:
        self._client = redis.asyncio.Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)

    async def publish(self, sample: Sample) -> None:
        """Replace the sample. Raises `redis.RedisError` where Redis is away."""
        await self._client.hset(_KEY, sample.process, msgspec.json.encode(sample))

    async def aclose(self) -> None:
        """Close the connection."""
        await self._client.aclose()


def gathered(url: str) -> tuple[list[Sample], int | None]:
    """The samples of all processes that live, and how many jobs wait; from a thread."""
    with redis.Redis.from_url(url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT) as client:
        found = client.hgetall(_KEY)
        waiting = client.llen(_QUEUE)
        samples, stale = [], []
        for process, text in found.items():
            sample = _read(text)
            if sample is None or time.time() - sample.at > LIFETIME:
                stale.append(process)
            else:
                samples.append(sample)
        if stale:
            client.hdel(_KEY, *stale)
        return samples, int(waiting)


def _read(text: bytes) -> Sample | None:
    try:
        return _decoder.decode(text)
    except msgspec.MsgspecError:  # of another version of the hub
        return None
