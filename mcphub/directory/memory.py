"""MemoryDirectory: a hub of one process holds everything. Above: `directory`. Below: `bus`, `directory.placement`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from mcphub.bus import Bus, StateChanged
from mcphub.directory.applier import Applier
from mcphub.directory.placement import Placement, State


class MemoryDirectory:
    """See `directory.Directory`: what is wanted is mine, at once."""

    def __init__(self, bus: Bus, worker: str = "hub") -> None:
        self.worker = worker
        self.on_gone: list[Callable[[str], None]] = []
        self._bus = bus
        self._mine: frozenset[str] = frozenset()
        self._states: dict[str, State] = {}
        self._applier = Applier()

    @property
    def on_mine(self) -> Callable[[frozenset[str]], Awaitable[None]] | None:
        return self._applier.apply

    @on_mine.setter
    def on_mine(self, apply: Callable[[frozenset[str]], Awaitable[None]] | None) -> None:
        self._applier.apply = apply

    async def start(self) -> None:
        self._applier.start()

    async def stop(self) -> None:
        await self._applier.aclose()
        self._mine = frozenset()
        self._states.clear()

    def want(self, servers: Mapping[str, Placement]) -> None:
        if self._mine == servers.keys():
            return
        self._mine = frozenset(servers)
        self._states = {server: state for server, state in self._states.items() if server in servers}
        self._applier.changed(self._mine)

    def mine(self) -> frozenset[str]:
        return self._mine

    def holds(self, server: str) -> bool:
        return server in self._mine

    def hand_over(self, server: str) -> bool:
        return False

    def holders(self, server: str) -> tuple[str, ...]:
        return (self.worker,) if server in self._mine else ()

    async def refresh(self) -> None:
        return None

    def publish_state(self, server: str, state: State) -> None:
        told = {**state, "worker": self.worker}
        if server in self._mine:
            self._states[server] = told
        self._bus.publish(StateChanged(server, told))

    def states(self) -> dict[str, State]:
        return dict(self._states)
