"""Duplex: many requests at once over one two-way channel of JSON-RPC messages (stdio, HTTP+SSE). No I/O of its own.

Above: `stdio`, `sse`, which hand in `write` and call `receive`. Below: `flights` (what else the
upstream says), `stamp`. One future per
request, no task, no lock, no timer: one sweeper watches all deadlines, because a timer per call costs more than
the rest of its bookkeeping.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, Raw

from mcphub.errors import HubError
from mcphub.gateway import jsonrpc
from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.errors import ConnectionLost, InvalidRequest, NotSent, ParseError, UpstreamTimeout
from mcphub.gateway.jsonrpc import Message
from mcphub.gateway.ports import Level
from mcphub.gateway.snapshot import CallOptions
from mcphub.gateway.tasks import Tasks
from mcphub.gateway.upstreams import inbound
from mcphub.gateway.upstreams.allowance import Allowance
from mcphub.gateway.upstreams.base import Listener
from mcphub.gateway.upstreams.flights import Flight, Flights
from mcphub.gateway.upstreams.stamp import OWN_CAPABILITIES, encode, stamp

#: Useless messages that are logged, a second.
_COMPLAINTS = 20.0

#: `write(message, own id or 0, call or None)`
Write = Callable[[bytes, int, Call | None], None]


class _Flight(Flight):
    """A request whose answer arrives in a future. `hard` is the deadline that progress cannot move."""

    __slots__ = ("deadline", "future", "hard", "resets", "timeout")

    def __init__(
        self, future: asyncio.Future[Raw], timeout: float, now: float, call: Call | None, exchange: Exchange | None
    ) -> None:
        super().__init__(call, exchange)
        self.future = future
        self.timeout = timeout
        self.deadline = now + timeout
        self.hard = math.inf
        self.resets = True

    def progressed(self) -> None:
        if self.resets:
            self.resume()

    def suspend(self) -> None:
        self.deadline = math.inf

    def resume(self) -> None:
        self.deadline = asyncio.get_running_loop().time() + self.timeout


class Duplex:
    """See the module.

    Args:
        write: sends one message, given without its end; must not block or fail. It is told the id and the call of a
            request, for transports that send each in an envelope of its own.
        listener: told of notifications that belong to no call.
        options: limits of each request; may be replaced while it runs.
    """

    def __init__(self, write: Write, listener: Listener, options: CallOptions, tasks: Tasks) -> None:
        self.modern = False
        self.revision: str | None = None
        self.options = options
        self._write = write
        self._listener = listener
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._heard: Flights[_Flight] = Flights(listener, tasks, self._reply, self._complain)
        self._flights = self._heard.by_id
        self._last = 0
        self._failure: ConnectionLost | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._complaints = Allowance(_COMPLAINTS, _COMPLAINTS * 4)
        #: Called for each useless message beyond those worth logging: time to read more slowly.
        self.on_noise: Callable[[], None] = lambda: None

    # --- out

    async def request(self, call: Call, exchange: Exchange) -> Raw:
        """Carry one call. Raises as `Upstream.request`."""
        if self._failure is not None:
            raise NotSent(self._failure.message)
        self._last += 1
        own = self._last
        params, token = stamp(call.params, own, modern=self.modern, capabilities=call.capabilities)
        options = self.options
        now = self._loop.time()
        flight = _Flight(self._loop.create_future(), options.timeout, now, call, exchange)
        flight.token = token
        flight.resets = options.reset_timeout_on_progress
        if options.max_total_timeout is not None:
            flight.hard = now + options.max_total_timeout
        return await self._fly(own, call.method, flight, encode(own, call.method, params))

    async def ask(self, method: str, params: Mapping[str, Any] | None = None, timeout: float | None = None) -> Raw:
        """Send a request of the hub's own; without `timeout` whoever awaits it must bound it."""
        if self._failure is not None:
            raise NotSent(self._failure.message)
        self._last += 1
        own = self._last
        given = {
            key: value if isinstance(value, Raw) else Raw(jsonrpc.dumps(value)) for key, value in (params or {}).items()
        }
        stamped, _ = stamp(given, own, modern=self.modern, capabilities=OWN_CAPABILITIES)
        patience = math.inf if timeout is None else timeout
        flight = _Flight(self._loop.create_future(), patience, self._loop.time(), None, None)
        return await self._fly(own, method, flight, encode(own, method, stamped))

    async def _fly(self, own: int, method: str, flight: _Flight, line: bytes) -> Raw:
        self._flights[own] = flight
        if self._sweeper is None and flight.deadline != math.inf:
            self._sweeper = self._loop.call_later(_interval(flight.timeout), self._sweep)
        self._write(line, own, flight.call)
        try:
            return await flight.future
        except asyncio.CancelledError:
            self._cancel_upstream(own, method, "The caller went away.")
            raise
        finally:
            self._flights.pop(own, None)
            flight.landed()

    async def tell(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Send a notification."""
        self._write(jsonrpc.notification(method, params), 0, None)

    def _cancel_upstream(self, own: int, method: str, reason: str) -> None:
        # MCP: the initialize request must not be cancelled.
        if self._failure is None and method != "initialize":
            cancelled = {"requestId": own, "reason": reason}
            self._write(jsonrpc.notification("notifications/cancelled", cancelled), 0, None)

    def _sweep(self) -> None:
        """End what is past its deadline; runs only while something is in flight."""
        self._sweeper = None
        now = self._loop.time()
        nearest = math.inf
        for own, flight in list(self._flights.items()):
            if flight.deadline <= now or flight.hard <= now:
                if not flight.future.done():
                    method = flight.call.method if flight.call is not None else ""
                    self._cancel_upstream(own, method, "The request timed out.")
                    flight.future.set_exception(UpstreamTimeout())
            elif flight.timeout < nearest:
                nearest = flight.timeout
        if nearest != math.inf:
            self._sweeper = self._loop.call_later(_interval(nearest), self._sweep)

    # --- in

    def receive(self, data: bytes) -> None:
        """Take one message. What is no JSON-RPC is logged and dropped."""
        try:
            message = jsonrpc.parse(data)
        except (ParseError, InvalidRequest) as wrong:
            self._receive_oddity(data, wrong)
            return
        if message.method is UNSET:
            self._answered(message)
        else:
            self._heard.heard(message)

    def _receive_oddity(self, data: bytes, wrong: HubError) -> None:
        if isinstance(wrong, InvalidRequest) and jsonrpc.is_batch(data):
            try:
                batch = jsonrpc.parse_batch(data)
            except HubError:
                batch = []
            for message in batch:
                self.receive(jsonrpc.dumps(message))
            if batch:
                return
        if (own := inbound.answered_id(data[:256], data[-256:])) is not None and own in self._flights:
            self.reject(own, inbound.useless_answer(wrong))
            return
        sample = data[:200].decode("utf-8", "replace")
        self._complain("warning", f"Dropped output that is no MCP message: {sample}")

    def reject(self, own: int, failure: HubError) -> None:
        """Request `own` failed by itself: its answer is useless, or it could not be sent."""
        flight = self._flights.get(own)
        if flight is not None and not flight.future.done():
            flight.future.set_exception(failure)

    def _answered(self, message: Message) -> None:
        flight = self._flights.get(message.id) if type(message.id) is int else None
        if flight is None:
            self._complain("debug", f"Dropped an answer to the unknown request {message.id!r}.")
        elif flight.future.done():
            return
        elif message.error is not UNSET:
            flight.future.set_exception(jsonrpc.error_of(message.error))
        else:
            flight.future.set_result(message.result)  # type: ignore[arg-type]

    def _complain(self, level: Level, sentence: str) -> None:
        if self._complaints.take():
            self._listener.log(level, sentence, "child")
        else:
            self.on_noise()

    def _reply(self, message: bytes) -> None:
        if self._failure is None:
            self._write(message, 0, None)

    # --- end

    def fail(self, failure: ConnectionLost) -> None:
        """The channel is gone: everything in flight fails with `failure`, everything later was not sent."""
        if self._failure is not None:
            return
        self._failure = failure
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for flight in self._flights.values():
            if not flight.future.done():
                # Each its own: a raised exception collects the tracebacks of everybody who raises it.
                flight.future.set_exception(ConnectionLost(failure.message))


def _interval(timeout: float) -> float:
    """How often deadlines are looked at: a timeout is late by at most a twentieth of itself."""
    return min(0.5, max(0.01, timeout / 20))
