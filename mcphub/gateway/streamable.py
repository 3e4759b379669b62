"""StreamableEndpoint: POST, GET and DELETE of `/mcp…`, both protocol eras on the same URL.

The `MCP-Protocol-Version` header decides: a session-based revision or none takes the session path, anything else the
stateless one, which keeps nothing between requests. Whether a POST is answered as JSON or as a stream is decided
when there is something to stream. Above: `app`. Below: `responding`, `questions`, `patrol`, `feeds`, `session`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from msgspec import UNSET

from mcphub.bus import Bus, ClientSpoke
from mcphub.errors import RPC_INVALID_PARAMS
from mcphub.gateway import envelope, jsonrpc
from mcphub.gateway.envelope import LEVELS
from mcphub.gateway.errors import (
    RPC_HEADER_MISMATCH,
    Cancelled,
    InvalidRequest,
    MethodNotAllowed,
    NotAcceptable,
    RpcError,
    SessionRequired,
)
from mcphub.gateway.feeds import Feed, Feeds
from mcphub.gateway.http import TEXT, EventStream, event, read_body, repeated, reply
from mcphub.gateway.inquiry import Front, Inquiry
from mcphub.gateway.jsonrpc import Id, Members, Message
from mcphub.gateway.knock import Knock
from mcphub.gateway.methods import lifecycle, subscriptions
from mcphub.gateway.patrol import Patrol, Watch
from mcphub.gateway.questions import ClientSide, Questions
from mcphub.gateway.responding import refusal_body, respond
from mcphub.gateway.session import Session
from mcphub.gateway.tasks import Tasks

_SESSION = b"mcp-session-id"
_VERSION = b"mcp-protocol-version"


@dataclass(slots=True)
class Surroundings:
    """What the endpoints share."""

    front: Front
    bus: Bus
    tasks: Tasks
    patrol: Patrol
    questions: Questions
    feeds: Feeds


class PostReply:
    """The response to one POST: JSON, unless something had to be streamed before the result."""

    __slots__ = ("_headers", "_knock", "_stream", "_tasks", "_watch", "_writer")

    def __init__(self, knock: Knock, tasks: Tasks, watch: Watch) -> None:
        self._knock = knock
        self._tasks = tasks
        self._watch = watch
        self._headers = knock.extra
        self._stream: EventStream | None = None
        self._writer: asyncio.Task[None] | None = None

    def push(self, message: bytes) -> None:
        """Stream one message; the first one makes the response a stream."""
        if self._stream is None:
            self._stream = EventStream(self._knock.send, self._headers, overflowed=self._watch.abandon)
            self._writer = self._tasks.start(self._stream.write(), "reply stream")
        self._stream.push(event(message))

    async def finish(self, status: int, message: bytes) -> None:
        """Send the result, in whichever form the response has taken."""
        if self._stream is None or self._writer is None:
            await reply(self._knock.send, status, message, headers=self._headers)
            return
        self._stream.push(event(message))
        self._stream.close()
        await self._writer

    def drop(self) -> None:
        """Nobody is there any more."""
        if self._writer is not None:
            self._writer.cancel()


class StreamableEndpoint:
    """See the module."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._front = around.front
        #: running requests of sessions, so that a cancellation finds them: (session key, request id)
        self._running: dict[tuple[str, Id], Watch] = {}
        self._streams: dict[str, EventStream] = {}

    async def handle(self, knock: Knock) -> None:
        """Answer one HTTP request. Raises `HubError` for refusals that no JSON-RPC id is known for."""
        verb = knock.scope["method"]
        version = knock.headers.get(_VERSION)
        modern = version is not None and version not in envelope.LEGACY_HEADERS
        if verb == "POST":
            knock.require_forms(body=True)
            body = await read_body(knock.headers, knock.receive, knock.body_limit)
            if modern:
                await self._stateless(knock, body)
            else:
                await self._with_session(knock, body)
        elif modern or verb not in ("GET", "DELETE"):
            raise MethodNotAllowed(allow="POST" if modern else "GET, POST, DELETE")
        elif verb == "GET":
            await self._listen(knock)
        else:
            self._end(knock)
            await reply(knock.send, 200, content_type=TEXT, headers=knock.extra)

    # -- the stateless revision -------------------------------------------------------------------------------------

    async def _stateless(self, knock: Knock, body: bytes) -> None:
        message = jsonrpc.parse(body)
        if not isinstance(message.method, str):
            raise InvalidRequest("A response cannot be posted under this revision.")
        if message.id is UNSET or message.id is None:
            await reply(knock.send, 202, content_type=TEXT, headers=knock.extra)
            return
        id: Id = message.id
        try:
            if (twice := repeated(knock.scope, knock.headers, b"mcp-")) is not None:
                raise RpcError(RPC_HEADER_MISMATCH, f"The {twice.decode()} header appears more than once.")
            params = jsonrpc.members(message.params)
            meta = envelope.modern_envelope(message.method, params, knock.headers)
        except (RpcError, InvalidRequest) as refusal:
            await reply(knock.send, 400, refusal_body(refusal, id), headers=knock.extra)
            return
        inquiry = self._inquiry(knock, message.method, params, len(body))
        inquiry.modern = True
        inquiry.revision = envelope.MODERN
        inquiry.meta = meta
        inquiry.capabilities = envelope.forwardable(bytes(meta.capabilities))  # type: ignore[arg-type]
        self._show_apps(knock, inquiry)
        if message.method == "subscriptions/listen":
            await subscriptions.listen(inquiry, id, knock, self._around.feeds, self._around.tasks)
        else:
            floor = LEVELS.get(meta.log_level) if isinstance(meta.log_level, str) else None
            await self._answer(knock, inquiry, id, floor)

    # -- the revisions with sessions --------------------------------------------------------------------------------

    async def _with_session(self, knock: Knock, body: bytes) -> None:
        token = knock.headers.get(_SESSION)
        if token is None:
            await self._without_session(knock, body)
            return
        session = self._front.sessions.read(token.decode("latin-1"), knock.principal.id, knock.target)
        version = knock.headers.get(_VERSION)
        if version is not None and version.decode() != session.revision:
            raise SessionRequired("The MCP-Protocol-Version header is not the one this session negotiated.")
        if jsonrpc.is_batch(body):
            await self._batch(knock, session, body)
            return
        message = jsonrpc.parse(body)
        if message.is_request:
            if message.method == "initialize":
                raise InvalidRequest("This session is initialized already.")
            inquiry = self._session_inquiry(knock, session, message, len(body))
            await self._answer(knock, inquiry, message.id, self._floor(session))  # type: ignore[arg-type]
            return
        self._take(session, message, body)
        await reply(knock.send, 202, content_type=TEXT, headers=knock.extra)

    async def _without_session(self, knock: Knock, body: bytes) -> None:
        if jsonrpc.is_batch(body):
            raise InvalidRequest("A batch needs a session of the revision 2025-03-26.")
        try:
            message = jsonrpc.parse(body)
        except InvalidRequest:
            raise SessionRequired() from None
        if message.is_notification:
            await reply(knock.send, 202, content_type=TEXT, headers=knock.extra)
            return
        if not message.is_request:
            raise SessionRequired()
        id: Id = message.id  # type: ignore[assignment]
        params = jsonrpc.members(message.params)
        if message.method == "initialize":
            await self._initialize(knock, id, params, len(body))
            return
        if envelope.envelope_of(params).version is not UNSET:
            mismatch = RpcError(RPC_HEADER_MISMATCH, "The MCP-Protocol-Version header is missing.")
            await reply(knock.send, 400, refusal_body(mismatch, id), headers=knock.extra)
            return
        raise SessionRequired()

    async def _initialize(self, knock: Knock, id: Id, params: Members, size: int) -> None:
        requested = jsonrpc.text(params.get("protocolVersion"))
        capabilities = bytes(params.get("capabilities", jsonrpc.EMPTY))
        if requested is None or not capabilities.lstrip().startswith(b"{"):
            refusal = RpcError(RPC_INVALID_PARAMS, "initialize needs protocolVersion and capabilities.")
            await reply(knock.send, 200, jsonrpc.failure(id, refusal), headers=knock.extra)
            return
        inquiry = self._inquiry(knock, "initialize", params, size)
        inquiry.revision = lifecycle.negotiated(requested)
        token, _ = self._front.sessions.open(
            knock.target,
            knock.principal.id,
            inquiry.revision,
            capabilities=envelope.forwardable(capabilities),
            client=lifecycle.client_name(params),
        )
        body = jsonrpc.result(id, await lifecycle.initialize(inquiry))
        await reply(knock.send, 200, body, headers=[(_SESSION, token.encode()), *knock.extra])

    def _take(self, session: Session, message: Message, body: bytes) -> None:
        """A response or notification of a session's client: used here, or told to the process that can use it."""
        if message.is_response:
            if self._around.questions.mine(message):
                self._around.questions.answered(session.key, message)
            else:
                self._around.bus.publish(ClientSpoke(session.key, body.decode()))
        elif message.method == "notifications/cancelled" and not self._cancel(session.key, message):
            self._around.bus.publish(ClientSpoke(session.key, body.decode()))

    def heard(self, session_key: str, message: Message) -> None:
        """A message that was posted to another process, if it concerns this one."""
        if message.is_response:
            if self._around.questions.mine(message):
                self._around.questions.answered(session_key, message)
        elif message.method == "notifications/cancelled":
            self._cancel(session_key, message)

    def _cancel(self, session_key: str, message: Message) -> bool:
        requested = jsonrpc.members(message.params).get("requestId")
        id = None if requested is None else jsonrpc.loads(requested)
        watch = self._running.get((session_key, id)) if isinstance(id, (str, int)) else None
        if watch is None:
            return False
        watch.cancel()
        return True

    async def _batch(self, knock: Knock, session: Session, body: bytes) -> None:
        if session.revision != envelope.BATCHING:
            raise InvalidRequest("Batches are part of the revision 2025-03-26 only.")
        messages = jsonrpc.parse_batch(body)
        for message in messages:
            if not message.is_request:
                self._take(session, message, jsonrpc.dumps(message))
        requests = [message for message in messages if message.is_request]
        if not requests:
            await reply(knock.send, 202, content_type=TEXT, headers=knock.extra)
            return
        watch = self._around.patrol.enter(knock.receive)
        answers = PostReply(knock, self._around.tasks, watch)
        try:
            parts = []
            for message in requests:
                inquiry = self._session_inquiry(knock, session, message, len(body))
                floor = self._floor(session)
                inquiry.exchange = ClientSide(
                    answers.push, self._around.questions, session, inquiry.meta.progress_token, floor
                )
                parts.append((await respond(inquiry, message.id))[1])  # type: ignore[arg-type]
            await answers.finish(200, jsonrpc.batch(parts))
        except asyncio.CancelledError:
            answers.drop()
            self._swallow(watch)
        finally:
            self._around.patrol.leave(watch)

    # -- answering --------------------------------------------------------------------------------------------------

    async def _answer(self, knock: Knock, inquiry: Inquiry, id: Id, floor: int | None) -> None:
        watch = self._around.patrol.enter(knock.receive)
        answer = PostReply(knock, self._around.tasks, watch)
        session = inquiry.session
        inquiry.exchange = ClientSide(answer.push, self._around.questions, session, inquiry.meta.progress_token, floor)
        if session is not None:
            self._running[session.key, id] = watch
        try:
            try:
                status, body = await respond(inquiry, id)
            except asyncio.CancelledError:
                if watch.gone or not watch.cancelled:
                    raise
                watch.task.uncancel()
                status, body = 200, refusal_body(Cancelled(), id)
            await answer.finish(status, body)
        except asyncio.CancelledError:
            answer.drop()
            self._swallow(watch)
        finally:
            self._around.patrol.leave(watch)
            if session is not None:
                self._running.pop((session.key, id), None)

    @staticmethod
    def _swallow(watch: Watch) -> None:
        """A cancellation that came from the patrol ends here; any other goes on."""
        if not watch.gone:
            raise asyncio.CancelledError
        watch.task.uncancel()

    def _inquiry(self, knock: Knock, method: str, params: Members, size: int) -> Inquiry:
        return Inquiry(
            self._front,
            knock.principal,
            knock.catalog,
            method,
            params,
            headers=knock.headers,
            route=knock.target,
            address=knock.address,
            size=size,
        )

    def _session_inquiry(self, knock: Knock, session: Session, message: Message, size: int) -> Inquiry:
        params = jsonrpc.members(message.params)
        inquiry = self._inquiry(knock, str(message.method), params, size)
        inquiry.session = session
        inquiry.revision = session.revision
        inquiry.capabilities = session.capabilities
        inquiry.meta = envelope.envelope_of(params) if "_meta" in params else envelope.EMPTY
        self._show_apps(knock, inquiry)
        return inquiry

    @staticmethod
    def _show_apps(knock: Knock, inquiry: Inquiry) -> None:
        if envelope.wants_apps(inquiry.capabilities):
            inquiry.apps = True

    def _floor(self, session: Session) -> int:
        return LEVELS.get(self._front.sessions.state(session).log_level, 0)

    # -- streams of sessions ----------------------------------------------------------------------------------------

    def _session(self, knock: Knock) -> Session:
        token = knock.headers.get(_SESSION)
        if token is None:
            raise SessionRequired()
        return self._front.sessions.read(token.decode("latin-1"), knock.principal.id, knock.target)

    async def _listen(self, knock: Knock) -> None:
        """The standalone stream: changes of what this session sees. A second one takes the place of the first."""
        if not knock.accepts()[1]:
            raise NotAcceptable("The Accept header must admit text/event-stream.")
        session = self._session(knock)
        stream = EventStream(knock.send, knock.extra)
        if (older := self._streams.get(session.key)) is not None:
            older.close()
        self._streams[session.key] = stream
        feed = Feed(
            holder=session.key,
            principal=knock.principal,
            topics=frozenset(("tools", "prompts", "resources")),
            subscribed=lambda: self._front.sessions.state(session).subscriptions,
            current=knock.look,
            push=lambda message: stream.push(event(message)),
            close=stream.close,
        )
        self._around.feeds.add(feed)
        try:
            await stream.serve(knock.receive, self._around.tasks)
        finally:
            self._around.feeds.remove(feed)
            if self._streams.get(session.key) is stream:
                del self._streams[session.key]

    def _end(self, knock: Knock) -> None:
        session = self._session(knock)
        self._front.sessions.end(session)

    def ended(self, session_key: str) -> None:
        """A session ended, here or elsewhere."""
        stream = self._streams.get(session_key)
        if stream is not None:
            stream.close()
        self._front.subscriptions.release_all(session_key)
