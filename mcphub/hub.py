"""Hub: assembles the data plane from the apps' adapters and keeps it fed with snapshots.

One Hub a process. Role `all` (nothing configured) holds the connections and answers clients; with Redis, `web`
answers clients and reaches the connections through it, and `worker` holds them. The same classes run in every role.
Above: `asgi`, `worker`. Below: the apps and the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import logging
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Protocol, TypeVar

from django.conf import settings

from accounts.authenticator import DatabaseAuthenticator
from activities.logs import logbook
from activities.sink import DatabaseCallSink
from mcphub import bridge, plane
from mcphub.bus import Bus, FactsMissed, ListAnnounced, ReloadRequested, ResourceUpdated, ServersChanged, SessionEnded
from mcphub.changes import bus
from mcphub.directory import Directory, MemoryDirectory, RedisDirectory
from mcphub.gateway.app import GatewayApp, Options
from mcphub.gateway.inventory import Inventory
from mcphub.gateway.links import Link, LocalLink
from mcphub.gateway.peer import PeerServer, RedisLink
from mcphub.gateway.ports import UpstreamState
from mcphub.gateway.recorder import Recorder
from mcphub.gateway.snapshot import Snapshot
from mcphub.gateway.tasks import Tasks
from mcphub.gateway.upstreams import descriptors
from mcphub.gateway.upstreams.openapi import OpenApiUpstream
from mcphub.gateway.upstreams.supervisor import Supervisor
from mcphub.metrics.meter import meter
from mcphub.observation import Observation
from servers.inventories import DatabaseInventorySink
from servers.snapshots import DatabaseSnapshots

logger = logging.getLogger(__name__)

Role = Literal["all", "web", "worker"]

#: A lost message is repaired by asking for the revision this often, in seconds.
REVISION_CHECK = 3.0
#: Changes that come in a burst (servers connecting, a batch) are loaded together: wait this long, in seconds.
GATHER = 0.03
#: A server is said to be connected at the latest so long after it is, in seconds, even if its lists are not stored yet.
LISTS_WAIT = 2.0


class _Startable(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


S = TypeVar("S", bound=_Startable)


async def _started(stack: contextlib.AsyncExitStack, part: S) -> S:
    """Start a part and have the stack stop it."""
    await part.start()
    stack.push_async_callback(part.stop)
    return part


def _settle_memory() -> None:
    """Spare the garbage collector what lives as long as the process.

    Django's modules and models are some hundred thousand objects; looking through all of them again and again, in the
    middle of calls, was a seventh of the hub's time and most of its slowest answers (docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class Hub:
    """See the module. `start` and `stop` run on the loop that serves; a stopped hub may be started again."""

    def __init__(self, role: Role | None = None) -> None:
        self.role: Role = role or ("web" if settings.REDIS_URL else "all")
        self.running = False
        self.started_at = 0.0
        self._snapshot = Snapshot(revision=-1)
        self._changed = asyncio.Event()
        self._taken = asyncio.Event()
        self.load_seconds = 0.0
        self._tasks = Tasks("hub")
        self._ending = contextlib.AsyncExitStack()
        self._supervisor: Supervisor | None = None
        self._teller: _StateTeller | None = None
        self._gateway: GatewayApp | None = None

    @property
    def in_touch(self) -> bool:
        return bool(getattr(self._bus, "connected", True))

    @property
    def snapshot(self) -> Snapshot:
        return self._snapshot

    @property
    def gateway(self) -> GatewayApp:
        """The front; only roles that answer clients have one."""
        assert self._gateway is not None
        return self._gateway

    def states(self) -> Mapping[str, Mapping[str, Any]]:
        return self._directory.states()

    # -- what the metrics ask

    @property
    def revision(self) -> int:
        return self._snapshot.revision

    def held(self) -> Iterable[UpstreamState]:
        return () if self._supervisor is None else self._supervisor.states().values()

    def counts(self) -> dict[str, int]:
        return {} if self._gateway is None else self._gateway.counts()

    def queue(self) -> Recorder | None:
        return None if self._gateway is None else self.recorder

    def facts_dropped(self) -> int:
        return int(getattr(self._bus, "dropped", 0))

    async def caught_up(self, revision: int) -> None:
        while self._snapshot.revision < revision:
            await self._taken.wait()

    async def start(self) -> None:
        """Load the first snapshot, take up the connections, and be ready for clients; upstreams connect meanwhile."""
        self.started_at = time.time()
        descriptors.raise_limit()
        async with contextlib.AsyncExitStack() as stack:
            self._bus = await _started(stack, bus())
            self._observation = await _started(stack, Observation(self, self._bus))
            # Stopped after the connections: a lease is given up when what it stood for is closed.
            self._directory = await _started(stack, self._make_directory(self._bus))
            self._source = DatabaseSnapshots()
            stack.push_async_callback(self._tasks.aclose)
            link = await self._make_link(stack)
            if self.role != "worker":
                await self._answer(stack, link)
            self._subscribe(stack)
            await self._take(await self._load(None))
            self._tasks.start(self._follow(), "follow")
            bridge.register_loop(asyncio.get_running_loop())
            stack.callback(bridge.register_loop, None)
            plane.register(self)
            stack.callback(plane.register, None)
            self._ending = stack.pop_all()
        self.running = True
        _settle_memory()
        # Database threads hand the interpreter lock back sooner than after Python's own 5 ms: with records written
        # beside it, the slowest hundredth of calls takes 3 ms instead of 15 (docs/performance.md).
        sys.setswitchinterval(0.0005)

    async def stop(self) -> None:
        """End everything in the opposite order; children and connections are gone when this returns."""
        if self.running:
            self.running = False
            await self._ending.aclose()

    # -- assembly

    def _make_directory(self, carriage: Bus) -> Directory:
        if self.role == "all":
            return MemoryDirectory(carriage)
        return RedisDirectory(settings.REDIS_URL, carriage, holding=self.role == "worker")

    async def _make_link(self, stack: contextlib.AsyncExitStack) -> Link:
        """The way to the upstreams; where they are held here, also the supervisor that holds them."""
        if self.role == "web":
            return await _started(stack, RedisLink(settings.REDIS_URL, self._directory))
        teller = self._teller = _StateTeller(self._directory)
        supervisor = self._supervisor = Supervisor(
            inventory_sink=DatabaseInventorySink(),
            state_sink=teller,
            log_sink=logbook(),
            worker=self._directory.worker,
            start_concurrency=settings.STARTUP_CONNECT_CONCURRENCY,
            on_list_changed=self._pass_on,
            on_resource_updated=lambda server, uri: self._bus.publish(ResourceUpdated(server, uri)),
            make_openapi=OpenApiUpstream,
        )
        stack.push_async_callback(supervisor.aclose)
        self._directory.on_mine = self._hold
        link = LocalLink(supervisor)
        if self.role == "worker":
            await _started(stack, PeerServer(settings.REDIS_URL, link, self._directory))
        return link

    async def _answer(self, stack: contextlib.AsyncExitStack, link: Link) -> None:
        self.recorder = Recorder(DatabaseCallSink(meter.took))
        await self.recorder.start()
        stack.push_async_callback(self.recorder.aclose)
        authenticator = DatabaseAuthenticator()
        stack.push_async_callback(authenticator.aclose)
        self._gateway = GatewayApp(
            link=link,
            authenticator=authenticator,
            recorder=self.recorder,
            bus=self._bus,
            keys=(settings.SECRET_KEY.encode(),),
            base_path=settings.BASE_PATH,
            options=Options(
                hosts=tuple(settings.ALLOWED_HOSTS),
                origins=tuple(settings.ALLOWED_ORIGINS),
                tracer=self._observation.tracer,
            ),
        )
        stack.push_async_callback(self._gateway.aclose)

    def _subscribe(self, stack: contextlib.AsyncExitStack) -> None:
        stack.callback(self._bus.subscribe(ServersChanged, lambda fact: self._changed.set()))
        stack.callback(self._bus.subscribe(FactsMissed, lambda fact: self._changed.set()))
        if self._supervisor is not None:
            supervisor = self._supervisor
            stack.callback(self._bus.subscribe(ReloadRequested, self._reload))
            stack.callback(self._bus.subscribe(SessionEnded, lambda fact: supervisor.end_scope(fact.session)))

    # -- following the database

    async def _follow(self) -> None:
        """Load a snapshot after each change, and look by itself every few seconds in case a message was lost."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REVISION_CHECK):
                    await self._changed.wait()
                await asyncio.sleep(GATHER)
            self._changed.clear()
            try:
                if await self._source.revision() != self._snapshot.revision:
                    await self._take(await self._load(self._snapshot))
            except Exception as failure:
                # The database is away: clients are served from the last snapshot until it is back.
                logger.warning("The newest snapshot could not be loaded: %s", failure)

    async def _load(self, previous: Snapshot | None) -> Snapshot:
        began = time.perf_counter()
        snapshot = await self._source.load(previous)
        self.load_seconds = time.perf_counter() - began
        return snapshot

    async def _take(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._observation.learn(snapshot)
        if self._gateway is not None:
            self._gateway.swap(snapshot)
        if self._teller is not None:
            self._teller.see(snapshot)
        if self._supervisor is not None:
            self._directory.want({spec.key: spec.placement for spec in snapshot.servers.values() if spec.enabled})
            self._supervisor.apply(snapshot, self._directory.mine())
        self._taken.set()
        self._taken = asyncio.Event()

    async def _hold(self, mine: frozenset[str]) -> None:
        """Connect these and no others; returns when what is not among them is closed, so that others may take it."""
        assert self._supervisor is not None
        self._supervisor.apply(self._snapshot, mine)
        await self._supervisor.closings()

    def _pass_on(self, server: str, kind: str, differs: bool) -> None:
        """A list that differs reaches clients with the snapshot that has it; other announcements only by this fact."""
        if not differs:
            self._bus.publish(ListAnnounced(server, kind))

    def _reload(self, fact: ReloadRequested) -> None:
        # The generation that the action raised reconnects it, with the next snapshot and only once; as it reconnects
        # anyway, this is the moment to move to the worker that should have it.
        if self._supervisor is not None:
            self._directory.hand_over(fact.server)


class _StateTeller:
    """Connection states on their way to all processes (`ports.StateSink`).

    Who hears "connected" goes on to use the server, so the first such word about a server waits until clients can see
    what it offers.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._known: set[str] = set()
        self._held: dict[str, UpstreamState] = {}

    def changed(self, state: UpstreamState) -> None:
        self._held.pop(state.server, None)
        if state.state == "connected" and state.server not in self._known:
            self._held[state.server] = state
            asyncio.get_running_loop().call_later(LISTS_WAIT, self._release, state)
        else:
            self._tell(state)

    def see(self, snapshot: Snapshot) -> None:
        """Take note of the servers whose lists a snapshot has."""
        nothing = Inventory()
        self._known = {spec.key for spec in snapshot.servers.values() if spec.inventory != nothing}
        for state in [state for server, state in self._held.items() if server in self._known]:
            self._release(state)

    def _release(self, state: UpstreamState) -> None:
        if self._held.get(state.server) is state:
            del self._held[state.server]
            self._tell(state)

    def _tell(self, state: UpstreamState) -> None:
        self._directory.publish_state(state.server, dataclasses.asdict(state))
