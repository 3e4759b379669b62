"""A call looks the same in its own process and across Redis; then what only the latter can suffer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
from msgspec import Raw

from mcphub.bus import MemoryBus
from mcphub.directory import MemoryDirectory
from mcphub.errors import HubError, TooManyRequests
from mcphub.gateway import jsonrpc
from mcphub.gateway.calls import Call, Exchange, Silence
from mcphub.gateway.errors import ConnectionLost, NotSent, RpcError, UpstreamBusy, UpstreamTimeout, UpstreamUnavailable
from mcphub.gateway.links import Link
from mcphub.gateway.peer import PeerServer, RedisLink
from mcphub.gateway.peer import link as caller_side
from mcphub.gateway.peer import server as worker_side
from mcphub.wire import publish_once
from tests.cluster.conftest import PrivateRedis, eventually

numbers = itertools.count()
Behaviour = Callable[[Call, Exchange], Awaitable[Raw]]


def a_call(method: str = "tools/call", server: str = "a", **params: Any) -> Call:
    return Call(f"call-{next(numbers)}", server, method, jsonrpc.members(jsonrpc.dumps(params)))


class Upstreams:
    """What a worker holds, as far as a link is concerned: `answer` decides what becomes of a call."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.running = 0
        self.subscriptions: list[tuple[str, str, bool]] = []
        self.refuse_subscription: Exception | None = None
        self.answer: Behaviour = self.echo

    async def echo(self, call: Call, exchange: Exchange) -> Raw:
        return Raw(jsonrpc.dumps(call.params))

    async def call(self, call: Call, exchange: Exchange) -> Raw:
        self.calls.append(call)
        self.running += 1
        try:
            return await self.answer(call, exchange)
        finally:
            self.running -= 1

    async def subscribe(self, server: str, uri: str, wanted: bool) -> None:
        if self.refuse_subscription is not None:
            raise self.refuse_subscription
        self.subscriptions.append((server, uri, wanted))


class Rig:
    """One worker and one caller that share a directory, as they would over Redis."""

    def __init__(self, url: str, prefix: str) -> None:
        self.url = url
        self.prefix = prefix
        self.upstreams = Upstreams()
        self.directory = Placed(MemoryBus(), "w1")
        self.directory.want({"a": "one", "b": "one"})
        self.server = PeerServer(url, self.upstreams, self.directory, prefix=prefix)
        self.link = RedisLink(url, self.directory, prefix=prefix)

    async def start(self) -> None:
        await self.server.start()
        await self.link.start()
        await eventually(lambda: self.server._wire.connected and self.link._wire.connected)

    async def stop(self) -> None:
        await self.link.stop()
        await self.server.stop()


class Placed(MemoryDirectory):
    """A directory whose holders a test may name."""

    named: Mapping[str, tuple[str, ...]] = {}
    lapsed = False
    refreshed = 0

    def holders(self, server: str) -> tuple[str, ...]:
        return self.named.get(server, super().holders(server))

    def holds(self, server: str) -> bool:
        return not self.lapsed and super().holds(server)

    async def refresh(self) -> None:
        self.refreshed += 1


@pytest.fixture
async def rig(redis_url: str, prefix: str) -> AsyncIterator[Rig]:
    rig = Rig(redis_url, prefix)
    await rig.start()
    yield rig
    await rig.stop()


@pytest.fixture
async def fragile(private_redis: PrivateRedis) -> AsyncIterator[Rig]:
    rig = Rig(private_redis.url, "test")
    await rig.start()
    yield rig
    await rig.stop()


@pytest.fixture(params=["here", pytest.param("there", marks=pytest.mark.redis)])
def both(request: pytest.FixtureRequest) -> tuple[Link, Upstreams]:
    """A link and what is behind it: directly, and through Redis."""
    if request.param == "here":
        upstreams = Upstreams()
        return upstreams, upstreams
    rig: Rig = request.getfixturevalue("rig")
    return rig.link, rig.upstreams


class Client:
    """The caller's side: remembers notifications, answers questions."""

    def __init__(self, answer: Callable[[str, Raw], Awaitable[Raw]] | None = None) -> None:
        self.notes: list[tuple[str, bytes]] = []
        self._answer = answer

    def notify(self, method: str, params: Raw) -> None:
        self.notes.append((method, bytes(params)))

    async def ask(self, method: str, params: Raw) -> Raw:
        assert self._answer is not None
        return await self._answer(method, params)


# --- both shapes


async def test_a_call_and_its_result_are_the_bytes_that_were_given(both: tuple[Link, Upstreams]) -> None:
    link, upstreams = both
    result = b'{"content":[ {"n":1e2, "big":123456789012345678901234567890} ],"x":"\\u00e9","_new":{"a":[]}}'

    async def answer(call: Call, exchange: Exchange) -> Raw:
        return Raw(result)

    upstreams.answer = answer
    params = {"name": Raw(b'"t"'), "arguments": Raw(b'{"v" : 1.50}'), "_meta": Raw(b'{"x/y":null}')}
    call = Call("id-1", "a", "tools/call", params, b'{"roots":{}}', True, {"x-tenant": "é"}, "scope", True)
    assert bytes(await link.call(call, Silence())) == result
    arrived = upstreams.calls[0]
    assert {name: bytes(raw) for name, raw in arrived.params.items()} == {
        name: bytes(raw) for name, raw in params.items()
    }
    assert (arrived.id, arrived.server, arrived.method) == ("id-1", "a", "tools/call")
    assert (arrived.capabilities, arrived.modern, arrived.headers) == (b'{"roots":{}}', True, {"x-tenant": "é"})
    assert (arrived.scope, arrived.may_repeat) == ("scope", True)


@pytest.mark.parametrize(
    "error",
    [
        RpcError(-32602, "unknown tool é", b'{"a" : 1}'),
        RpcError(7, "no data"),
        UpstreamTimeout(),
        UpstreamUnavailable("It sleeps.", data={"state": "sleeping", "nextAttempt": None}),
        ConnectionLost("It broke."),
        TooManyRequests(retry_after=2.5),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_arrives_as_it_was_raised(both: tuple[Link, Upstreams], error: Exception) -> None:
    link, upstreams = both

    async def answer(call: Call, exchange: Exchange) -> Raw:
        raise error

    upstreams.answer = answer
    with pytest.raises(type(error)) as raised:
        await link.call(a_call(), Silence())
    assert type(raised.value) is type(error)
    for member in ("code", "message", "data"):
        assert getattr(raised.value, member) == getattr(error, member)


async def test_a_cancelled_call_is_cancelled_at_the_upstream(both: tuple[Link, Upstreams]) -> None:
    link, upstreams = both
    never = asyncio.Event()

    async def answer(call: Call, exchange: Exchange) -> Raw:
        await never.wait()
        return Raw(b"{}")

    upstreams.answer = answer
    waiting = asyncio.ensure_future(link.call(a_call(), Silence()))
    await eventually(lambda: upstreams.running == 1)
    waiting.cancel()
    await eventually(lambda: upstreams.running == 0)
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_notifications_come_before_the_result_and_in_order(both: tuple[Link, Upstreams]) -> None:
    link, upstreams = both

    async def answer(call: Call, exchange: Exchange) -> Raw:
        for number in range(50):
            exchange.notify("notifications/progress", Raw(b'{"progress":%d}' % number))
        exchange.notify("notifications/message", Raw(b'{"data":"%s"}' % (b"x" * 200_000)))
        return Raw(b"{}")

    upstreams.answer = answer
    client = Client()
    await link.call(a_call(), client)
    assert client.notes[:50] == [("notifications/progress", b'{"progress":%d}' % number) for number in range(50)]
    assert client.notes[50][0] == "notifications/message"


async def test_the_upstream_may_ask_the_client_several_things(both: tuple[Link, Upstreams]) -> None:
    link, upstreams = both

    async def answer(call: Call, exchange: Exchange) -> Raw:
        first, second = await asyncio.gather(
            exchange.ask("sampling/createMessage", Raw(b'{"q":1}')), exchange.ask("roots/list", Raw(b'{"q":2}'))
        )
        return Raw(b"[%s,%s]" % (bytes(first), bytes(second)))

    async def reply(method: str, params: Raw) -> Raw:
        return Raw(b'{"to":"%s","was":%s}' % (method.encode(), bytes(params)))

    upstreams.answer = answer
    result = await link.call(a_call(), Client(reply))
    assert bytes(result) == (b'[{"to":"sampling/createMessage","was":{"q":1}},{"to":"roots/list","was":{"q":2}}]')


async def test_a_client_may_refuse_a_question(both: tuple[Link, Upstreams]) -> None:
    link, upstreams = both
    refusals: list[RpcError] = []

    async def answer(call: Call, exchange: Exchange) -> Raw:
        try:
            await exchange.ask("elicitation/create", Raw(b"{}"))
        except RpcError as refusal:
            refusals.append(refusal)
        return Raw(b"{}")

    async def refuse(method: str, params: Raw) -> Raw:
        raise RpcError(-1, "declined", b'"data"')

    upstreams.answer = answer
    await link.call(a_call(), Client(refuse))
    assert [(refusal.code, refusal.message, refusal.data) for refusal in refusals] == [(-1, "declined", b'"data"')]


async def test_a_withdrawn_question_ends_at_the_client(both: tuple[Link, Upstreams]) -> None:
    link, upstreams = both
    asked = asyncio.Event()
    ended = asyncio.Event()

    async def answer(call: Call, exchange: Exchange) -> Raw:
        question = asyncio.ensure_future(exchange.ask("sampling/createMessage", Raw(b"{}")))
        await asked.wait()
        question.cancel()
        await ended.wait()
        return Raw(b"{}")

    async def ponder(method: str, params: Raw) -> Raw:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    upstreams.answer = answer
    async with asyncio.timeout(5):
        await link.call(a_call(), Client(ponder))


async def test_megabytes_travel_both_ways(both: tuple[Link, Upstreams]) -> None:
    link, _ = both
    big = "é" * 4_000_000
    results = await asyncio.gather(*(link.call(a_call(text=big, number=number), Silence()) for number in range(4)))
    assert [jsonrpc.loads(result)["number"] for result in results] == [0, 1, 2, 3]
    assert all(jsonrpc.loads(result)["text"] == big for result in results)


async def test_many_calls_at_once_get_their_own_answers(both: tuple[Link, Upstreams]) -> None:
    link, _ = both
    results = await asyncio.gather(*(link.call(a_call(number=number), Silence()) for number in range(2000)))
    assert [jsonrpc.loads(result)["number"] for result in results] == list(range(2000))


async def test_a_resource_is_subscribed_and_unsubscribed(both: tuple[Link, Upstreams]) -> None:
    link, upstreams = both
    await link.subscribe("a", "file:///x", True)
    await link.subscribe("a", "file:///x", False)
    assert upstreams.subscriptions == [("a", "file:///x", True), ("a", "file:///x", False)]
    upstreams.refuse_subscription = RpcError(-32002, "no such resource")
    with pytest.raises(RpcError):
        await link.subscribe("a", "file:///y", True)


# --- across processes


@pytest.mark.redis
async def test_an_unexpected_failure_is_logged_and_crosses_without_details(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(call: Call, exchange: Exchange) -> Raw:
        raise ValueError("secret")

    rig.upstreams.answer = answer
    with pytest.raises(HubError) as raised:
        await rig.link.call(a_call(), Silence())
    assert type(raised.value) is HubError
    assert "secret" not in str(raised.value)
    assert "secret" in caplog.text


@pytest.mark.redis
async def test_a_server_that_nobody_holds_is_refused_at_once(rig: Rig) -> None:
    with pytest.raises(UpstreamUnavailable, match="No worker"):
        await rig.link.call(a_call(server="unheard-of"), Silence())


@pytest.mark.redis
async def test_a_worker_that_does_not_listen_is_known_at_once_and_another_is_tried(rig: Rig) -> None:
    rig.directory.named = {"a": ("dead",)}
    with pytest.raises(NotSent, match="not listening"):
        await rig.link.call(a_call(), Silence())
    assert rig.directory.refreshed == 1

    async def find() -> None:
        rig.directory.named = {}

    rig.directory.named = {"a": ("dead",)}
    rig.directory.refresh = find  # type: ignore[method-assign]
    assert bytes(await rig.link.call(a_call(n=1), Silence())) == b'{"n":1}'


@pytest.mark.redis
async def test_a_worker_whose_lease_lapsed_refuses_without_executing(rig: Rig) -> None:
    rig.directory.lapsed = True
    with pytest.raises(NotSent, match="moved"):
        await rig.link.call(a_call(), Silence())
    assert rig.upstreams.calls == []


@pytest.mark.redis
async def test_calls_of_a_worker_that_is_gone_fail_and_others_go_on(rig: Rig) -> None:
    go_on = asyncio.Event()

    async def answer(call: Call, exchange: Exchange) -> Raw:
        await go_on.wait()
        return Raw(b"{}")

    rig.upstreams.answer = answer
    waiting = asyncio.ensure_future(rig.link.call(a_call(), Silence()))
    await eventually(lambda: rig.upstreams.running)
    for hear in rig.directory.on_gone:
        hear("another")
    await asyncio.sleep(0)
    assert not waiting.done()
    for hear in rig.directory.on_gone:
        hear("w1")
    with pytest.raises(ConnectionLost, match="is gone"):
        await waiting


@pytest.mark.redis
async def test_a_worker_that_stops_tells_its_callers(rig: Rig) -> None:
    async def answer(call: Call, exchange: Exchange) -> Raw:
        await asyncio.Event().wait()
        raise AssertionError

    rig.upstreams.answer = answer
    waiting = asyncio.ensure_future(rig.link.call(a_call(), Silence()))
    await eventually(lambda: rig.upstreams.running)
    await rig.server.stop()
    with pytest.raises(ConnectionLost, match="was stopped"):
        await waiting


@pytest.mark.redis
async def test_calls_are_spread_over_several_holders(rig: Rig) -> None:
    rig.directory.named = {"a": ("w1", "w2")}
    other = Placed(MemoryBus(), "w2")
    other.want({"a": "every"})
    upstreams = Upstreams()
    second = PeerServer(rig.url, upstreams, other, prefix=rig.prefix)
    await second.start()
    await eventually(lambda: second._wire.connected)
    await asyncio.gather(*(rig.link.call(a_call(), Silence()) for _ in range(100)))
    assert len(upstreams.calls) == len(rig.upstreams.calls) == 50
    await second.stop()


@pytest.mark.redis
async def test_more_calls_than_a_worker_can_take_are_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_side, "MOST_RUNNING", 3)
    go_on = asyncio.Event()

    async def answer(call: Call, exchange: Exchange) -> Raw:
        await go_on.wait()
        return Raw(b"{}")

    rig.upstreams.answer = answer
    held = [asyncio.ensure_future(rig.link.call(a_call(), Silence())) for _ in range(3)]
    await eventually(lambda: rig.upstreams.running == 3)
    with pytest.raises(UpstreamBusy):
        await rig.link.call(a_call(), Silence())
    go_on.set()
    await asyncio.gather(*held)


@pytest.mark.redis
async def test_a_request_that_arrives_twice_is_executed_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = asyncio.Event()

    async def answer(call: Call, exchange: Exchange) -> Raw:
        await go_on.wait()
        return Raw(b"{}")

    rig.upstreams.answer = answer
    publish = rig.link._wire.publish

    def publish_twice(channel: str, message: bytes, *args: Any, **options: Any) -> None:
        publish(channel, message, *args, **options)
        publish(channel, message)

    monkeypatch.setattr(rig.link._wire, "publish", publish_twice)
    waiting = asyncio.ensure_future(rig.link.call(a_call(), Silence()))
    await eventually(lambda: rig.upstreams.calls)
    go_on.set()
    await waiting
    assert len(rig.upstreams.calls) == 1


@pytest.mark.redis
async def test_calls_of_a_caller_that_died_are_dropped(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_side, "CALLER_PATIENCE", 0.5)
    monkeypatch.setattr(worker_side, "SWEEP", 0.1)
    monkeypatch.setattr(caller_side, "PULSE", 0.1)
    fresh = Rig(rig.url, rig.prefix + "-2")

    async def answer(call: Call, exchange: Exchange) -> Raw:
        await asyncio.Event().wait()
        raise AssertionError

    fresh.upstreams.answer = answer
    await fresh.start()
    waiting = asyncio.ensure_future(fresh.link.call(a_call(), Silence()))
    await fresh.link.subscribe("a", "file:///x", True)
    await asyncio.sleep(1.0)
    assert fresh.upstreams.running == 1, "a caller with a pulse may wait as long as it likes"
    await fresh.link._wire.stop()
    await eventually(lambda: fresh.upstreams.running == 0)
    await eventually(lambda: fresh.upstreams.subscriptions[-1] == ("a", "file:///x", False))
    with pytest.raises(ConnectionLost):
        await waiting
    await fresh.stop()


@pytest.mark.redis
async def test_a_lost_answer_is_noticed(redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller_side, "PULSE", 0.1)
    rig = Rig(redis_url, prefix)
    await rig.start()
    monkeypatch.setattr(rig.server, "_tell", lambda *args, **options: None)
    waiting = asyncio.ensure_future(rig.link.call(a_call(), Silence()))
    await eventually(lambda: rig.upstreams.calls and not rig.upstreams.running)
    monkeypatch.undo()
    with pytest.raises(ConnectionLost, match="does not know"):
        async with asyncio.timeout(5):
            await waiting
    await rig.stop()


@pytest.mark.redis
async def test_a_subscription_follows_its_server_to_another_worker(
    redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller_side, "PULSE", 0.1)
    rig = Rig(redis_url, prefix)
    await rig.start()
    await rig.link.subscribe("a", "file:///x", True)
    other = Placed(MemoryBus(), "w2")
    other.want({"a": "one"})
    upstreams = Upstreams()
    second = PeerServer(redis_url, upstreams, other, prefix=prefix)
    await second.start()
    rig.directory.named = {"a": ("w2",)}
    await eventually(lambda: upstreams.subscriptions == [("a", "file:///x", True)])
    await eventually(lambda: rig.upstreams.subscriptions[-1] == ("a", "file:///x", False))
    await second.stop()
    await rig.stop()


@pytest.mark.redis
async def test_messages_that_make_no_sense_harm_nobody(rig: Rig) -> None:
    for channel in ("worker:w1", f"caller:{rig.link._caller}"):
        for message in (b"x", b"", b"\x91\x63", b"\x92\x0b\xa1x", b"\xc1"):
            publish_once(rig.url, rig.prefix, channel, message)
    assert bytes(await rig.link.call(a_call(n=1), Silence())) == b'{"n":1}'


@pytest.mark.redis
async def test_while_redis_is_away_calls_fail_clearly_and_soon_and_then_work_again(
    fragile: Rig, private_redis: PrivateRedis
) -> None:
    async def answer(call: Call, exchange: Exchange) -> Raw:
        await asyncio.Event().wait()
        raise AssertionError

    fragile.upstreams.answer = answer
    waiting = asyncio.ensure_future(fragile.link.call(a_call(), Silence()))
    await eventually(lambda: fragile.upstreams.running)
    private_redis.kill()
    with pytest.raises(ConnectionLost, match="Redis"):
        async with asyncio.timeout(1):
            await waiting
    with pytest.raises(UpstreamUnavailable, match="Redis is away"):
        async with asyncio.timeout(3):
            await fragile.link.call(a_call(), Silence())
    fragile.upstreams.answer = fragile.upstreams.echo
    private_redis.start()
    await eventually(lambda: fragile.link._wire.connected and fragile.server._wire.connected)
    assert bytes(await fragile.link.call(a_call(n=1), Silence())) == b'{"n":1}'
