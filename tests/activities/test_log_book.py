"""The log book: what is kept, who hears of it, and how it goes on after an interruption."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from activities.logs import BookHandler, Entry, LogBook, Wanted
from activities.logs.book import LONGEST, read_cursor
from activities.logs.events import events
from activities.logs.floods import Floods
from activities.logs.streaming import deliveries
from mcphub.context import call_id, request_id
from mcphub.gateway.ports import LogLine
from mcphub.gateway.snapshot import ServerSpec, Snapshot, StdioSpec
from mcphub.masking import MASK
from mcphub.secrecy import Secrecy, secrecy


def say(book: LogBook, message: str, server: str = "", level: Any = "info", source: str = "child") -> None:
    book.write(LogLine(time.time(), level, source, message, server))


def messages(lines: Any) -> list[str]:
    return [getattr(line, "entry", line).message for line in lines]


async def read(stream: AsyncIterator[Any], count: int = 1) -> list[Any]:
    async with asyncio.timeout(10):
        return [await anext(stream) for _ in range(count)]


@pytest.fixture
async def book() -> AsyncIterator[LogBook]:
    found = LogBook(100)
    found.attach(asyncio.get_running_loop())
    yield found
    found.detach()


def test_only_the_newest_lines_are_kept() -> None:
    book = LogBook(3)
    for number in range(5):
        say(book, str(number))
    assert messages(book.lines()) == ["2", "3", "4"]


def test_lines_are_filtered_by_level_server_source_and_text() -> None:
    book = LogBook()
    say(book, "Loud failure", "a", "error")
    say(book, "quiet", "b", "debug", "connection")
    say(book, "plain", "a", source="hub")
    assert messages(book.lines(Wanted(level="warning"))) == ["Loud failure"]
    assert messages(book.lines(Wanted(servers=frozenset({"b"})))) == ["quiet"]
    assert messages(book.lines(Wanted(sources=frozenset({"hub", "connection"})))) == ["quiet", "plain"]
    assert messages(book.lines(Wanted(text="loud FAIL"))) == ["Loud failure"]


def test_a_flood_of_one_server_is_bounded_and_told_of() -> None:
    floods = Floods(rate=10, burst=5)
    kept = sum(floods.admits("noisy", 0.0) for _ in range(100))
    assert (kept, floods.admits("quiet", 0.0)) == (5, True)
    assert floods.overdue(0.5) == []
    assert floods.overdue(1.0) == [("noisy", 95)]
    assert floods.overdue(2.0) == []
    assert sum(floods.admits("noisy", 1.0) for _ in range(100)) == 5


async def test_the_gap_of_a_flood_becomes_a_line(book: LogBook) -> None:
    for number in range(700):
        say(book, str(number), "noisy")
    while not any("were left out" in message for message in messages(book.lines())):
        await asyncio.sleep(0.01)
    gap = next(entry for entry in book.lines() if "were left out" in entry.message)
    assert (gap.server, gap.level) == ("noisy", "warning")


async def test_a_reader_gets_what_is_there_and_then_what_comes(book: LogBook) -> None:
    say(book, "before")
    stream = deliveries(book, Wanted())
    first = (await read(stream))[0]
    assert (first.initial, messages(first.lines)) == (True, ["before"])
    threading.Thread(target=say, args=(book, "after")).start()
    assert messages((await read(stream))[0].lines) == ["after"]


async def test_a_reader_that_stopped_is_told_what_it_missed(book: LogBook) -> None:
    stream = deliveries(book, Wanted())
    await read(stream)
    for number in range(250):
        say(book, str(number))
    delivery = (await read(stream))[0]
    assert (delivery.missed, len(delivery.lines), delivery.lines[-1].entry.message) == (150, 100, "249")


async def test_a_reader_comes_back_and_misses_nothing(book: LogBook) -> None:
    other = [Entry("other", number, 0.0, "info", "child", f"o{number}") for number in range(1, 6)]
    say(book, "one")
    book.accept(other[:2])
    seen = book.newest(Wanted(), 10).lines[-1].cursor
    say(book, "two")
    book.accept(other)
    news = book.after(seen)
    assert (messages(news.lines), news.missed) == (["two", "o3", "o4", "o5"], 0)
    # At a process that knows only the other's lines it goes on there as well.
    elsewhere = LogBook(origin="elsewhere")
    elsewhere.accept(other)
    assert messages(elsewhere.after(seen).lines) == ["o3", "o4", "o5"]


async def test_a_reader_that_comes_back_late_is_told_what_it_missed() -> None:
    book = LogBook(5, origin="me")
    say(book, "first")
    seen = book.newest(Wanted(), 1).lines[-1].cursor
    for number in range(20):
        say(book, str(number))
    news = book.after(seen)
    assert (news.missed, len(news.lines)) == (15, 5)


def test_lines_that_come_twice_are_kept_once() -> None:
    book = LogBook()
    lines = [Entry("other", number, 0.0, "info", "child", "x") for number in (1, 2)]
    book.accept(lines)
    book.accept(lines)
    book.accept([Entry(book.origin, 9, 0.0, "info", "child", "an echo of our own")])
    assert len(book.lines()) == 2


def test_cursors_of_any_text_can_be_read() -> None:
    assert read_cursor("a-1f.b-x.-3.c") == {"a": 31}


async def test_events_carry_ids_and_signs_of_life(book: LogBook) -> None:
    stream = events(book, Wanted(), heartbeat=0.01)
    retry, initial, beat = await read(stream, 3)
    assert (retry, initial, beat) == (
        b"retry: 2000\n\n",
        b'data: {"type":"initial","logs":[]}\n\n',
        b": still here\n\n",
    )
    say(book, "hello\nworld")
    while not (event := (await read(stream))[0]).startswith(b"id: "):
        assert event == beat
    name, data = event.decode().strip().split("\n")
    assert read_cursor(name.removeprefix("id: ")) == {book.origin: 1}
    assert msgspec.json.decode(data.removeprefix("data: "))["log"]["message"] == "hello\nworld"


async def test_fifty_readers_share_the_bytes_of_a_line(book: LogBook) -> None:
    streams = [events(book, Wanted()) for _ in range(50)]
    for stream in streams:
        await read(stream, 2)
    say(book, "once")
    got = [(await read(stream))[0] for stream in streams]
    assert len(set(got)) == 1
    assert all(kept.event is not None for kept in book.newest(Wanted(), 1).lines)


async def test_a_reader_whose_right_has_ended_is_cut_off(book: LogBook, monkeypatch: pytest.MonkeyPatch) -> None:
    from activities.logs import streaming
    from mcphub.errors import NotAuthenticated

    async def refuse() -> None:
        raise NotAuthenticated

    monkeypatch.setattr(streaming, "RECHECK", -1.0)
    stream = events(book, Wanted(), recheck=refuse)
    *_, last = [event async for event in stream]
    assert b'"type":"refused"' in last


def test_the_hubs_own_records_reach_the_book_with_their_ids() -> None:
    book = LogBook()
    logger = logging.Logger("x")
    logger.addHandler(BookHandler(book))
    tokens = request_id.set("r-12345678"), call_id.set("c-1")
    with contextlib.suppress(ZeroDivisionError):
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logger.exception("It broke: %s", "password=hunter22x")
            raise
    request_id.reset(tokens[0])
    call_id.reset(tokens[1])
    shown = book.lines()[0].shown()
    assert (shown["type"], shown["source"], shown["requestId"], shown["callId"]) == (
        "error",
        "hub",
        "r-12345678",
        "c-1",
    )
    assert "ZeroDivisionError" in shown["message"]
    assert "hunter22x" not in shown["message"]


def test_secrets_are_hidden_before_anything_is_kept() -> None:
    spec = ServerSpec("k", "mine", "stdio", StdioSpec("x", env={"API_TOKEN": "planted-value", "MODE": "plain"}), "")
    secrecy.learn(Snapshot(servers={"mine": spec}))
    book = LogBook()
    say(book, "the value is planted-value, mode plain", "mine")
    say(book, "x" * (LONGEST - 4) + "planted-value", "mine")
    say(book, "a line of the hub about planted-value")
    secrecy.learn(Snapshot())
    first, cut, hub = messages(book.lines())
    assert first == f"the value is {MASK}, mode plain"
    assert "plan" not in cut
    assert len(cut) <= LONGEST + 1
    assert "planted" not in hub


def test_masking_keeps_up_with_twenty_thousand_lines_a_second() -> None:
    known = Secrecy()
    spec = ServerSpec("k", "s", "stdio", StdioSpec("x", env={f"TOKEN_{n}": f"secret-value-{n}" for n in range(5)}), "")
    known.learn(Snapshot(servers={"s": spec}))
    line = "2026-11-21 02:53:44,376 INFO worker.pool: processed item 1234 in 12.3 ms status=ok queue=default"
    began = time.process_time()
    for _ in range(20_000):
        known.hide(line, "s")
    assert time.process_time() - began < 0.5
