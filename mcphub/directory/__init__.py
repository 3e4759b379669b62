"""Directory: which process holds which upstream, and in what state.

`MemoryDirectory` for one process, `RedisDirectory` for many. A worker says what it *wants* connected; the directory
says which of it is *mine*, and takes it away again. A web process asks who the *holders* of a server are, from memory,
and is told when a worker is gone. Servers are known by key; states are the members of `gateway.ports.UpstreamState`.
How placement works, and why: docs/scaling.md, docs/decisions/0022. Above: `gateway.peer`, `hub`. Below: `bus`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from mcphub.directory.memory import MemoryDirectory
from mcphub.directory.placement import Placement, State
from mcphub.directory.redis import RedisDirectory

__all__ = ["Directory", "MemoryDirectory", "Placement", "RedisDirectory", "State"]


class Directory(Protocol):
    """See the module. All methods belong to the event loop that `start` ran on."""

    #: Identity of this process, another one after each start.
    worker: str
    #: Awaited with the keys that are this process's to connect whenever they change. A server that is no longer among
    #: them may be connected elsewhere only after this returned, so it must return when those connections are closed.
    on_mine: Callable[[frozenset[str]], Awaitable[None]] | None
    #: Called with the identity of a worker that stopped, died, or lost touch.
    on_gone: list[Callable[[str], None]]

    async def start(self) -> None:
        """Join. Returns also when Redis is away; then it joins later."""

    async def stop(self) -> None:
        """Leave, and give up what is held. Close the connections before."""

    def want(self, servers: Mapping[str, Placement]) -> None:
        """Say which servers shall be connected by some worker (`one`) or by each (`every`); replaces what was said."""

    def mine(self) -> frozenset[str]:
        """The servers that are this process's to connect."""

    def holds(self, server: str) -> bool:
        """Whether this process may use its connection at this instant: it is ours, and the lease has not lapsed."""

    def hand_over(self, server: str) -> bool:
        """Give up a server that is about to reconnect anyway, if another worker should have it; whether it was."""

    def holders(self, server: str) -> tuple[str, ...]:
        """The workers that hold the server, from memory: of several those that are connected; empty when none does."""

    async def refresh(self) -> None:
        """Look again now, because what `holders` said proved to be wrong."""

    def publish_state(self, server: str, state: State) -> None:
        """Tell all processes the newest state of an upstream of ours. Never blocks, never fails."""

    def states(self) -> dict[str, State]:
        """The state of each upstream as its holder told it; of several holders, the best."""
