"""Redis for the tests of many processes: this machine's under a prefix of its own, or a private one to kill."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.tools.cluster import PrivateRedis, need_redis_server

REDIS_URL = os.environ.get("TEST_REDIS") or "redis://127.0.0.1:6379/0"


async def eventually(condition: Callable[[], object], seconds: float = 10, what: str = "") -> None:
    """Let the loop run until `condition` is true; AssertionError naming `what` when it stays false."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        await asyncio.sleep(0.01)


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The address of a Redis that answers."""
    try:
        with redis.Redis.from_url(REDIS_URL, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError as failure:
        pytest.skip(f"needs Redis at {REDIS_URL}: {failure}")
    return REDIS_URL


@pytest.fixture
def prefix(redis_url: str) -> Iterator[str]:
    """A prefix nobody else uses; its keys are removed afterwards."""
    name = f"mcphub-test-{secrets.token_hex(4)}"
    yield name
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(f"{name}*"):
            client.delete(key)


@pytest.fixture
def private_redis(tmp_path: Path) -> Iterator[PrivateRedis]:
    """A running redis-server that the test may kill."""
    need_redis_server()
    server = PrivateRedis(tmp_path)
    server.start()
    yield server
    server.kill()
