"""RedisBus: the same facts, heard by every process of the hub. Above: `bus`. Below: `wire`, `bus.memory`.

Within its own process a fact is delivered as by `MemoryBus`, whether Redis is there or not; the others hear it over the
wire, which survives Redis. Each fact carries its origin and a number, so one that was sent twice is told once.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from mcphub.bus.facts import FACTS, Fact, FactsMissed
from mcphub.bus.memory import F, MemoryBus, Unsubscribe
from mcphub.wire import Wire, publish_once

logger = logging.getLogger(__name__)

_CHANNEL = "facts"
#: Of how many processes the last number heard is remembered.
_MOST_ORIGINS = 1000


class _Letter(msgspec.Struct, array_like=True):
    """A fact on the wire. Fields may be appended; a reader ignores what it does not know."""

    origin: str
    number: int
    kind: str
    body: msgspec.Raw


_letter = msgspec.json.Decoder(_Letter)


class RedisBus:
    """Facts between the processes of one hub.

    Before `start` (management commands, tasks without a hub) a fact is sent at once with a blocking client that gives
    up after a second; after it, it is handed to the loop that `start` ran on.

    Args:
        url: as redis-py reads it.
        prefix: sets this hub apart from others on the same Redis.
    """

    def __init__(self, url: str, prefix: str = "mcphub") -> None:
        self._url = url
        self._prefix = prefix
        self._near = MemoryBus()
        self._wire = Wire(url, "mcphub-bus", prefix)
        self._wire.listen(_CHANNEL, self._heard)
        self._wire.on_up.append(self._came_up)
        self._started = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._origin = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._last_of: dict[str, int] = {}

    @property
    def dropped(self) -> int:
        """Facts that other processes will never hear because too many waited for Redis."""
        return self._wire.dropped

    @property
    def connected(self) -> bool:
        """Whether other processes hear this one now."""
        return self._wire.connected

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._wire.start()
        # A hub that starts while Redis is away starts deaf, and hears `FactsMissed` when it is back.
        await self._wire.wait_connected(1.0)
        self._started = True

    async def stop(self) -> None:
        self._loop = None
        self._started = False
        await self._wire.stop()
        await self._near.stop()

    def publish(self, fact: Fact) -> None:
        self._near.publish(fact)
        if type(fact).__name__ not in FACTS:
            return
        loop = self._loop
        try:
            if loop is None:
                publish_once(self._url, self._prefix, _CHANNEL, self._letter(fact, secrets.token_hex(8), 1))
            elif loop is _running_loop():
                self._send(fact)
            else:
                loop.call_soon_threadsafe(self._send, fact)
        except Exception:
            logger.warning("A fact could not be told to other processes: %s", fact, exc_info=True)

    def subscribe(self, kind: type[F], hear: Callable[[F], None]) -> Unsubscribe:
        return self._near.subscribe(kind, hear)

    def _send(self, fact: Fact) -> None:
        # Numbered here, on the one loop, so that numbers grow in the order of sending whatever thread published.
        letter = self._letter(fact, self._origin, next(self._numbers))
        self._wire.publish(_CHANNEL, letter, again=True, shared=True)

    @staticmethod
    def _letter(fact: Fact, origin: str, number: int) -> bytes:
        body = msgspec.Raw(msgspec.json.encode(fact))
        return msgspec.json.encode(_Letter(origin, number, type(fact).__name__, body))

    def _heard(self, message: bytes) -> None:
        fact = self._open(message)
        if fact is not None:
            self._near.publish(fact)

    def _open(self, message: bytes) -> Any:
        """The fact in a message; None where it is our own, told already, or of a kind this version does not know."""
        try:
            letter = _letter.decode(message)
            if letter.origin == self._origin or letter.number <= self._last_of.get(letter.origin, 0):
                return None
            self._remember(letter)
            kind = FACTS.get(letter.kind)
            return None if kind is None else msgspec.json.decode(letter.body, type=kind)
        except msgspec.MsgspecError as failure:
            logger.warning("A fact could not be read: %s", failure)
            return None

    def _remember(self, letter: _Letter) -> None:
        # Taken out first, so that the dictionary's order is that of the last word heard.
        self._last_of.pop(letter.origin, None)
        self._last_of[letter.origin] = letter.number
        if len(self._last_of) > _MOST_ORIGINS:
            del self._last_of[next(iter(self._last_of))]

    def _came_up(self) -> None:
        if self._started:
            self._near.publish(FactsMissed())


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
