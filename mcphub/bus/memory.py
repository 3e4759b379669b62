"""MemoryBus: facts within one process, and the near half of `RedisBus`. Above: `bus.redis`. Below: `bus.facts`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

from mcphub.bus.facts import Fact

F = TypeVar("F", bound=Fact)
Unsubscribe = Callable[[], None]


class MemoryBus:
    """Facts within one process. Each subscriber hears on the loop it subscribed from."""

    def __init__(self) -> None:
        self._hearers: dict[type[Any], list[tuple[asyncio.AbstractEventLoop, Callable[[Any], None]]]] = {}

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        self._hearers.clear()

    def publish(self, fact: Fact) -> None:
        for loop, hear in tuple(self._hearers.get(type(fact), ())):
            # A loop that has ended without unsubscribing must not fail whoever publishes.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(hear, fact)

    def subscribe(self, kind: type[F], hear: Callable[[F], None]) -> Unsubscribe:
        entry = (asyncio.get_running_loop(), hear)
        hearers = self._hearers.setdefault(kind, [])
        hearers.append(entry)

        def unsubscribe() -> None:
            if entry in hearers:
                hearers.remove(entry)

        return unsubscribe
