"""How a reader of the log is fed, whatever carries it: what is there already, then what comes, gaps and heartbeats.

Above: the SSE route, the websocket. Below: `book`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from activities.logs.book import Cursor, Kept, LogBook
from activities.logs.entries import Wanted

#: Lines a new reader gets at once.
INITIAL = 1000
#: Lines of one delivery; a reader that is further behind is told how many it missed.
MOST = 500
#: Seconds of silence after which a sign of life is given.
HEARTBEAT = 15.0
#: Seconds after which a reader's right to read is looked at again.
RECHECK = 60.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a reader is handed at once. Nothing at all in it is a sign of life."""

    lines: list[Kept] = field(default_factory=list)
    missed: int = 0
    initial: bool = False


async def deliveries(
    book: LogBook,
    wanted: Wanted,
    after: Cursor = "",
    *,
    heartbeat: float = HEARTBEAT,
    recheck: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Delivery]:
    """Feed one reader for ever. A reader that is slow to take a delivery finds the next one fuller, never the hub.

    Args:
        after: the cursor of the last line the reader has seen; "" where it comes for the first time.
        recheck: asked every minute; what it raises ends the stream, as the reader's right has ended.
    """
    checked = time.monotonic()
    if after:
        news = book.after(after, wanted)
        yield Delivery(news.lines, news.missed)
    else:
        news = book.newest(wanted, INITIAL)
        yield Delivery(news.lines, initial=True)
    position, test = news.position, wanted.test()
    while True:
        if recheck is not None and time.monotonic() - checked > RECHECK:
            checked = time.monotonic()
            await recheck()
        try:
            async with asyncio.timeout(heartbeat):
                await book.wait(position)
        except TimeoutError:
            yield Delivery()
            continue
        news = book.since(position, test, MOST)
        position = news.position
        if news.lines or news.missed:
            yield Delivery(news.lines, news.missed)


def gap(missed: int) -> dict[str, Any]:
    """What a reader is told of lines that came too fast for it."""
    return {"type": "gap", "missed": missed}
