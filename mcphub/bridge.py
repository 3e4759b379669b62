"""The only door between event loops and the ORM.

From a loop: `in_database` runs a synchronous function in a thread with a healthy connection; `write_in_database` does
the same where the function writes, and on SQLite, which has one writer, uses one thread for all of them instead of
letting them queue in the file's lock. From a thread (a Django view, a job): `on_loop` runs a coroutine on the hub's
loop and waits for its result. `lane` keeps the threads that Django's own requests run in. Above: the apps' adapters,
`hub`, `asgi`. Below: Django's connections.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.db import close_old_connections, connections

from mcphub.errors import RPC_UNAVAILABLE, HubError

P = ParamSpec("P")
T = TypeVar("T")

#: Reads are few (a key seen first, a snapshot after a change), so few threads and connections are enough.
_READERS = 4
#: Threads kept for Django's requests; more are made while more requests run at once, and ended after them.
_LANES = 8

_hub_loop: asyncio.AbstractEventLoop | None = None
_free_lanes: list[ThreadPoolExecutor] = []


class NoHub(HubError):
    """This process runs no hub, so it has no connections to MCP servers; or the hub did not answer in time."""

    code = "no_hub"
    http_status = 503
    rpc_code = RPC_UNAVAILABLE
    sentence = "The hub is not running in this process."


async def in_database(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Await a synchronous function that reads the database."""
    return await _run(_readers(), fn, *args, **kwargs)


async def write_in_database(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Await a synchronous function that writes to the database."""
    return await _run(_readers() if settings.DATABASE_URL else _writer(), fn, *args, **kwargs)


def register_loop(loop: asyncio.AbstractEventLoop | None) -> None:
    """Name the hub's loop for `on_loop`; None when it stops. Called by the hub."""
    global _hub_loop
    _hub_loop = loop


def on_loop(work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """Run a coroutine on the hub's loop from another thread and return its result.

    Args:
        timeout: seconds after which the coroutine is cancelled and `NoHub` raised; None waits as long as it takes.
    """
    loop = _hub_loop
    if loop is None or loop.is_closed():
        work.close()
        raise NoHub()
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return future.result(timeout)
    except concurrent.futures.TimeoutError:
        if future.done():  # the coroutine's own timeout, not ours
            raise
        future.cancel()
        raise NoHub(f"The hub did not answer within {timeout:g} seconds.") from None


@contextlib.asynccontextmanager
async def lane() -> AsyncIterator[None]:
    """Run the synchronous parts of one Django request in a kept thread, which keeps its database connection.

    Left alone, Django gives every request a new thread. On SQLite the thread's connection, opened for a query or two
    at more than their cost, then dies with the thread only when the garbage collector comes by; until then its pages
    and descriptors pile up. For the serving loop's thread alone.
    """
    thread = _free_lanes.pop() if _free_lanes else ThreadPoolExecutor(1, "request")
    try:
        async with ThreadSensitiveContext(executor=thread):
            yield
    finally:
        if len(_free_lanes) < _LANES:
            _free_lanes.append(thread)
        else:
            thread.submit(connections.close_all)
            thread.shutdown(wait=False)


async def _run(pool: ThreadPoolExecutor, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    # No context is copied into the thread: nothing of the caller's may leak into a connection that outlives it.
    return await asyncio.get_running_loop().run_in_executor(pool, functools.partial(_connected, fn, *args, **kwargs))


def _connected(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call with a connection that is known to be alive, and give it back to the pool (PostgreSQL) afterwards."""
    close_old_connections()
    try:
        return fn(*args, **kwargs)
    finally:
        close_old_connections()


@functools.cache
def _readers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_READERS, "database")


@functools.cache
def _writer() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "database-writer")
