"""Keeper: keeps the connection of one server as its spec says, for ever, and carries calls to it.

One task a server runs `_keep`: connect, live, and after any end wait and connect again. Everything that can go
wrong with one server ends here; nothing of it reaches another server or the supervisor.
Above: `supervisor`. Below: `standing` (the rules), `gates`, `scopes`, the transports behind `base.Upstream`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from msgspec import Raw

from mcphub.errors import HubError
from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.errors import (
    AuthenticationRefused,
    ConnectionLost,
    ForbiddenAddress,
    RpcError,
    UpstreamBusy,
    UpstreamUnavailable,
)
from mcphub.gateway.inventory import Inventory
from mcphub.gateway.ports import InventorySink, Level, LogLine, LogSink, StateSink, UpstreamState
from mcphub.gateway.snapshot import ServerSpec
from mcphub.gateway.tasks import Tasks
from mcphub.gateway.upstreams.base import Listener, Upstream
from mcphub.gateway.upstreams.gates import InFlight, Starts
from mcphub.gateway.upstreams.handshake import Memory
from mcphub.gateway.upstreams.lists import Lists, OnListChanged, describe
from mcphub.gateway.upstreams.scopes import ScopeCount, Scopes
from mcphub.gateway.upstreams.standing import Circuit, Event, Standing, advance, forgive, pause

#: A connection that lived this long was a good one: the next failure counts as the first.
_STABLE = 10.0
_PING_TIMEOUT = 5.0
#: How long a call waits for the first connection of a server that is just being started.
_FIRST_CONNECTION = 10.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all keepers of a supervisor share. `make` builds an unopened upstream for a spec."""

    make: Callable[[ServerSpec, Listener, Memory], Upstream]
    inventory_sink: InventorySink
    state_sink: StateSink
    log_sink: LogSink
    starts: Starts
    scope_count: ScopeCount
    worker: str = ""
    on_list_changed: OnListChanged = lambda server, kind, differs: None
    on_resource_updated: Callable[[str, str], None] = lambda server, uri: None
    on_notice: Callable[[str, str, Raw], None] = lambda server, method, params: None
    jitter: random.Random = field(default_factory=random.Random)


class Keeper:
    """See the module. `close` it when the server is no longer wanted here."""

    def __init__(self, spec: ServerSpec, around: Surroundings) -> None:
        self.spec = spec
        self._around = around
        self._standing = Standing(since=time.time())
        self._tasks = Tasks(f"keeper {spec.name}")
        self._memory = Memory()
        self._circuit = Circuit(around.jitter)
        self._gate = InFlight()
        self._connects = 0
        self._lists = Lists(self, around.inventory_sink, around.on_list_changed, self._tasks, around.jitter)
        self._scopes = Scopes(self._open_scoped, self._end, around.scope_count)
        self._upstream: Upstream | None = None
        self._ready: asyncio.Future[Upstream] | None = None
        self._attention = asyncio.Event()
        self._suspected = False
        self._primed = False
        self._last_used = 0.0
        self._ends: set[asyncio.Task[Any]] = set()
        self._wanted: Counter[str] = Counter()
        self._main: asyncio.Task[Any] | None = None

    # --- what the supervisor asks for

    def start(self) -> None:
        """Begin to keep the connection."""
        self._main = self._tasks.start(self._keep(None), "keep")

    def adopt(self, spec: ServerSpec) -> None:
        """Take over a changed spec; reconnects only if the connection itself changed or a reload is wanted."""
        before, self.spec = self.spec, spec
        if (before.connection, before.generation) != (spec.connection, spec.generation):
            self.restart()
            return
        if self._upstream is not None:
            self._upstream.adopt(spec)
        self._scopes.adopt(spec)
        self._attention.set()

    def restart(self) -> None:
        """Connect anew at once, whatever is going on: with fresh patience, a fresh probe and a closed circuit."""
        self._standing = forgive(self._standing)
        self._memory = Memory()
        self._circuit.close()
        self._primed = False
        self._lists.forget()
        before = self._main
        if before is None:
            return  # it has not begun yet, and will begin with all that is new
        before.cancel()
        self._tasks.start(self._scopes.aclose(), "close scopes")
        self._main = self._tasks.start(self._keep(before), "keep")

    def retry_now(self) -> None:
        """Try again at once where the next attempt is being waited for; a connection that works or is made stays."""
        if self._standing.state in ("retrying", "oauth_required", "disconnected"):
            self.restart()
        else:
            self._circuit.close()

    @property
    def upstream(self) -> Upstream | None:
        """The present connection, if there is one."""
        return self._upstream

    def state(self) -> UpstreamState:
        """Where the connection stands now."""
        standing = self._standing
        return UpstreamState(
            server=self.spec.key,
            name=self.spec.name,
            state=standing.state,
            reason=standing.reason or self._circuit.reason,
            attempt=standing.attempt,
            next_attempt=standing.next_attempt,
            since=standing.since,
            connected_at=standing.connected_at,
            authorization_url=standing.authorization_url,
            worker=self._around.worker,
            in_flight=self._gate.busy,
            queued=self._gate.queued,
            connects=self._connects,
        )

    async def subscribe(self, uri: str, wanted: bool) -> None:
        """Count who wants updates of a resource; tell the upstream at the first and at the last."""
        self._wanted[uri] += 1 if wanted else -1
        count = self._wanted[uri]
        if count <= 0:
            del self._wanted[uri]
        if self._upstream is not None and count == (1 if wanted else 0):
            await self._upstream.subscribe(uri, wanted)

    def sweep(self, now: float) -> None:
        """Close per-session clients that nobody used for a while."""
        self._scopes.sweep(now)

    def end_scope(self, scope: str) -> None:
        """A session ended: so does its client."""
        self._scopes.end(scope)

    async def close(self) -> None:
        """End the connection for good; returns when nothing of it is left."""
        if self._main is not None:
            self._main.cancel()
            await asyncio.wait([self._main])
        await self._scopes.aclose()
        # Ends must not be cut short by the cancelling below: a child would be left.
        while self._ends:
            await asyncio.wait(self._ends)
        await self._tasks.aclose()
        self._fail_ready(UpstreamUnavailable("The server was switched off or removed."))
        self._step("stopped")

    # --- calls

    async def call(self, call: Call, exchange: Exchange) -> Raw:
        """Carry one call; see `links.Link.call`."""
        if call.scope is not None and call.method == "tools/call" and self.spec.lifecycle.per_session_client:
            return await self._scopes.call(call, exchange, self.spec)
        options = self.spec.options
        gate = self._gate
        if gate.busy < options.max_in_flight:
            gate.busy += 1
        else:
            await gate.wait(options)
        try:
            upstream = self._upstream
            if upstream is None:
                upstream = await self._awaited()
            if self._circuit.failures and not self._circuit.admits(time.monotonic()):
                raise self._circuit_open()
            return await self._carry(upstream, call, exchange)
        finally:
            self._last_used = time.monotonic()
            gate.leave()

    async def _carry(self, upstream: Upstream, call: Call, exchange: Exchange) -> Raw:
        circuit = self._circuit
        try:
            result = await upstream.request(call, exchange)
        except RpcError:
            circuit.succeeded()
            raise
        except HubError as failure:
            opened = circuit.failed(time.monotonic(), failure.message)
            if opened:
                self._log("warning", f"Calls are refused for a while, as several failed in a row: {failure.message}")
            if opened or isinstance(failure, ConnectionLost):
                self._suspect()
            raise
        except BaseException:
            circuit.abandoned()
            raise
        if circuit.failures:
            circuit.succeeded()
        return result

    def _suspect(self) -> None:
        """Have the upstream pinged: what just happened to a call may be the end of it."""
        self._suspected = True
        self._attention.set()

    def _circuit_open(self) -> UpstreamUnavailable:
        wait = max(0.0, (self._circuit.open_until or 0.0) - time.monotonic())
        return self._unavailable(self._circuit.reason, time.time() + wait)

    def _unavailable(self, reason: str, next_attempt: float | None) -> UpstreamUnavailable:
        data: dict[str, Any] = {"state": self._standing.state, "reason": reason, "attempt": self._standing.attempt}
        if next_attempt is not None:
            data["nextAttempt"] = datetime.fromtimestamp(next_attempt, UTC).isoformat(timespec="milliseconds")
        if self._standing.authorization_url is not None:
            data["authorizationUrl"] = self._standing.authorization_url
        sentence = "The MCP server behind this item is not connected"
        return UpstreamUnavailable(f"{sentence}: {reason}" if reason else f"{sentence}.", data=data)

    async def _awaited(self) -> Upstream:
        """The connection, where waiting for it makes sense: a server on demand that starts, or a very first attempt."""
        standing = self._standing
        on_demand = self.spec.lifecycle.start_on_demand
        starting = standing.state == "connecting" and (on_demand or standing.attempt == 0)
        if not (standing.state == "sleeping" or starting):
            raise self._unavailable(standing.reason, standing.next_attempt)
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
        ready = self._ready
        self._attention.set()
        patience = self.spec.options.timeout if on_demand else min(_FIRST_CONNECTION, self.spec.options.timeout)
        try:
            async with asyncio.timeout(patience):
                return await asyncio.shield(ready)
        except TimeoutError:
            raise self._unavailable("It is still being started.", None) from None

    def _fail_ready(self, failure: UpstreamUnavailable) -> None:
        if self._ready is not None:
            if not self._ready.done():
                self._ready.set_exception(failure)
                self._ready.exception()  # retrieved: there may be nobody left to hear it
            self._ready = None

    # --- the one task

    async def _keep(self, before: asyncio.Task[Any] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        while True:
            if self._may_sleep():
                await self._sleep()
            self._step("starting")
            upstream: Upstream | None = None
            try:
                upstream = self._around.make(self.spec, self, self._memory)
                inventory = await self._open(upstream)
                self._connected(upstream, inventory)
                failure = await self._live(upstream)
            except asyncio.CancelledError:
                raise
            except Exception as wrong:
                failure = wrong
            finally:
                self._upstream = None
                if upstream is not None:
                    await self._end(upstream)
            if failure is not None:
                await self._recover(failure)

    def _may_sleep(self) -> bool:
        return self.spec.lifecycle.start_on_demand and self._primed and self._ready is None

    async def _sleep(self) -> None:
        if self._standing.state != "sleeping":
            self._step("slept")
        while self._may_sleep():
            self._attention.clear()
            await self._attention.wait()

    async def _open(self, upstream: Upstream) -> Inventory:
        async with self._around.starts.slot():
            began = time.monotonic()
            limit = self.spec.options.connect_timeout
            try:
                async with asyncio.timeout(limit):
                    inventory = await upstream.open()
            except TimeoutError:
                raise UpstreamUnavailable(f"The server did not finish its handshake within {limit:g} s.") from None
        self._log(
            "info",
            f"Connected in {time.monotonic() - began:.2f} s ({inventory.revision or 'OpenAPI'}): "
            f"{len(inventory.tools)} tools, {len(inventory.prompts)} prompts, {len(inventory.resources)} resources.",
        )
        return inventory

    def _connected(self, upstream: Upstream, inventory: Inventory) -> None:
        self._upstream = upstream
        self._connects += 1
        self._primed = True
        self._suspected = False
        self._last_used = time.monotonic()
        self._circuit.close()
        upstream.closed.add_done_callback(lambda _: self._attention.set())
        self._lists.take(inventory)
        for uri in self._wanted:
            self._tasks.start(self._subscribe_again(upstream, uri), "subscribe again")
        self._step("opened")
        if self._ready is not None:
            if not self._ready.done():
                self._ready.set_result(upstream)
            self._ready = None

    async def _subscribe_again(self, upstream: Upstream, uri: str) -> None:
        try:
            await upstream.subscribe(uri, True)
        except (HubError, RpcError) as failure:
            self._log("warning", f"Could not subscribe to {uri} again: {describe(failure)}")

    async def _live(self, upstream: Upstream) -> BaseException | None:
        """Until the connection ends; returns why, or None where it may sleep now."""
        pinged = time.monotonic()
        while True:
            self._attention.clear()
            if upstream.closed.done():
                return upstream.closed.result() or UpstreamUnavailable("The connection was closed.")
            now = time.monotonic()
            life = self.spec.lifecycle
            waits: list[float] = []
            if life.start_on_demand:
                if self._gate.busy == 0 and now - self._last_used >= life.idle_timeout:
                    return None
                waits.append(max(0.01, self._last_used + life.idle_timeout - now))
            if life.keep_alive:
                waits.append(max(0.0, pinged + life.keep_alive_interval - now))
            if self._suspected or (life.keep_alive and now - pinged >= life.keep_alive_interval):
                self._suspected = False
                if (failure := await self._ping(upstream)) is not None:
                    return failure
                pinged = time.monotonic()
                continue
            try:
                async with asyncio.timeout(min(waits, default=None)):
                    await self._attention.wait()
            except TimeoutError:
                pass

    async def _ping(self, upstream: Upstream) -> BaseException | None:
        try:
            async with asyncio.timeout(_PING_TIMEOUT):
                await upstream.ping()
        except TimeoutError:
            return UpstreamUnavailable(f"The server did not answer a ping within {_PING_TIMEOUT:g} s.")
        except UpstreamBusy:
            return None  # an answer, if not a friendly one
        except HubError as failure:
            return failure
        return None

    async def _recover(self, failure: BaseException) -> None:
        """Tell what happened, then wait until the next attempt makes sense."""
        connected_at = self._standing.connected_at
        if connected_at is not None and time.time() - connected_at >= _STABLE:
            self._standing = forgive(self._standing)
        reason = describe(failure)
        if isinstance(failure, AuthenticationRefused):
            data = failure.data or {}
            self._log("warning", f"Credentials were refused: {reason}")
            signing_in = bool(data.get("oauth"))
            self._step("refused" if signing_in else "rejected", reason, None, data.get("authorization_url"))
        elif isinstance(failure, ForbiddenAddress):
            self._log("error", reason)
            self._step("rejected", reason)
        else:
            seconds = pause(self._standing.attempt + 1, self._around.jitter)
            lost = "Lost the connection" if connected_at is not None else "Could not connect"
            self._log("warning", f"{lost}: {reason} Next attempt in {seconds:.1f} s.")
            self._step("failed", reason, time.time() + seconds)
            self._fail_ready(self._unavailable(reason, self._standing.next_attempt))
            await asyncio.sleep(seconds)
            return
        self._fail_ready(self._unavailable(reason, None))
        # Nothing to try until somebody changes or reloads the server, which replaces this task.
        await asyncio.get_running_loop().create_future()

    async def _end(self, upstream: Upstream) -> None:
        """Close an upstream completely, even if whoever asked for it is cancelled."""
        end = self._tasks.start(upstream.aclose(), "close")
        self._ends.add(end)
        end.add_done_callback(self._ends.discard)
        await asyncio.shield(end)

    async def _open_scoped(self) -> Upstream:
        upstream = self._around.make(self.spec, _ScopedEar(self), self._memory)
        try:
            await self._open(upstream)
        except BaseException:
            await self._end(upstream)
            raise
        return upstream

    # --- what the upstream tells

    def list_changed(self, kind: str) -> None:
        self._lists.changed(kind)

    def resource_updated(self, uri: str) -> None:
        self._around.on_resource_updated(self.spec.key, uri)

    def notice(self, method: str, params: Raw) -> None:
        self._around.on_notice(self.spec.key, method, params)

    def log(self, level: Level, message: str, source: str = "connection") -> None:
        self._around.log_sink.write(LogLine(time.time(), level, source, message, server=self.spec.name))

    def _log(self, level: Level, message: str) -> None:
        self.log(level, message)

    def _step(
        self, event: Event, reason: str = "", next_attempt: float | None = None, authorization_url: str | None = None
    ) -> None:
        self._standing = advance(
            self._standing,
            event,
            time.time(),
            reason=reason,
            next_attempt=next_attempt,
            authorization_url=authorization_url,
        )
        self._around.state_sink.changed(self.state())


class _ScopedEar:
    """The listener of a per-session client: its lists are the shared client's, its words are heard."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self.log = keeper.log
        self.notice = keeper.notice
        self.resource_updated = keeper.resource_updated

    def list_changed(self, kind: str) -> None:
        return None
