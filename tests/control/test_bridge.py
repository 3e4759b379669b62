"""The door between event loops and the ORM, both ways."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections, connection

from mcphub.bridge import NoHub, in_database, lane, on_loop, register_loop, write_in_database
from servers.models import Revision

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_query_runs_in_a_thread_and_returns_its_result() -> None:
    assert await in_database(Revision.objects.filter(number__gte=0).count) == 0
    assert await in_database(threading.get_ident) != threading.get_ident()


async def test_a_failure_of_the_query_is_raised() -> None:
    with pytest.raises(Revision.DoesNotExist):
        await in_database(Revision.objects.get)


@pytest.mark.sqlite
async def test_sqlite_has_one_writer() -> None:
    idents = await asyncio.gather(*(write_in_database(threading.get_ident) for _ in range(20)))
    assert len(set(idents)) == 1


async def test_many_writes_at_once_all_arrive() -> None:
    await write_in_database(Revision.objects.get_or_create, pk=1)

    def add() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE servers_revision SET number = number + 1")

    await asyncio.gather(*(write_in_database(add) for _ in range(50)), *(in_database(add) for _ in range(50)))
    assert (await in_database(Revision.objects.get)).number == 100


async def in_lane(work: Callable[[], Any]) -> Any:
    """Work as Django's synchronous views do it, in the thread of a request, whose end gives the connection back."""
    async with lane():
        try:
            return await sync_to_async(work)()
        finally:
            await sync_to_async(close_old_connections)()


async def test_requests_one_after_another_share_a_thread_and_its_connection() -> None:
    first = await in_lane(lambda: (threading.get_ident(), id(connection.connection), Revision.objects.exists()))
    again = [await in_lane(lambda: (threading.get_ident(), id(connection.connection))) for _ in range(5)]
    assert {thread for thread, _ in again} == {first[0]}
    if not settings.DATABASE_URL:
        assert len(set(again)) == 1


async def test_requests_at_once_wait_for_none_of_each_other() -> None:
    together = threading.Barrier(20)
    await asyncio.gather(*(in_lane(lambda: together.wait(10)) for _ in range(20)))


async def test_a_thread_reaches_the_hubs_loop() -> None:
    async def double(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    register_loop(asyncio.get_running_loop())
    try:
        assert await in_database(lambda: on_loop(double(21), timeout=5)) == 42
        with pytest.raises(NoHub):
            await in_database(lambda: on_loop(asyncio.sleep(60), timeout=0.01))
    finally:
        register_loop(None)
    with pytest.raises(NoHub):
        await in_database(lambda: on_loop(double(1)))
