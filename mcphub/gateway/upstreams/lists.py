"""Lists: what one server offers now, handed on to whoever stores it, and read again when the server says it changed.

Above: `keeper`. Below: `base`, `ports`. The sink is the database: it may be locked or away for a while, which must not
cost the connection, so storing is tried until it is done or there is something newer to store.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

from mcphub.errors import HubError
from mcphub.gateway.errors import RpcError
from mcphub.gateway.inventory import Inventory
from mcphub.gateway.ports import InventorySink, Level
from mcphub.gateway.snapshot import ServerSpec
from mcphub.gateway.tasks import Tasks
from mcphub.gateway.upstreams.base import Upstream
from mcphub.gateway.upstreams.standing import pause

#: Change notices come in bursts; the lists are read once for all that arrive within this time, in seconds.
_COALESCE = 0.1
_REFRESH_TIMEOUT = 120.0


#: Told `(server key, kind, differs)`: kind is tools, prompts or resources.
OnListChanged = Callable[[str, str, bool], None]


class Owner(Protocol):
    """Whose lists they are: the keeper."""

    spec: ServerSpec

    @property
    def upstream(self) -> Upstream | None: ...

    def log(self, level: Level, message: str, source: str = "connection") -> None: ...


class Lists:
    """See the module. `on_changed` is told `(server key, kind, differs)` when a list said to have changed was read."""

    def __init__(
        self,
        owner: Owner,
        sink: InventorySink,
        on_changed: OnListChanged,
        tasks: Tasks,
        jitter: random.Random,
    ) -> None:
        self._owner = owner
        self._sink = sink
        self._on_changed = on_changed
        self._tasks = tasks
        self._jitter = jitter
        self._newest: Inventory | None = None
        self._stale: set[str] = set()
        self._refreshing = False

    def take(self, inventory: Inventory) -> None:
        """These are the lists now; what is no news is not stored again."""
        if inventory != self._newest:
            self._newest = inventory
            self._tasks.start(self._store(inventory), "store inventory")

    def forget(self) -> None:
        """Store the next lists even if they are the same."""
        self._newest = None

    def changed(self, kind: str) -> None:
        """The server says that its `tools`, `prompts` or `resources` changed."""
        self._stale.add(kind)
        if not self._refreshing:
            self._refreshing = True
            self._tasks.start(self._refresh(), "refresh")

    async def _refresh(self) -> None:
        try:
            while self._stale and await self._refresh_once():
                pass
        finally:
            self._refreshing = False

    async def _refresh_once(self) -> bool:
        """Read the lists; False where that cannot be done now: a new connection reads them anyway."""
        await asyncio.sleep(_COALESCE)
        kinds, self._stale = self._stale, set()
        upstream = self._owner.upstream
        if upstream is None:
            return False
        try:
            async with asyncio.timeout(_REFRESH_TIMEOUT):
                fresh = await upstream.refresh()
        except (HubError, RpcError, TimeoutError) as failure:
            self._owner.log("warning", f"Could not read the changed lists: {describe(failure)}")
            return False
        before = self._newest or Inventory()
        self.take(fresh)
        for kind in sorted(kinds):
            self._on_changed(self._owner.spec.key, kind, getattr(fresh, kind) != getattr(before, kind))
        return True

    async def _store(self, inventory: Inventory) -> None:
        attempt = 0
        while self._newest is inventory:
            try:
                await self._sink.store(self._owner.spec.key, inventory)
                return
            except Exception as failure:  # whatever the database can think of
                attempt += 1
                self._owner.log("error", f"Could not store the lists: {describe(failure)}")
                await asyncio.sleep(pause(attempt, self._jitter))


def describe(failure: BaseException) -> str:
    """A failure as a sentence for the server's owner."""
    if isinstance(failure, HubError):
        told = failure.message
    elif isinstance(failure, RpcError):
        told = f"The server answered with error {failure.code}: {failure.message}"
    elif isinstance(failure, OSError):
        told = failure.strerror or str(failure)
    else:
        told = f"{type(failure).__name__}: {failure}"
    # Words of a server's own may end anywhere; more is said after them.
    return told if told.endswith((".", "!", "?")) else f"{told}."
