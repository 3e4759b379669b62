"""The wire: order, long messages, and what happens to messages while Redis is away."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from mcphub import wire as wires
from mcphub.wire import Wire
from tests.cluster.conftest import PrivateRedis, eventually

pytestmark = pytest.mark.redis


class Pair:
    """Two wires: what `left` publishes on `letters`, `right` hears."""

    def __init__(self, url: str, prefix: str) -> None:
        self.left = Wire(url, "test-left", prefix)
        self.right = Wire(url, "test-right", prefix)
        self.heard: list[bytes] = []
        self.right.listen("letters", self.heard.append)

    async def start(self) -> None:
        for wire in (self.left, self.right):
            await wire.start()
            assert await wire.wait_connected(5)

    async def stop(self) -> None:
        await self.left.stop()
        await self.right.stop()


@pytest.fixture
async def pair(redis_url: str, prefix: str) -> AsyncIterator[Pair]:
    pair = Pair(redis_url, prefix)
    await pair.start()
    yield pair
    await pair.stop()


@pytest.fixture
async def fragile(private_redis: PrivateRedis) -> AsyncIterator[Pair]:
    pair = Pair(private_redis.url, "test")
    await pair.start()
    yield pair
    await pair.stop()


async def test_messages_arrive_in_order(pair: Pair) -> None:
    sent = [b"%d" % number for number in range(5000)]
    for message in sent:
        pair.left.publish("letters", message)
    await eventually(lambda: len(pair.heard) == len(sent))
    assert pair.heard == sent


async def test_long_and_short_messages_keep_their_order(pair: Pair, prefix: str, redis_url: str) -> None:
    sent = [b"short", b"a" * 3_000_000, b"after", b"b" * (wires.INLINE + 1), b"c" * wires.INLINE, b"last"]
    for message in sent:
        pair.left.publish("letters", message)
    await eventually(lambda: len(pair.heard) == len(sent))
    assert pair.heard == sent


async def test_a_long_message_leaves_no_key_behind(pair: Pair, private_redis: PrivateRedis) -> None:
    other = Pair(private_redis.url, "test")
    await other.start()
    other.left.publish("letters", b"x" * 1_000_000)
    await eventually(lambda: other.heard)
    with private_redis.client() as client:
        assert client.dbsize() == 0
    await other.stop()


async def test_a_publisher_learns_that_nobody_listens(pair: Pair) -> None:
    told: list[int | None] = []
    pair.left.publish("letters", b"x", told.append)
    pair.left.publish("nobody", b"x", told.append)
    await eventually(lambda: len(told) == 2)
    assert told == [1, 0]


async def test_hubs_on_two_databases_of_one_redis_do_not_hear_each_other(private_redis: PrivateRedis) -> None:
    first, second = Pair(private_redis.url, "test"), Pair(private_redis.url.removesuffix("0") + "1", "test")
    for pair in (first, second):
        await pair.start()
        pair.left.publish("letters", b"x" * 200_000)
    await eventually(lambda: first.heard and second.heard)
    first.left.publish("letters", b"first")
    await eventually(lambda: len(first.heard) == 2)
    assert len(second.heard) == 1
    for pair in (first, second):
        await pair.stop()


async def test_a_password_is_given_and_a_wrong_one_only_logged(
    private_redis: PrivateRedis, caplog: pytest.LogCaptureFixture
) -> None:
    with private_redis.client() as client:
        client.config_set("requirepass", "secret word")
        wrong = Wire(private_redis.url.replace("//", "//:nonsense@"), "test", "test")
        await wrong.start()
        assert not await wrong.wait_connected(0.3)
        assert "WRONGPASS" in caplog.text
        assert "nonsense" not in caplog.text
        await wrong.stop()
    right = Wire(private_redis.url.replace("//", "//:secret%20word@"), "test", "test")
    await right.start()
    assert await right.wait_connected(5)
    await right.stop()


async def test_a_listener_may_come_later(pair: Pair) -> None:
    heard: list[bytes] = []
    pair.right.listen("more", heard.append)
    told: list[int | None] = []
    while not heard:
        pair.left.publish("more", b"x", told.append)
        await asyncio.sleep(0.01)
    assert heard[0] == b"x"


async def test_a_listener_that_fails_does_not_deafen_the_others(pair: Pair) -> None:
    def fail(message: bytes) -> None:
        raise ValueError(message)

    pair.right.listen("faulty", fail)
    pair.left.publish("faulty", b"x")
    pair.left.publish("letters", b"y")
    await eventually(lambda: pair.heard == [b"y"])


async def test_messages_wait_while_redis_is_away(fragile: Pair, private_redis: PrivateRedis) -> None:
    private_redis.kill()
    await eventually(lambda: not fragile.left.connected and not fragile.right.connected)
    heard_again = asyncio.Event()
    fragile.right.on_up.append(heard_again.set)
    fragile.left.publish("letters", b"waited")
    private_redis.start()
    await heard_again.wait()
    # The listener may be back after the publisher; what is published from now on must arrive.
    await eventually(lambda: fragile.left.connected)
    fragile.left.publish("letters", b"after")
    await eventually(lambda: b"after" in fragile.heard)


async def test_both_ends_are_told_of_the_loss(fragile: Pair, private_redis: PrivateRedis) -> None:
    events: list[str] = []
    fragile.left.on_down.append(lambda: events.append("down"))
    fragile.left.on_up.append(lambda: events.append("up"))
    private_redis.kill()
    await eventually(lambda: events == ["down"])
    private_redis.start()
    await eventually(lambda: events == ["down", "up"])


async def test_every_loss_is_logged_once(
    fragile: Pair, private_redis: PrivateRedis, caplog: pytest.LogCaptureFixture
) -> None:
    await fragile.right.stop()
    for losses in (1, 2, 3):
        private_redis.kill()
        await eventually(lambda: not fragile.left.connected)
        private_redis.start()
        await eventually(lambda: fragile.left.connected)
        assert caplog.text.count("Redis is not reachable") == losses


async def test_a_redis_that_hangs_counts_as_gone(
    fragile: Pair, private_redis: PrivateRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wires, "SILENCE", 0.5)
    monkeypatch.setattr(wires, "PULSE", 0.1)
    fragile.left.publish("letters", b"x")
    await eventually(lambda: fragile.heard == [b"x"])
    os.kill(private_redis.pid, signal.SIGSTOP)
    try:
        await eventually(lambda: not fragile.left.connected)
    finally:
        os.kill(private_redis.pid, signal.SIGCONT)
    await eventually(lambda: fragile.left.connected and fragile.right.connected)
    fragile.left.publish("letters", b"y")
    await eventually(lambda: fragile.heard[-1] == b"y")


async def test_a_full_outbox_drops_the_oldest_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires, "MOST_WAITING", 3)
    wire = Wire("redis://127.0.0.1:1/0", "test")
    await wire.start()
    fates: dict[int, int | None] = {}
    for number in range(5):
        wire.publish("letters", b"x", lambda received, number=number: fates.update({number: received}))  # type: ignore[misc]
    assert fates == {0: None, 1: None}
    assert wire.dropped == 2
    await wire.stop()


async def test_a_message_without_confirmation_is_sent_again(fragile: Pair, private_redis: PrivateRedis) -> None:
    os.kill(private_redis.pid, signal.SIGSTOP)
    fates: list[int | None] = []
    fragile.left.publish("letters", b"once", fates.append)
    fragile.left.publish("letters", b"again", again=True)
    await asyncio.sleep(0)  # written, and never read
    private_redis.kill()
    await eventually(lambda: fates == [None])
    # Its listener first, so that it is there to hear.
    await fragile.left.stop()
    private_redis.start()
    await eventually(lambda: fragile.right.connected)
    await fragile.left.start()
    await eventually(lambda: fragile.heard == [b"again"])
