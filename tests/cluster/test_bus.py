"""The same journeys on the bus in memory and the bus between processes, then what only the latter can suffer."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import AsyncIterator

import msgspec
import pytest

from mcphub.bus import (
    Bus,
    ClientSpoke,
    Fact,
    FactsMissed,
    KeyRevoked,
    MemoryBus,
    RedisBus,
    ServersChanged,
    StateChanged,
)
from mcphub.wire import publish_once
from tests.cluster.conftest import PrivateRedis, eventually
from tests.tools.processes import REPOSITORY


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "memory":
        bus: Bus = MemoryBus()
    else:
        bus = RedisBus(request.getfixturevalue("redis_url"), request.getfixturevalue("prefix"))
    await bus.start()
    yield bus
    await bus.stop()


@pytest.fixture
async def two(redis_url: str, prefix: str) -> AsyncIterator[tuple[RedisBus, RedisBus]]:
    pair = (RedisBus(redis_url, prefix), RedisBus(redis_url, prefix))
    for bus in pair:
        await bus.start()
    yield pair
    for bus in pair:
        await bus.stop()


async def test_a_fact_is_heard_once_by_each_subscriber_of_its_kind(bus: Bus) -> None:
    first: list[ServersChanged] = []
    second: list[ServersChanged] = []
    keys: list[KeyRevoked] = []
    bus.subscribe(ServersChanged, first.append)
    bus.subscribe(ServersChanged, second.append)
    bus.subscribe(KeyRevoked, keys.append)
    bus.publish(ServersChanged(1))
    bus.publish(ServersChanged(2))
    bus.publish(KeyRevoked("key:1"))
    await eventually(lambda: keys)
    assert first == second == [ServersChanged(1), ServersChanged(2)]
    assert keys == [KeyRevoked("key:1")]


async def test_who_unsubscribed_hears_nothing(bus: Bus) -> None:
    heard: list[ServersChanged] = []
    other: list[ServersChanged] = []
    unsubscribe = bus.subscribe(ServersChanged, heard.append)
    bus.subscribe(ServersChanged, other.append)
    unsubscribe()
    unsubscribe()
    bus.publish(ServersChanged(1))
    await eventually(lambda: other)
    assert heard == []


async def test_any_thread_may_publish(bus: Bus) -> None:
    heard: list[ServersChanged] = []
    bus.subscribe(ServersChanged, heard.append)
    thread = threading.Thread(target=lambda: bus.publish(ServersChanged(7)))
    thread.start()
    thread.join()
    await eventually(lambda: heard == [ServersChanged(7)])


async def test_publishing_after_the_end_harms_nobody(bus: Bus) -> None:
    bus.subscribe(ServersChanged, lambda fact: None)
    await bus.stop()
    bus.publish(ServersChanged(1))


@pytest.mark.redis
async def test_every_kind_of_fact_crosses_processes_unchanged(two: tuple[RedisBus, RedisBus]) -> None:
    here, there = two
    facts: list[Fact] = [
        ServersChanged(41),
        KeyRevoked("key:é"),
        StateChanged("a", {"state": "connected", "attempt": 0, "next_attempt": None}),
        ClientSpoke("s", "x" * 500_000),
    ]
    heard: list[Fact] = []
    for fact in facts:
        there.subscribe(type(fact), heard.append)
    for fact in facts:
        here.publish(fact)
    await eventually(lambda: len(heard) == len(facts))
    assert heard == facts


@pytest.mark.redis
async def test_a_fact_that_was_sent_twice_is_told_once(
    two: tuple[RedisBus, RedisBus], redis_url: str, prefix: str
) -> None:
    _, there = two
    heard: list[ServersChanged] = []
    there.subscribe(ServersChanged, heard.append)
    for number, revision in ((1, 1), (2, 2), (1, 1), (2, 2), (3, 3)):
        letter = msgspec.json.encode(["someone", number, "ServersChanged", {"revision": revision}])
        publish_once(redis_url, prefix, "facts", letter)
    await eventually(lambda: ServersChanged(3) in heard)
    assert heard == [ServersChanged(1), ServersChanged(2), ServersChanged(3)]


@pytest.mark.redis
async def test_what_cannot_be_understood_is_ignored(
    two: tuple[RedisBus, RedisBus], redis_url: str, prefix: str
) -> None:
    _, there = two
    heard: list[ServersChanged] = []
    there.subscribe(ServersChanged, heard.append)
    for letter in (b"{", b"[1]", b'["a",1,"MadeTomorrow",{"x":1}]', b'["b",1,"ServersChanged",{"revision":"x"}]'):
        publish_once(redis_url, prefix, "facts", letter)
    publish_once(redis_url, prefix, "facts", b'["c",1,"ServersChanged",{"revision":5,"new":true},"more"]')
    await eventually(lambda: heard == [ServersChanged(5)])


@pytest.mark.redis
async def test_a_program_without_a_loop_is_heard(two: tuple[RedisBus, RedisBus], redis_url: str, prefix: str) -> None:
    here, _ = two
    heard: list[ServersChanged] = []
    here.subscribe(ServersChanged, heard.append)
    publishing = f"RedisBus({redis_url!r}, {prefix!r}).publish(ServersChanged(9))"
    program = f"from mcphub.bus import RedisBus, ServersChanged; {publishing}"
    subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, check=True)
    await eventually(lambda: heard == [ServersChanged(9)])


@pytest.mark.redis
async def test_facts_survive_redis(private_redis: PrivateRedis) -> None:
    here, there = RedisBus(private_redis.url), RedisBus(private_redis.url)
    await here.start()
    await there.start()
    near: list[ServersChanged] = []
    far: list[ServersChanged] = []
    missed: list[FactsMissed] = []
    here.subscribe(ServersChanged, near.append)
    there.subscribe(ServersChanged, far.append)
    there.subscribe(FactsMissed, missed.append)
    private_redis.kill()
    await eventually(lambda: not here.connected and not there.connected)
    here.publish(ServersChanged(1))
    await eventually(lambda: near == [ServersChanged(1)], what="the own process hears without Redis")
    private_redis.start()
    await eventually(lambda: missed, what="being told that facts may have been missed")
    await eventually(lambda: here.connected)
    here.publish(ServersChanged(2))
    await eventually(lambda: far and far[-1] == ServersChanged(2))
    assert near == [ServersChanged(1), ServersChanged(2)]
    await here.stop()
    await there.stop()


async def test_publishing_without_redis_fails_nobody() -> None:
    bus = RedisBus("redis://127.0.0.1:1/0")
    bus.publish(ServersChanged(1))
    await bus.start()
    heard: list[ServersChanged] = []
    bus.subscribe(ServersChanged, heard.append)
    bus.publish(ServersChanged(2))
    await eventually(lambda: heard == [ServersChanged(2)])
    await bus.stop()
