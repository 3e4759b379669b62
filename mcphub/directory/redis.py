"""RedisDirectory: leases with fencing numbers, the view of who holds what, and shared states, in rounds of a second.

One round is one script (`directory.script`) and one small pipeline, whatever the number of servers; questions are
answered from the memory of the last round, so a call costs no round trip. Everything is level-triggered: a round that
fails is repaired by the next one. Above: `directory`. Below: `directory.script`, `directory.states`, `bus`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec
import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from mcphub.bus import Bus, LeasesChanged, StateChanged, Unsubscribe
from mcphub.directory.applier import Applier
from mcphub.directory.placement import MOVABLE, Placement, State, chosen
from mcphub.directory.script import SCRIPT, View
from mcphub.directory.states import SharedStates

logger = logging.getLogger(__name__)

#: Seconds between rounds, and the least between two of them.
ROUND = 1.0
LEAST_PAUSE = 0.05
#: Seconds a worker lives on after its last round; it stops using its connections a little earlier.
LIFETIME = 6.0
MARGIN = 1.0
#: Seconds to watch before taking servers, after joining and after Redis was away: others get to say what is theirs.
SETTLE = 2.0
#: Seconds after which a server is taken by whoever sees it free, if the worker that should have it does not take it.
NEGLECTED = 5.0
#: Seconds without Redis after which a worker closes what it can no longer prove to hold.
ABANDON = 30.0
#: Seconds one round may take.
PATIENCE = 2.0

# The time of a suspended machine counts too, where the system can tell it.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Seconds on a clock that never steps and does not stop while this process or machine is suspended."""
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True, slots=True)
class Lease:
    """Our right to one server: the name it is recorded under, and "<fencing number> <worker>"."""

    name: str
    value: str


class RedisDirectory:
    """See `directory.Directory`.

    Args:
        url: as redis-py reads it.
        bus: carries states and hints that leases changed.
        prefix: sets this hub apart from others on the same Redis.
        holding: this process takes servers (a worker); otherwise it only looks.
    """

    def __init__(self, url: str, bus: Bus, *, prefix: str = "mcphub", holding: bool = False) -> None:
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.on_gone: list[Callable[[str], None]] = []
        self._client = Redis.from_url(
            url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 1)
        )
        self._script = self._client.register_script(SCRIPT)
        self._keys = [f"{prefix}:{name}" for name in ("workers", "leases", "fence", "birth", "states:")]
        self._bus = bus
        self._states = SharedStates(self._client, bus, self._keys[-1], self.worker)
        self._holding = holding
        self._wanted: dict[str, Placement] = {}
        self._held: dict[str, Lease] = {}
        self._leaving: set[str] = set()
        self._closed: set[str] = set()
        self._free_since: dict[str, float] = {}
        self._adopted: set[str] = set()
        self._lapses = 0.0
        self._quiet_until = 0.0
        self._reached = 0.0
        self._in_touch = False
        self._view = View("", {}, {})
        self._holders: dict[str, tuple[str, ...]] = {}
        self._wake = asyncio.Event()
        self._looked: asyncio.Future[None] | None = None
        self._applier = Applier(self._were_closed)
        self._rounds: asyncio.Task[None] | None = None
        self._stopping = False
        self._subscriptions: list[Unsubscribe] = []

    @property
    def on_mine(self) -> Callable[[frozenset[str]], Awaitable[None]] | None:
        return self._applier.apply

    @on_mine.setter
    def on_mine(self, apply: Callable[[frozenset[str]], Awaitable[None]] | None) -> None:
        self._applier.apply = apply

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._stopping = False
        self._looked = loop.create_future()
        self._reached = now()
        self._quiet_until = now() + SETTLE
        self._subscriptions = [
            self._bus.subscribe(StateChanged, self._states.heard),
            self._bus.subscribe(LeasesChanged, lambda fact: self._wake.set()),
        ]
        self._applier.start()
        # The carriages are below `gateway.tasks`; this task is held here and its end is awaited in `stop`.
        self._rounds = loop.create_task(self._go_round(), name="directory:rounds")
        await self.refresh()

    async def stop(self) -> None:
        for unsubscribe in self._subscriptions:
            unsubscribe()
        await self._applier.aclose()
        if self._rounds is not None:
            # Not cancelled: redis-py may swallow that, and a round takes no longer than PATIENCE.
            self._stopping = True
            self._wake.set()
            await self._rounds
        if self._holding:
            with contextlib.suppress(redis.RedisError, OSError, TimeoutError):
                await self._leave()
        self._held.clear()
        await self._client.aclose()

    def want(self, servers: Mapping[str, Placement]) -> None:
        if self._wanted != servers:
            self._wanted = dict(servers)
            self._free_since.clear()
            self._leave_unwanted()
            self._wake.set()

    def mine(self) -> frozenset[str]:
        return frozenset(self._held.keys() - self._leaving)

    def holds(self, server: str) -> bool:
        return server in self._held and server not in self._leaving and now() < self._lapses

    def hand_over(self, server: str) -> bool:
        if server not in self._held or self._wanted.get(server) != "one" or not self._belongs_elsewhere(server):
            return False
        self._give_up({server})
        return True

    def holders(self, server: str) -> tuple[str, ...]:
        holders = self._holders.get(server, ())
        if len(holders) > 1:
            return tuple(worker for worker in holders if self._states.is_connected(server, worker)) or holders
        return holders

    async def refresh(self) -> None:
        self._wake.set()
        if self._looked is not None:
            await asyncio.wait((self._looked,), timeout=PATIENCE)

    def publish_state(self, server: str, state: State) -> None:
        self._states.publish(server, state)

    def states(self) -> dict[str, State]:
        return self._states.all(self._holders)

    # --- rounds

    async def _go_round(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._round()
            except (redis.RedisError, OSError, TimeoutError) as failure:
                self._lost_touch(failure)
            except Exception:
                logger.exception("A round of the directory failed.")
            self._tell_who_waits()
            await asyncio.sleep(LEAST_PAUSE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND - LEAST_PAUSE):
                    await self._wake.wait()

    async def _round(self) -> None:
        began = now()
        taking = self._to_take() if self._holding else {}
        dropping = {server: self._held[server] for server in self._closed if server in self._held}
        keeping = {server: lease for server, lease in self._held.items() if server not in dropping}
        view = await self._run(keeping.values(), [*dropping.values(), *self._strays()], taking.values())
        self._regain_touch(view)
        if self._holding:
            self._lapses = began + LIFETIME - MARGIN
            self._settle_leases(view, keeping, dropping, taking)
            await self._states.write()
        self._see(view)
        await self._states.read(self._view.workers)

    async def _run(self, keep: Iterable[Lease], drop: Iterable[Lease], take: Iterable[str]) -> View:
        orders = {
            "keep": {lease.name: lease.value for lease in keep},
            "drop": {lease.name: lease.value for lease in drop},
            "take": list(take),
        }
        worker = self.worker if self._holding else ""
        reply = await self._script(
            keys=self._keys, args=[worker, int(LIFETIME * 1000), msgspec.json.encode(orders).decode()]
        )
        return View.of(reply)

    def _name(self, server: str, placement: Placement) -> str:
        # `every` needs no agreement, but the same record tells the others who serves.
        return server if placement == "one" else f"{server}#{self.worker}"

    # --- holding

    def _to_take(self) -> dict[str, str]:
        """What this round shall take, by its lease's name: what every worker holds, and what is free and due to us."""
        return {
            server: self._name(server, placement)
            for server, placement in self._wanted.items()
            if server not in self._held
            and (placement == "every" or (now() >= self._quiet_until and self._is_due(server)))
        }

    def _strays(self) -> list[Lease]:
        """Leases that are recorded as ours and that we do not know of (given up while Redis was away)."""
        known = {lease.name for lease in self._held.values()}
        return [
            Lease(name, value)
            for name, value in self._view.leases.items()
            if name not in known and value.endswith(f" {self.worker}")
        ]

    def _is_due(self, server: str) -> bool:
        if server in self._view.leases:
            self._free_since.pop(server, None)
            return False
        if not self._belongs_elsewhere(server):
            return True
        if now() - self._free_since.setdefault(server, now()) < NEGLECTED:
            return False
        self._adopted.add(server)
        return True

    def _belongs_elsewhere(self, server: str) -> bool:
        return chosen(server, {*self._view.workers, self.worker}) != self.worker

    def _settle_leases(
        self, view: View, kept: Mapping[str, Lease], dropped: Mapping[str, Lease], taken: Mapping[str, str]
    ) -> None:
        """Bring what we believe to hold in line with what the script did."""
        before = self.mine()
        lost = {server for server, lease in kept.items() if view.leases.get(lease.name) != lease.value}
        for server in lost | dropped.keys():
            self._held.pop(server, None)
            self._leaving.discard(server)
            self._closed.discard(server)
        for server, name in taken.items():
            value = view.leases.get(name, "")
            if value.endswith(f" {self.worker}"):
                self._held[server] = Lease(name, value)
                self._free_since.pop(server, None)
        for server in lost:
            logger.warning("Lost the lease of server %s; another worker holds it now.", server)
        if self.mine() != before:
            self._mine_changed()
        self._leave_unwanted()
        self._leave_what_may_move()

    def _leave_unwanted(self) -> None:
        """Also what is wanted in the other way (`one`, `every`): its lease goes by another name."""
        names = {server: self._name(server, placement) for server, placement in self._wanted.items()}
        self._give_up({server for server, lease in self._held.items() if names.get(server) != lease.name})

    def _leave_what_may_move(self) -> None:
        """Servers whose connection is not up go to the worker that should have them: nothing is lost by it."""
        if now() < self._quiet_until:
            return
        self._give_up(
            {
                server
                for server in self._held
                if self._wanted.get(server) == "one"
                and server not in self._adopted
                and self._states.own(server).get("state") in MOVABLE
                and self._belongs_elsewhere(server)
            }
        )

    def _give_up(self, servers: set[str]) -> None:
        """Have the connections closed; the leases follow when they are (`_were_closed`)."""
        new = servers - self._leaving
        if new:
            self._leaving |= new
            self._mine_changed()

    def _mine_changed(self) -> None:
        mine = self.mine()
        self._states.retain(mine)
        self._applier.changed(mine)
        self._bus.publish(LeasesChanged(self.worker))

    def _were_closed(self, mine: frozenset[str]) -> None:
        self._closed |= self._leaving - mine
        if self._closed:
            self._wake.set()

    async def _leave(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._run((), self._held.values(), ())
            await self._client.zrem(self._keys[0], self.worker)
            await self._states.erase()
        self._bus.publish(LeasesChanged(self.worker))

    # --- seeing

    def _see(self, view: View) -> None:
        known = self._view
        if now() < self._quiet_until:
            # Who has not been heard since Redis is back may still be reconnecting.
            view = View(view.birth, {**known.workers, **view.workers}, {**known.leases, **view.leases})
        self._view = view
        holders: dict[str, list[str]] = {}
        for name, lease in view.leases.items():
            worker = lease.partition(" ")[2]
            holders.setdefault(name.partition("#")[0], []).append(worker)
        self._holders = {server: tuple(sorted(workers)) for server, workers in holders.items()}
        if known.workers.keys() != view.workers.keys():
            self._adopted.clear()
        for worker in known.workers.keys() - view.workers.keys():
            logger.warning("Worker %s is gone.", worker)
            for hear in tuple(self.on_gone):
                hear(worker)

    def _tell_who_waits(self) -> None:
        assert self._looked is not None
        if not self._looked.done():
            self._looked.set_result(None)
        self._looked = asyncio.get_running_loop().create_future()

    # --- Redis comes and goes

    def _lost_touch(self, failure: Exception) -> None:
        if self._in_touch:
            logger.warning("The directory in Redis is out of reach: %s", failure or type(failure).__name__)
        self._in_touch = False
        if self._held and now() > self._reached + ABANDON:
            logger.error("Redis is away for %d s; closing the connections held under its leases.", ABANDON)
            self._held.clear()
            self._leaving.clear()
            self._mine_changed()

    def _regain_touch(self, view: View) -> None:
        self._reached = now()
        forgot = self._view.birth not in ("", view.birth)
        if forgot:
            self._states.rewrite()
        if forgot or (not self._in_touch and self._view.birth):
            self._quiet_until = now() + SETTLE
        self._in_touch = True
