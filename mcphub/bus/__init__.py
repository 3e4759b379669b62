"""Bus: small facts between the parts and processes of one hub. `MemoryBus` within a process, `RedisBus` between them.

A fact is past tense and tiny ("servers changed, revision 41"); whoever hears it looks up the rest. Losing one is
repaired by the receivers' own periodic checks: level-triggered, not edge-triggered. Publishing works from any
thread and never fails the publisher. Below: `wire`, `errors`. Above: everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mcphub.bus.facts import (
    FACTS,
    ClientSpoke,
    Fact,
    FactsMissed,
    KeyRevoked,
    LeasesChanged,
    ListAnnounced,
    LogCleared,
    ReloadRequested,
    ResourceUpdated,
    ServersChanged,
    SessionChanged,
    SessionEnded,
    StateChanged,
)
from mcphub.bus.memory import F, MemoryBus, Unsubscribe
from mcphub.bus.redis import RedisBus

__all__ = [
    "FACTS",
    "Bus",
    "ClientSpoke",
    "Fact",
    "FactsMissed",
    "KeyRevoked",
    "LeasesChanged",
    "ListAnnounced",
    "LogCleared",
    "MemoryBus",
    "RedisBus",
    "ReloadRequested",
    "ResourceUpdated",
    "ServersChanged",
    "SessionChanged",
    "SessionEnded",
    "StateChanged",
    "Unsubscribe",
]


class Bus(Protocol):
    """See the module."""

    async def start(self) -> None:
        """Begin to deliver. Subscriptions made before count."""

    async def stop(self) -> None:
        """End delivery and free connections."""

    def publish(self, fact: Fact) -> None:
        """Tell everyone, this process included. Any thread; returns at once; never raises."""

    def subscribe(self, kind: type[F], hear: Callable[[F], None]) -> Unsubscribe:
        """Call `hear` on the current event loop for each fact of that kind. Call the result to end it."""
