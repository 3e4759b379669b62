"""Host and Origin, the credential cache, the limiter, and the recorder (protocol E 1, 18; defects 14)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mcphub.bus import KeyRevoked, MemoryBus
from mcphub.errors import TooManyRequests
from mcphub.gateway.admission import Callers, Neighbours, WindowLimiter
from mcphub.gateway.calls import CallRecord
from mcphub.gateway.errors import CredentialUnchecked
from mcphub.gateway.recorder import Recorder
from mcphub.gateway.snapshot import Switches
from tests.gateway.world import ALL, FakeAuthenticator, FakeSink, World, server, snapshot, tool, until


@pytest.mark.parametrize(
    ("host", "origin", "admitted"),
    [
        ("localhost:3000", None, True),
        ("127.0.0.1", None, True),
        ("[::1]:3000", None, True),
        ("192.168.1.5:3000", None, True),
        ("hub.example", None, True),
        ("HUB.example:443", None, True),
        ("other.example", None, True),
        ("evil.example", None, False),
        ("localhost.evil.example", None, False),
        ("127.0.0.1.evil.example", None, False),
        ("evil.example", "http://evil.example", False),
        ("localhost:3000", "http://evil.example", False),
        ("localhost:3000", "http://localhost:3000", True),
        ("localhost:3000", "http://localhost:6274", True),
        ("localhost:3000", "https://hub.example", True),
        ("192.168.1.5:3000", "http://192.168.1.5:3000", True),
        ("192.168.1.5:3000", "http://192.168.1.6:3000", False),
        ("localhost:3000", "https://app.example", True),
        ("localhost:3000", "https://app.example:8443", False),
        ("localhost:3000", "null", False),
        ("localhost:3000", "file://", False),
        (None, None, True),
    ],
)
def test_only_known_hosts_and_origins_are_admitted(host: str | None, origin: str | None, admitted: bool) -> None:
    neighbours = Neighbours(("other.example",), ("https://app.example",))
    neighbours.set_public("https://hub.example/base")
    headers = {name: value.encode() for name, value in ((b"host", host), (b"origin", origin)) if value is not None}
    assert neighbours.admits(headers) is admitted
    assert neighbours.admits(headers) is admitted


def test_a_star_admits_all() -> None:
    neighbours = Neighbours(("*",), ("*",))
    assert neighbours.admits({b"host": b"evil.example", b"origin": b"http://evil.example"})


@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages", "/.well-known/oauth-protected-resource"])
async def test_foreign_hosts_are_refused_everywhere(world: World, path: str) -> None:
    headers = {"host": "evil.example", "origin": "http://evil.example"}
    assert (await world.request("POST", path, {}, headers=headers)).status == 403


async def test_admitted_origins_can_be_used_by_browsers(world: World) -> None:
    headers = {"origin": "http://localhost:6274"}
    preflight = await world.request("OPTIONS", "/mcp", headers=headers, token=None)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == "http://localhost:6274"
    answer = await world.modern("tools/list", headers=headers)
    assert "mcp-session-id" in answer.headers["access-control-expose-headers"]
    refused = await world.request("POST", "/mcp", {}, headers=headers, token=None)
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, "http://localhost:6274")


async def test_a_proxy_is_believed_about_known_hosts_only(world: World) -> None:
    for forwarded, origin in (("localhost:8443", "https://localhost:8443"), ("evil.example", "http://localhost:3000")):
        headers = {"x-forwarded-host": forwarded, "x-forwarded-proto": "https"}
        reply = await world.request("POST", "/mcp", {}, headers=headers, token=None)
        assert reply.json["resource_metadata"].startswith(origin)


async def test_many_callers_with_one_credential_ask_once() -> None:
    authenticator = FakeAuthenticator({"t": ALL})
    callers = Callers(authenticator)
    found = await asyncio.gather(*(callers.ask(b"t") for _ in range(50)))
    assert authenticator.asked == 1
    assert all(caller is found[0] for caller in found)


async def test_a_credential_is_looked_up_again_after_a_minute() -> None:
    now = 0.0
    authenticator = FakeAuthenticator({"t": ALL})
    callers = Callers(authenticator, clock=lambda: now)
    await callers.ask(b"t")
    await callers.ask(b"unknown")
    assert callers.remembered(b"t") is not None
    assert callers.is_unknown(b"unknown")
    now = 60.0
    assert callers.remembered(b"t") is None
    assert not callers.is_unknown(b"unknown")


async def test_an_answer_from_before_a_revocation_does_not_count() -> None:
    bus = MemoryBus()
    asked = asyncio.Event()
    go = asyncio.Event()

    class Slow(FakeAuthenticator):
        async def authenticate(self, token: str) -> Any:
            found = await super().authenticate(token)
            asked.set()
            await go.wait()
            return found

    authenticator = Slow({"t": ALL})
    callers = Callers(authenticator)
    callers.listen(bus)
    asking = asyncio.create_task(callers.ask(b"t"))
    await asked.wait()
    authenticator.tokens.clear()
    bus.publish(KeyRevoked("key:all"))
    await asyncio.sleep(0)
    go.set()
    assert await asking is None
    assert authenticator.asked == 2


async def test_unknown_credentials_are_kept_within_bounds() -> None:
    callers = Callers(FakeAuthenticator())
    for number in range(10_050):
        await callers.ask(b"%d" % number)
    assert len(callers._unknown) == 10_000


class Away(FakeAuthenticator):
    """An authenticator whose database may be away."""

    away = True

    async def authenticate(self, token: str) -> Any:
        found = await super().authenticate(token)
        if self.away:
            raise ConnectionError("the database is away")
        return found


async def test_a_failing_look_up_is_told_to_all_who_wait() -> None:
    authenticator = Away()
    callers = Callers(authenticator)
    found = await asyncio.gather(*(callers.ask(b"t") for _ in range(3)), return_exceptions=True)
    assert all(isinstance(each, CredentialUnchecked) for each in found)
    assert authenticator.asked == 1
    assert not callers._asking


async def test_who_is_known_stays_known_while_nobody_can_be_looked_up() -> None:
    now = 0.0
    authenticator = Away({"t": ALL})
    authenticator.away = False
    callers = Callers(authenticator, clock=lambda: now)
    before = await callers.ask(b"t")
    authenticator.away, now = True, 60.0
    assert callers.remembered(b"t") is None
    assert await callers.ask(b"t") is before
    assert callers.remembered(b"t") is before
    now = 70.0
    assert callers.remembered(b"t") is None
    authenticator.away = False
    authenticator.tokens.clear()
    assert await callers.ask(b"t") is None


async def test_who_was_revoked_is_not_known_by_old_knowledge() -> None:
    bus = MemoryBus()
    authenticator = Away({"t": ALL})
    authenticator.away = False
    callers = Callers(authenticator)
    callers.listen(bus)
    await callers.ask(b"t")
    authenticator.away = True
    bus.publish(KeyRevoked("key:all"))
    with pytest.raises(CredentialUnchecked):
        await callers.ask(b"t")


async def test_a_known_caller_waits_for_no_slow_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcphub.gateway.admission._PATIENCE", 0.01)
    now = 0.0
    authenticator = FakeAuthenticator({"t": ALL})
    callers = Callers(authenticator, clock=lambda: now)
    before = await callers.ask(b"t")

    async def never(token: str) -> Any:
        await asyncio.Event().wait()

    authenticator.authenticate = never  # type: ignore[method-assign]
    now = 60.0
    assert await callers.ask(b"t") is before


async def test_a_credential_that_cannot_be_checked_is_a_503(world: World) -> None:
    async def fail(token: str) -> Any:
        raise ConnectionError("the database is away")

    world.authenticator.authenticate = fail  # type: ignore[method-assign]
    reply = await world.request("POST", "/mcp", {}, token="new")
    assert reply.status == 503
    assert "cannot be checked" in reply.json["error"]["message"]


async def test_guessing_is_limited(world: World) -> None:
    world.app.swap(snapshot(server("a", tool("t")), switches=Switches(rate_per_minute=5)))
    statuses = [(await world.request("POST", "/mcp", {}, token=f"guess{n}")).status for n in range(8)]
    assert statuses == [401] * 5 + [429] * 3
    assert world.authenticator.asked == 5


def test_a_window_starts_with_the_first_request() -> None:
    now = 100.0
    limiter = WindowLimiter(clock=lambda: now)
    for _ in range(3):
        limiter.take("x", 3)
    limiter.take("y", 3)
    now = 130.0
    with pytest.raises(TooManyRequests) as refusal:
        limiter.take("x", 3)
    assert refusal.value.retry_after == 30.0
    now = 160.0
    limiter.take("x", 3)
    for _ in range(100):
        limiter.take("x", 0)


# -- the recorder ------------------------------------------------------------------------------------------------------


def record(number: int) -> CallRecord:
    return CallRecord(str(number), 0.0, 1.0, "tools/call", "a", "t", "ok")


async def test_records_are_stored_in_batches_and_in_order() -> None:
    sink = FakeSink()
    recorder = Recorder(sink, batch=10, interval=0.01)
    await recorder.start()
    for number in range(35):
        recorder.put(record(number))
    await until(lambda: len(sink.records) == 35)
    assert [each.id for each in sink.records] == [str(number) for number in range(35)]
    assert sink.batches == [10, 10, 10, 5]
    recorder.put(record(35))
    await until(lambda: len(sink.records) == 36)
    await recorder.aclose()


async def test_a_failing_sink_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcphub.gateway.recorder._FIRST_PAUSE", 0.001)
    sink = FakeSink(failures=3)
    recorder = Recorder(sink, interval=0.001)
    await recorder.start()
    recorder.put(record(1))
    await until(lambda: sink.records)
    assert (recorder.dropped, len(recorder)) == (0, 0)
    await recorder.aclose()


async def test_what_does_not_fit_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(FakeSink(), capacity=5)
    for number in range(8):
        recorder.put(record(number))
    assert (recorder.dropped, len(recorder)) == (3, 5)
    assert "were dropped" in caplog.text


async def test_what_is_left_is_stored_at_the_end() -> None:
    sink = FakeSink()
    recorder = Recorder(sink, interval=60)
    await recorder.start()
    for number in range(1200):
        recorder.put(record(number))
    await recorder.aclose()
    assert len(sink.records) == 1200


async def test_records_that_cannot_be_stored_at_the_end_are_counted() -> None:
    recorder = Recorder(FakeSink(failures=9))
    await recorder.start()
    recorder.put(record(1))
    await recorder.aclose()
    assert recorder.dropped == 1
