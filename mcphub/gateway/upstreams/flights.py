"""Requests in flight on one connection, and what an upstream says to them besides their answers. No I/O.

Above: `duplex`, `remote`. Below: `inbound`, `stamp`. Which call does a message of a session-based upstream belong to?
Progress carries a token. What arrives on the stream of a request belongs to that request. Without such a stream a log
message goes to the call in flight if there is exactly one; a question (sampling, elicitation, roots) goes to the one
call in flight whose caller can answer it, or to the one whose progress token it carries in `_meta`; with several
candidates it is refused, as one caller's question must never reach another (docs/decisions/0011-whose-question.md).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import UNSET, DecodeError, Raw

from mcphub.gateway import jsonrpc
from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.errors import InvalidRequest
from mcphub.gateway.jsonrpc import Id, Message, members
from mcphub.gateway.ports import Level
from mcphub.gateway.tasks import Tasks
from mcphub.gateway.upstreams import inbound
from mcphub.gateway.upstreams.base import Listener
from mcphub.gateway.upstreams.stamp import with_token


class Flight(ABC):
    """One request in flight. `call` and `exchange` are None for the hub's own requests.

    A transport adds how it waits for the answer and how it keeps the time.
    """

    __slots__ = ("call", "exchange", "questions", "token")

    def __init__(self, call: Call | None, exchange: Exchange | None) -> None:
        self.call = call
        self.exchange = exchange
        #: the caller's progress token, which the hub's own id stands in for
        self.token: Raw | None = None
        self.questions: set[asyncio.Task[Any]] | None = None

    @abstractmethod
    def progressed(self) -> None:
        """The upstream is at work: where the options say so, the timeout starts again, up to the hard limit."""

    @abstractmethod
    def suspend(self) -> None:
        """Somebody has to answer a question: only the hard limit counts."""

    @abstractmethod
    def resume(self) -> None:
        """The question was answered: the timeout starts again."""

    def landed(self) -> None:
        """The request is over: nobody waits for its questions any more."""
        if self.questions:
            for question in self.questions:
                question.cancel()


F = TypeVar("F", bound=Flight)


class Flights(Generic[F]):
    """The flights of one connection by the hub's own ids.

    Args:
        reply: sends a response to the upstream; must not block or fail.
        complain: logs what was dropped.
    """

    def __init__(
        self,
        listener: Listener,
        tasks: Tasks,
        reply: Callable[[bytes], None],
        complain: Callable[[Level, str], None],
    ) -> None:
        self.by_id: dict[int, F] = {}
        self._listener = listener
        self._tasks = tasks
        self._reply = reply
        self._complain = complain
        self._relays: dict[Id, asyncio.Task[Any]] = {}

    def heard(self, message: Message, flight: F | None = None) -> None:
        """Take a notification or a request of the upstream; `flight` is whose stream it came on, if it has one."""
        method = str(message.method)
        params = message.params if isinstance(message.params, Raw) else jsonrpc.EMPTY
        if message.id is not UNSET and message.id is not None:
            self._asked(message.id, method, params, flight)
            return
        try:
            self._noticed(method, params, flight)
        except (InvalidRequest, DecodeError):
            self._complain("warning", f"Dropped a malformed {method}.")

    def _noticed(self, method: str, params: Raw, flight: F | None) -> None:
        if method == "notifications/progress":
            self._progressed(params)
        elif method == "notifications/cancelled":
            relay = self._relays.get(inbound.cancelled_id(params) or 0)
            if relay is not None:
                relay.cancel()
        elif method == "notifications/message" and (exchange := self._exchange_of(flight)) is not None:
            exchange.notify(method, params)
        else:
            inbound.notice(self._listener, method, params)

    def _progressed(self, params: Raw) -> None:
        token = members(params).get("progressToken")
        try:
            flight = self.by_id.get(int(bytes(token or b"")))
        except ValueError:
            return
        if flight is not None and flight.token is not None and flight.exchange is not None:
            flight.progressed()
            flight.exchange.notify("notifications/progress", with_token(params, flight.token))

    def _exchange_of(self, flight: F | None) -> Exchange | None:
        if flight is not None:
            return flight.exchange
        exchanges = [flight.exchange for flight in self.by_id.values() if flight.exchange is not None]
        return exchanges[0] if len(exchanges) == 1 else None

    def _asked(self, identity: Id, method: str, params: Raw, flight: F | None) -> None:
        if method == "ping":
            self._reply(jsonrpc.result(identity, b"{}"))
            return
        asked = self._who_answers(method, params, flight)
        if asked is None or asked.exchange is None:
            self._reply(inbound.refusal(identity, method))
            return
        relay = self._tasks.start(self._relay(asked, asked.exchange, identity, method, params), f"relay {method}")
        self._relays[identity] = relay
        asked.questions = asked.questions or set()
        asked.questions.add(relay)

    def _who_answers(self, method: str, params: Raw, flight: F | None) -> F | None:
        if flight is not None and flight.call is not None:
            return flight if inbound.may_answer(flight.call, method) else None
        able = {
            own: other
            for own, other in self.by_id.items()
            if other.call is not None and inbound.may_answer(other.call, method)
        }
        if len(able) > 1:
            return able.get(inbound.token_of(params) or 0)
        return next(iter(able.values()), None)

    async def _relay(self, flight: F, exchange: Exchange, identity: Id, method: str, params: Raw) -> None:
        flight.suspend()
        try:
            self._reply(await inbound.answer(exchange, identity, method, params))
        finally:
            del self._relays[identity]
            flight.resume()
