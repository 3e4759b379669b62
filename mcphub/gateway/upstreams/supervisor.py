"""Supervisor: keeps connections as the snapshot says, and carries calls to them. One a process that holds upstreams.

Above: `links.LocalLink`, `peer`, `mcphub.hub`. Below: `keeper` (one a server) and the transports. It decides only which
servers are kept here and shares what they share: the guardian of the children, the HTTP connections, the bound on
starts. Decision records: docs/decisions/0010 to 0013.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection
from typing import Any

import aiohttp
from msgspec import Raw

from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.errors import UpstreamUnavailable
from mcphub.gateway.ports import InventorySink, LogSink, StateSink, UpstreamState
from mcphub.gateway.snapshot import ServerSpec, Snapshot
from mcphub.gateway.tasks import Tasks
from mcphub.gateway.upstreams.base import Listener, Upstream
from mcphub.gateway.upstreams.children import Children
from mcphub.gateway.upstreams.gates import Starts
from mcphub.gateway.upstreams.handshake import Memory
from mcphub.gateway.upstreams.keeper import Keeper, Surroundings
from mcphub.gateway.upstreams.lists import OnListChanged
from mcphub.gateway.upstreams.outbound import Outbound
from mcphub.gateway.upstreams.scopes import ScopeCount
from mcphub.gateway.upstreams.sse import SseUpstream
from mcphub.gateway.upstreams.stdio import StdioUpstream
from mcphub.gateway.upstreams.streamable import StreamableUpstream

#: Builds an upstream for an OpenAPI service; handed in, because that transport is a world of its own. The last argument
#: makes guarded HTTP sessions, which the upstream closes itself.
MakeOpenApi = Callable[[ServerSpec, Listener, Callable[[ServerSpec], aiohttp.ClientSession]], Upstream]
_SWEEP = 60.0


class Supervisor:
    """See the module. Made, used and closed on one event loop.

    Args:
        worker: this process's name in `UpstreamState.worker`.
        start_concurrency: how many upstreams may be starting at a time; 0 for no limit.
        on_list_changed: told `(server key, kind, differs)` when a list that an upstream said to have changed was read
            again. One that differs raises the revision by way of the inventory sink; the others are only told of here.
        on_resource_updated: told `(server key, uri)`.
        on_notice: told `(server key, method, params)` of any other notification that belongs to no call.
        make_openapi: see `MakeOpenApi`; without it such servers cannot be connected.
    """

    def __init__(  # noqa: PLR0913 (the one place of assembly, all by keyword)
        self,
        *,
        inventory_sink: InventorySink,
        state_sink: StateSink,
        log_sink: LogSink,
        worker: str = "",
        start_concurrency: int = 8,
        max_scopes: int = 1000,
        on_list_changed: OnListChanged = lambda server, kind, differs: None,
        on_resource_updated: Callable[[str, str], None] = lambda server, uri: None,
        on_notice: Callable[[str, str, Raw], None] = lambda server, method, params: None,
        make_openapi: MakeOpenApi | None = None,
    ) -> None:
        self._make_openapi = make_openapi
        self._children = Children()
        self._outbound = Outbound()
        self._tasks = Tasks("supervisor")
        self._keepers: dict[str, Keeper] = {}
        self._ending: dict[str, asyncio.Task[Any]] = {}
        self._sweeper: asyncio.Task[Any] | None = None
        self._around = Surroundings(
            make=self._make,
            inventory_sink=inventory_sink,
            state_sink=state_sink,
            log_sink=log_sink,
            starts=Starts(start_concurrency),
            scope_count=ScopeCount(max_scopes),
            worker=worker,
            on_list_changed=on_list_changed,
            on_resource_updated=on_resource_updated,
            on_notice=on_notice,
        )

    def apply(self, snapshot: Snapshot, held: Collection[str] | None = None) -> None:
        """Make the connections what the snapshot says; returns at once.

        Only servers whose spec changed are touched, and of those only where `connection` or `generation` differ
        are connected anew. `held` names the keys that this process may hold (None: all); the others are let go.
        """
        if self._sweeper is None:
            self._sweeper = self._tasks.start(self._sweep_scopes(), "sweep")
        self._outbound.allow(snapshot.switches.allowed_networks)
        wanted = {
            spec.key: spec for spec in snapshot.servers.values() if spec.enabled and (held is None or spec.key in held)
        }
        for key in [key for key in self._keepers if key not in wanted]:
            self._end(key)
        for key, spec in wanted.items():
            keeper = self._keepers.get(key)
            if keeper is None:
                self._begin(spec)
            elif keeper.spec is not spec:
                keeper.adopt(spec)

    def _begin(self, spec: ServerSpec) -> None:
        keeper = self._keepers[spec.key] = Keeper(spec, self._around)
        before = self._ending.get(spec.key)
        if before is None:
            keeper.start()
        else:
            # Switched off and on at once: never two connections of one server.
            before.add_done_callback(lambda _: keeper.start() if self._keepers.get(spec.key) is keeper else None)

    def _end(self, key: str) -> None:
        keeper = self._keepers.pop(key)
        before = self._ending.get(key)
        end = self._ending[key] = self._tasks.start(_close_after(keeper, before), f"end {keeper.spec.name}")
        end.add_done_callback(lambda _: self._ending.pop(key) if self._ending.get(key) is end else None)

    async def call(self, call: Call, exchange: Exchange) -> Raw:
        """Carry one call; see `links.Link.call`."""
        keeper = self._keepers.get(call.server)
        if keeper is None:
            raise UpstreamUnavailable(data={"state": "disconnected", "reason": "It is switched off or not held here."})
        return await keeper.call(call, exchange)

    async def subscribe(self, server: str, uri: str, wanted: bool) -> None:
        """See `links.Link.subscribe`."""
        keeper = self._keepers.get(server)
        if keeper is None:
            raise UpstreamUnavailable()
        await keeper.subscribe(uri, wanted)

    def states(self) -> dict[str, UpstreamState]:
        """Where every connection held here stands, by server key."""
        return {key: keeper.state() for key, keeper in self._keepers.items()}

    def reload(self, server: str) -> None:
        """Connect this server anew at once; unknown keys are ignored."""
        if (keeper := self._keepers.get(server)) is not None:
            keeper.restart()

    def retry_now(self, server: str) -> None:
        """End a waiting time (back-off, sign-in, open circuit) and try at once; a working connection stays."""
        if (keeper := self._keepers.get(server)) is not None:
            keeper.retry_now()

    def end_scope(self, scope: str) -> None:
        """A session ended: close its per-session clients."""
        for keeper in self._keepers.values():
            keeper.end_scope(scope)

    async def closings(self) -> None:
        """Wait until every connection that was let go is closed."""
        while self._ending:
            await asyncio.wait(list(self._ending.values()))

    async def aclose(self) -> None:
        """Close everything; returns when no child, task or connection is left."""
        for key in list(self._keepers):
            self._end(key)
        await self.closings()
        await self._tasks.aclose()
        await self._children.aclose()
        await self._outbound.aclose()

    def _make(self, spec: ServerSpec, listener: Listener, memory: Memory) -> Upstream:
        if spec.transport == "stdio":
            return StdioUpstream(spec, listener, memory, self._children)
        if spec.transport == "streamable-http":
            return StreamableUpstream(spec, listener, memory, self._outbound, os.environ)
        if spec.transport == "sse":
            return SseUpstream(spec, listener, memory, self._outbound, os.environ)
        if spec.transport == "openapi" and self._make_openapi is not None:
            return self._make_openapi(spec, listener, self._outbound.session)
        raise UpstreamUnavailable(f"This hub cannot connect servers of type {spec.transport}.")

    async def _sweep_scopes(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            for keeper in self._keepers.values():
                keeper.sweep(time.monotonic())


async def _close_after(keeper: Keeper, before: asyncio.Task[Any] | None) -> None:
    if before is not None:
        await asyncio.wait([before])
    await keeper.close()
