"""The log as server-sent events: for readers of the original's form, with ids, heartbeat, resume and gaps besides.

Every event is a `data:` line with a JSON object: `initial` (lines that are there), `log` (one line), `gap` (how many
were missed). Each carries the cursor as its id, so a reader that reconnects with `Last-Event-ID` goes on where it was,
at any process of the hub. A line is turned into bytes once, however many read it. Above: the API. Below: `streaming`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

from activities.logs import LogBook, Wanted
from activities.logs.book import Cursor, Kept
from activities.logs.streaming import HEARTBEAT, Delivery, deliveries, gap
from mcphub.errors import HubError

_encode = msgspec.json.Encoder().encode
_BEAT = b": still here\n\n"
_RETRY = b"retry: 2000\n\n"


async def events(
    book: LogBook,
    wanted: Wanted,
    after: Cursor = "",
    *,
    heartbeat: float = HEARTBEAT,
    recheck: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[bytes]:
    """The body of a stream, until the reader goes or may no longer read; see `logs.streaming.deliveries`."""
    yield _RETRY
    try:
        async for delivery in deliveries(book, wanted, after, heartbeat=heartbeat, recheck=recheck):
            yield _written(delivery)
    except HubError as refused:
        yield _event({"type": "refused", "message": refused.message})


def _written(delivery: Delivery) -> bytes:
    if delivery.initial:
        shown = [kept.entry.shown() for kept in delivery.lines]
        return _event({"type": "initial", "logs": shown}, delivery.lines[-1].cursor if shown else "")
    if not delivery.lines and not delivery.missed:
        return _BEAT
    events = [_event(gap(delivery.missed))] if delivery.missed else []
    events += map(_log_event, delivery.lines)
    return b"".join(events)


def _log_event(kept: Kept) -> bytes:
    if kept.event is None:
        kept.event = _event({"type": "log", "log": kept.entry.shown()}, kept.cursor)
    return kept.event


def _event(body: dict[str, Any], cursor: Cursor = "") -> bytes:
    head = b"id: %s\n" % cursor.encode() if cursor else b""
    return b"%sdata: %s\n\n" % (head, _encode(body))
