"""Per-session clients of one server (`perSessionClient`): one upstream a scope, made at its first tool call.

Above: `keeper`. Below: `base`, `gates`. A scope is a session of the old era or a state handle of the new one; what it
is was decided above. (behaviour reference 1.11, 1.4)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from msgspec import Raw

from mcphub.errors import HubError
from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.errors import RpcError, UpstreamBusy, UpstreamUnavailable
from mcphub.gateway.snapshot import ServerSpec
from mcphub.gateway.tasks import Tasks
from mcphub.gateway.upstreams.base import Upstream
from mcphub.gateway.upstreams.gates import InFlight

#: Seconds without a call after which a client is closed.
IDLE_LIMIT = 30 * 60.0


@dataclass(slots=True)
class ScopeCount:
    """How many per-session clients one process has, over all servers."""

    limit: int = 1000
    used: int = 0


@dataclass(slots=True)
class _Client:
    ready: asyncio.Future[Upstream]
    gate: InFlight = field(default_factory=InFlight)
    last_used: float = field(default_factory=time.monotonic)


class Scopes:
    """The clients by scope. `start` opens a fresh upstream, `end` closes one completely."""

    def __init__(
        self,
        start: Callable[[], Awaitable[Upstream]],
        end: Callable[[Upstream], Awaitable[None]],
        count: ScopeCount,
    ) -> None:
        self._start = start
        self._end = end
        self._count = count
        self._clients: dict[str, _Client] = {}
        self._tasks = Tasks("per-session clients")

    async def call(self, call: Call, exchange: Exchange, spec: ServerSpec) -> Raw:
        """Carry a call over the client of its scope. Raises as `links.Link.call`."""
        scope = call.scope or ""
        client = self._clients.get(scope) or self._add(scope)
        if client.gate.busy < spec.options.max_in_flight:
            client.gate.busy += 1
        else:
            await client.gate.wait(spec.options)
        try:
            ready = client.ready
            upstream = ready.result() if ready.done() else await asyncio.shield(ready)
            return await upstream.request(call, exchange)
        finally:
            client.last_used = time.monotonic()
            client.gate.leave()

    def _add(self, scope: str) -> _Client:
        if self._count.used >= self._count.limit:
            raise UpstreamBusy(f"This hub holds {self._count.limit} per-session clients already; try again later.")
        self._count.used += 1
        client = self._clients[scope] = _Client(asyncio.get_running_loop().create_future())
        self._tasks.start(self._live(scope, client), "live")
        return client

    async def _live(self, scope: str, client: _Client) -> None:
        """The whole life of one client, from its start to its complete end."""
        try:
            upstream = await self._start()
        except (Exception, asyncio.CancelledError) as failure:
            self._forget(scope, client)
            client.ready.set_exception(_as_unavailable(failure))
            client.ready.exception()  # retrieved: the caller may have gone away meanwhile
            if isinstance(failure, asyncio.CancelledError):
                raise
            return
        client.ready.set_result(upstream)
        try:
            await asyncio.wait([upstream.closed])
        finally:
            self._forget(scope, client)
            await self._end(upstream)

    def _forget(self, scope: str, client: _Client) -> None:
        if self._clients.get(scope) is client:
            del self._clients[scope]
        self._count.used -= 1

    def adopt(self, spec: ServerSpec) -> None:
        """Hand a changed spec to all clients."""
        for client in self._clients.values():
            if client.ready.done() and client.ready.exception() is None:
                client.ready.result().adopt(spec)

    def sweep(self, now: float) -> None:
        """Close what was idle for too long; `now` as `time.monotonic`."""
        for scope, client in list(self._clients.items()):
            if client.gate.busy == 0 and now - client.last_used >= IDLE_LIMIT:
                self.end(scope)

    def end(self, scope: str) -> None:
        """Close the client of one scope, if there is one."""
        client = self._clients.pop(scope, None)
        if client is not None and client.ready.done() and client.ready.exception() is None:
            self._tasks.start(client.ready.result().aclose(), "end scope")

    async def aclose(self) -> None:
        """Close all clients; returns when nothing is left of them."""
        await self._tasks.aclose()


def _as_unavailable(failure: BaseException) -> HubError:
    if isinstance(failure, HubError):
        return failure
    reason = failure.message if isinstance(failure, RpcError) else str(failure) or type(failure).__name__
    return UpstreamUnavailable(f"The server could not be started for this session: {reason}")
