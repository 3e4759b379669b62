"""RedisLink: carries a call to the worker that holds the upstream, and its answer back.

The directory says from memory who the holder is. A call that surely was not sent (its worker is not listening, or no
longer holds the server) is sent once more to whoever holds it now; a call whose fate is unknown fails with
`ConnectionLost` as soon as that can be known: Redis or the worker is gone, or the worker does not know the call.
Above: `gateway.methods`. Below: `peer.messages`, `wire`, `directory`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from mcphub.directory import Directory
from mcphub.gateway.calls import Call, Exchange, Silence
from mcphub.gateway.errors import ConnectionLost, NotSent, UpstreamUnavailable
from mcphub.gateway.links import Link
from mcphub.gateway.peer import messages
from mcphub.gateway.peer.messages import Answer, Ask, Cancel, Failed, Note, Pulse, Result, Subscribe, Unknown, Withdraw
from mcphub.gateway.tasks import Tasks
from mcphub.wire import Wire

logger = logging.getLogger(__name__)

#: Seconds between two pulses; calls younger than that are not mentioned in them.
PULSE = 2.0
#: Seconds a call waits for Redis to come back before it is refused: a reconnect takes less.
REDIS_PATIENCE = 1.0


@dataclass(slots=True, eq=False)
class _Waiting:
    """A call that was sent and not answered yet."""

    worker: str
    answer: asyncio.Future[Raw]
    exchange: Exchange
    since: float
    asks: dict[int, asyncio.Task[Any]] = field(default_factory=dict)


class RedisLink:
    """See `links.Link`.

    Args:
        url: of Redis, as redis-py reads it.
        directory: knows the holders.
        prefix: sets this hub apart from others on the same Redis.
        local: the way to the upstreams of this very process, if it holds any.
    """

    def __init__(self, url: str, directory: Directory, *, prefix: str = "mcphub", local: Link | None = None) -> None:
        self._wire = Wire(url, "mcphub-link", prefix)
        self._directory = directory
        self._local = local
        self._caller = secrets.token_hex(8)
        self._waiting: dict[str, _Waiting] = {}
        self._in_flight: Counter[str] = Counter()
        self._turn = itertools.count()
        self._resources: set[tuple[str, str]] = set()
        self._told: set[str] = set()
        self._tasks = Tasks("peer-link")

    async def start(self) -> None:
        """Begin to listen for answers."""
        self._wire.listen(messages.caller_channel(self._caller), self._heard)
        self._wire.on_down.append(self._redis_lost)
        self._directory.on_gone.append(self._worker_gone)
        self._tasks.start(self._keep_pulse(), "pulse")
        await self._wire.start()

    async def stop(self) -> None:
        """Fail what still waits, and disconnect."""
        self._directory.on_gone.remove(self._worker_gone)
        self._fail(list(self._waiting), "The hub is stopping.")
        await self._tasks.aclose()
        await self._wire.stop()

    async def call(self, call: Call, exchange: Exchange) -> Raw:
        message = messages.request_of(call, self._caller)
        try:
            return await self._once(call.id, call.server, message, exchange, call)
        except NotSent:
            # It moved, or its worker has just gone: who holds it now may have it, and nobody has executed it.
            await self._directory.refresh()
            return await self._once(call.id, call.server, message, exchange, call)

    async def subscribe(self, server: str, uri: str, wanted: bool) -> None:
        # The pulse repeats what is wanted, so it finds its way to another holder without being asked again.
        if not wanted:
            self._resources.discard((server, uri))
        id = f"{self._caller}:{next(self._turn)}"
        message = Subscribe(id, self._caller, server, uri, wanted)
        await self._once(id, server, message, Silence())
        if wanted:
            self._resources.add((server, uri))
            # Whoever holds it now must hear when that ends, also if it moves before the first pulse.
            self._told.update(self._directory.holders(server))

    async def _once(
        self, id: str, server: str, message: msgspec.Struct, exchange: Exchange, call: Call | None = None
    ) -> Raw:
        """Send a message to the server's holder and await the answer."""
        worker = self._choose(server)
        if call is not None and self._local is not None and worker == self._directory.worker:
            return await self._local.call(call, exchange)
        if not self._wire.connected and not await self._wire.wait_connected(REDIS_PATIENCE):
            raise UpstreamUnavailable("The hub's processes cannot reach each other (Redis is away); try again shortly.")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(worker, loop.create_future(), exchange, loop.time())
        self._waiting[id] = waiting
        self._in_flight[worker] += 1
        try:
            self._send(worker, message, id)
            return await waiting.answer
        except asyncio.CancelledError:
            self._send(worker, Cancel(id))
            raise
        finally:
            self._forget(id, waiting)

    def _send(self, worker: str, message: msgspec.Struct, id: str = "") -> None:
        delivered = partial(self._delivered, id) if id else None
        self._wire.publish(messages.worker_channel(worker), messages.encode(message), delivered)

    def _forget(self, id: str, waiting: _Waiting) -> None:
        del self._waiting[id]
        self._in_flight[waiting.worker] -= 1
        for task in waiting.asks.values():
            task.cancel()
        if waiting.answer.done() and not waiting.answer.cancelled():
            # Cancelled in the very moment it failed: asyncio would complain of an exception nobody looked at.
            waiting.answer.exception()

    def _choose(self, server: str) -> str:
        """The holder to call: of several the one with the fewest calls of ours, in turn."""
        holders = self._directory.holders(server)
        if not holders:
            raise UpstreamUnavailable("No worker of the hub holds this MCP server at the moment; try again shortly.")
        if len(holders) == 1:
            return holders[0]
        first = next(self._turn) % len(holders)
        return min(holders[first:] + holders[:first], key=self._in_flight.__getitem__)

    # --- what is heard

    def _heard(self, raw: bytes) -> None:
        try:
            message = messages.to_caller.decode(raw)
        except msgspec.MsgspecError as failure:
            logger.warning("A worker's message could not be read: %s", failure)
            return
        if isinstance(message, Unknown):
            self._fail(message.calls, "The worker that ran this call does not know it any more.")
            return
        # Whatever belongs to a call that nobody waits for is late, or a repetition.
        waiting = self._waiting.get(message.id)
        if waiting is None or waiting.answer.done():
            return
        match message:
            case Result():
                waiting.answer.set_result(Raw(message.body))
            case Failed():
                waiting.answer.set_exception(messages.error_of(message.failure))
            case Note():
                waiting.exchange.notify(message.method, Raw(message.params))
            case Ask():
                waiting.asks[message.ask] = self._tasks.start(self._answer(waiting, message), "ask")
            case Withdraw():
                if (task := waiting.asks.pop(message.ask, None)) is not None:
                    task.cancel()

    async def _answer(self, waiting: _Waiting, question: Ask) -> None:
        try:
            result = await waiting.exchange.ask(question.method, Raw(question.params))
            answer = Answer(question.id, question.ask, bytes(result))
        except Exception as failure:
            answer = Answer(question.id, question.ask, None, messages.failure_of(failure))
        waiting.asks.pop(question.ask, None)
        self._send(waiting.worker, answer)

    # --- what goes wrong

    def _fail(self, calls: list[str], sentence: str, kind: type[ConnectionLost] = ConnectionLost) -> None:
        for id in calls:
            waiting = self._waiting.get(id)
            if waiting is not None and not waiting.answer.done():
                waiting.answer.set_exception(kind(sentence))

    def _delivered(self, id: str, received: int | None) -> None:
        if received == 0:
            self._fail([id], "The worker that holds this MCP server is not listening.", NotSent)
        elif received is None:
            self._fail([id], "The connection between the hub's processes (Redis) was lost during the call.")

    def _redis_lost(self) -> None:
        # Answers that are published while nobody listens are lost for good.
        self._fail(list(self._waiting), "The connection between the hub's processes (Redis) was lost during the call.")

    def _worker_gone(self, worker: str) -> None:
        lost = [id for id, waiting in self._waiting.items() if waiting.worker == worker]
        self._fail(lost, "The worker that held this MCP server is gone; the call may or may not have been executed.")

    # --- pulse

    async def _keep_pulse(self) -> None:
        while True:
            await asyncio.sleep(PULSE)
            for worker, pulse in self._pulses().items():
                self._send(worker, pulse)

    def _pulses(self) -> dict[str, Pulse]:
        """What each worker must know: the calls we wait for, and the resources we want to hear of."""
        pulses: dict[str, Pulse] = defaultdict(lambda: Pulse(self._caller, [], []))
        before = asyncio.get_running_loop().time() - PULSE
        for id, waiting in self._waiting.items():
            if waiting.since < before:
                pulses[waiting.worker].calls.append(id)
        for server, uri in self._resources:
            if holders := self._directory.holders(server):
                pulses[min(holders)].resources.append((server, uri))
        # Whoever was told of something hears once more when there is nothing left to tell.
        for worker in self._told - pulses.keys():
            pulses[worker] = Pulse(self._caller, [], [])
        self._told = {worker for worker, pulse in pulses.items() if pulse.resources}
        return pulses
