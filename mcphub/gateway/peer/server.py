"""PeerServer: runs the calls of other processes on the upstreams that this one holds.

A call runs while its caller lives and wants it: a cancellation ends it, and so does a caller whose pulse stops. Running
calls are bounded; one more is refused at once. Above: `hub`. Below: `peer.messages`, `links`, `wire`, `directory`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from dataclasses import dataclass, field
from functools import partial

import msgspec
from msgspec import Raw

from mcphub.directory import Directory
from mcphub.errors import HubError
from mcphub.gateway.calls import Exchange
from mcphub.gateway.errors import ConnectionLost, NotSent, RpcError, UpstreamBusy
from mcphub.gateway.links import Link
from mcphub.gateway.peer import messages
from mcphub.gateway.peer.messages import (
    Answer,
    Ask,
    Cancel,
    Failed,
    Note,
    Pulse,
    Request,
    Result,
    Subscribe,
    Unknown,
    Withdraw,
)
from mcphub.gateway.tasks import Tasks
from mcphub.wire import Wire

logger = logging.getLogger(__name__)

#: Calls of all callers together; each upstream has a smaller bound of its own.
MOST_RUNNING = 4096
#: Seconds without a pulse after which a caller counts as gone. Longer than a lease: who paused that long was given up.
CALLER_PATIENCE = 10.0
SWEEP = 2.0


#: A server's key and a URI.
Resource = tuple[str, str]


@dataclass(slots=True, eq=False)
class _Running:
    """A call on its way through an upstream of ours."""

    caller: str
    task: asyncio.Task[None]
    heard: float
    questions: dict[int, asyncio.Future[Raw]] = field(default_factory=dict)


class PeerServer:
    """See the module.

    Args:
        url: of Redis, as redis-py reads it.
        link: the way to this process's upstreams.
        directory: tells what this process may use.
        prefix: sets this hub apart from others on the same Redis.
    """

    def __init__(self, url: str, link: Link, directory: Directory, *, prefix: str = "mcphub") -> None:
        self._wire = Wire(url, "mcphub-peer", prefix)
        self._link = link
        self._directory = directory
        self._running: dict[str, _Running] = {}
        self._wanted: dict[tuple[str, Resource], float] = {}
        self._serial = itertools.count(1)
        self._tasks = Tasks("peer-server")
        self._stopping = False

    async def start(self) -> None:
        """Begin to take calls."""
        self._wire.listen(messages.worker_channel(self._directory.worker), self._heard)
        self._tasks.start(self._keep_sweeping(), "sweep")
        await self._wire.start()

    async def stop(self) -> None:
        """Take no more calls, and tell the callers of those that run that they are lost."""
        self._stopping = True
        await self._tasks.aclose()
        await self._wire.stop()

    # --- what is heard

    def _heard(self, raw: bytes) -> None:
        try:
            message = messages.to_worker.decode(raw)
        except msgspec.MsgspecError as failure:
            logger.warning("A caller's message could not be read: %s", failure)
            return
        match message:
            case Request() | Subscribe():
                self._take(message)
            case Cancel():
                if (running := self._running.get(message.id)) is not None:
                    running.task.cancel()
            case Answer():
                self._answered(message)
            case Pulse():
                self._pulse(message)

    def _take(self, message: Request | Subscribe) -> None:
        """Run a request, unless there is a reason not to."""
        if message.id in self._running:
            # Sent twice: the answer of the first will do.
            return
        if self._stopping or not self._directory.holds(message.server):
            self._fail(message, NotSent("The MCP server has moved to another worker."))
        elif len(self._running) >= MOST_RUNNING:
            self._fail(message, UpstreamBusy("This worker has too many calls in flight; try again shortly."))
        else:
            task = self._tasks.start(self._run(message), "call")
            self._running[message.id] = _Running(message.caller, task, asyncio.get_running_loop().time())
            task.add_done_callback(partial(self._ended, message))

    async def _run(self, message: Request | Subscribe) -> None:
        try:
            if isinstance(message, Request):
                result = await self._link.call(messages.call_of(message), _Remote(self, message))
            else:
                result = await self._subscribe(message)
            self._tell(message.caller, Result(message.id, bytes(result)), again=True)
        except Exception as failure:
            self._fail(message, failure)

    def _ended(self, message: Request | Subscribe, task: asyncio.Task[None]) -> None:
        # Not at the end of `_run`: a task that is cancelled before its first step never gets there.
        del self._running[message.id]
        if task.cancelled() and self._stopping:
            self._fail(message, ConnectionLost("The worker that held this MCP server was stopped."))

    def _fail(self, message: Request | Subscribe, failure: Exception) -> None:
        self._tell(message.caller, Failed(message.id, messages.failure_of(failure)), again=True)

    def _tell(self, caller: str, message: msgspec.Struct, again: bool = False) -> None:
        self._wire.publish(messages.caller_channel(caller), messages.encode(message), again=again)

    # --- questions of the upstream

    async def ask(self, request: Request, method: str, params: Raw) -> Raw:
        """Have the caller's client answer a question that belongs to a running call."""
        serial = next(self._serial)
        answer: asyncio.Future[Raw] = asyncio.get_running_loop().create_future()
        questions = self._running[request.id].questions
        questions[serial] = answer
        self._tell(request.caller, Ask(request.id, serial, method, bytes(params)))
        try:
            return await answer
        except asyncio.CancelledError:
            self._tell(request.caller, Withdraw(request.id, serial))
            raise
        finally:
            del questions[serial]

    def note(self, request: Request, method: str, params: Raw) -> None:
        """Pass on a notification that belongs to a running call."""
        self._tell(request.caller, Note(request.id, method, bytes(params)))

    def _answered(self, message: Answer) -> None:
        running = self._running.get(message.id)
        answer = running.questions.get(message.ask) if running is not None else None
        if answer is None or answer.done():
            return
        if message.failure is not None:
            answer.set_exception(messages.error_of(message.failure))
        else:
            answer.set_result(Raw(message.result or b"{}"))

    # --- resources

    async def _subscribe(self, message: Subscribe) -> Raw:
        await self._want(message.caller, (message.server, message.uri), message.wanted)
        return Raw(b"{}")

    async def _want(self, caller: str, resource: Resource, wanted: bool) -> None:
        """Ask for a resource once for each caller; the supervisor counts them."""
        known = (caller, resource) in self._wanted
        if wanted:
            self._wanted[caller, resource] = asyncio.get_running_loop().time()
        else:
            self._wanted.pop((caller, resource), None)
        if wanted == known:
            return
        try:
            await self._link.subscribe(*resource, wanted)
        except BaseException:
            self._wanted.pop((caller, resource), None)
            raise

    async def _repair(self, caller: str, resource: Resource, wanted: bool) -> None:
        try:
            await self._want(caller, resource, wanted)
        except (HubError, RpcError) as failure:
            # The next pulse tries again.
            logger.info("A subscription of %s could not be repaired: %s", resource[1], failure)

    # --- pulse

    def _pulse(self, pulse: Pulse) -> None:
        now = asyncio.get_running_loop().time()
        unknown = []
        for id in pulse.calls:
            if (running := self._running.get(id)) is not None:
                running.heard = now
            else:
                unknown.append(id)
        if unknown:
            self._tell(pulse.caller, Unknown(unknown))
        wanted = {resource for resource in pulse.resources if self._directory.holds(resource[0])}
        present = {resource for caller, resource in self._wanted if caller == pulse.caller}
        for resource in wanted & present:
            self._wanted[pulse.caller, resource] = now
        for resource in wanted ^ present:
            self._tasks.start(self._repair(pulse.caller, resource, resource in wanted), "resources")

    async def _keep_sweeping(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            before = asyncio.get_running_loop().time() - CALLER_PATIENCE
            for running in tuple(self._running.values()):
                if running.heard < before:
                    running.task.cancel()
            for caller, resource in [wish for wish, heard in self._wanted.items() if heard < before]:
                self._tasks.start(self._repair(caller, resource, False), "resources")


class _Remote(Exchange):
    """The caller's side of a call, as far as the upstream is concerned."""

    def __init__(self, server: PeerServer, request: Request) -> None:
        self._server = server
        self._request = request

    def notify(self, method: str, params: Raw) -> None:
        self._server.note(self._request, method, params)

    async def ask(self, method: str, params: Raw) -> Raw:
        return await self._server.ask(self._request, method, params)
