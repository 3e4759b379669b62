"""LegacySseEndpoint: the HTTP+SSE transport of 2024-11-05: GET `/sse…` opens a stream, POST `/messages` talks to it.

A stream lives in the process that holds it; its session id names that process, and a message posted to another one
travels over the bus. Above: `app`. Below: `streamable.Surroundings`, `responding`, `questions`.
"""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

from msgspec.structs import replace

from mcphub.bus import ClientSpoke
from mcphub.gateway import envelope, jsonrpc
from mcphub.gateway.envelope import LEVELS
from mcphub.gateway.errors import InvalidRequest, MethodNotAllowed, ParseError, UnknownSession
from mcphub.gateway.feeds import Feed
from mcphub.gateway.http import TEXT, EventStream, event, read_body, reply
from mcphub.gateway.inquiry import Inquiry
from mcphub.gateway.jsonrpc import Id, Message
from mcphub.gateway.knock import Knock
from mcphub.gateway.methods import lifecycle
from mcphub.gateway.questions import ClientSide
from mcphub.gateway.responding import respond
from mcphub.gateway.session import Session
from mcphub.gateway.streamable import Surroundings
from mcphub.gateway.tasks import Tasks

#: Requests of one client that may run at once; the next ones wait for the client to read its answers.
_AT_ONCE = 256


class Connection:
    """One open stream: its session as far as it is known, and the requests that run for it."""

    def __init__(self, knock: Knock, session: Session, around: Surroundings) -> None:
        self.knock = knock
        self.session = session
        self._around = around
        self._front = around.front
        self._calls = Tasks(f"sse {session.key}")
        self._running: dict[Id, asyncio.Task[None]] = {}
        self.stream = EventStream(knock.send, knock.extra)

    def push(self, message: bytes) -> None:
        """Send one message to the client."""
        self.stream.push(event(message))

    def take(self, message: Message) -> None:
        """Act on one message of the client; answers go out on the stream."""
        if message.is_request:
            id: Id = message.id  # type: ignore[assignment]
            if len(self._running) >= _AT_ONCE:
                self.stream.close()
                return
            self._running[id] = self._calls.start(self._answer(message, id), str(message.method))
        elif message.is_response:
            self._around.questions.answered(self.session.key, message)
        elif message.method == "notifications/cancelled":
            requested = jsonrpc.members(message.params).get("requestId")
            id_ = None if requested is None else jsonrpc.loads(requested)
            if isinstance(id_, (str, int)) and (running := self._running.get(id_)) is not None:
                running.cancel()

    async def _answer(self, message: Message, id: Id) -> None:
        try:
            params = jsonrpc.members(message.params)
            catalog = self.knock.look()
            if catalog is None:
                self.stream.close()
                return
            inquiry = Inquiry(
                self._front,
                self.knock.principal,
                catalog,
                str(message.method),
                params,
                headers=self.knock.headers,
                route=self.knock.target,
                door="sse",
                address=self.knock.address,
            )
            if message.method == "initialize":
                self.push(jsonrpc.result(id, await self._initialize(inquiry)))
                return
            inquiry.session = self.session
            inquiry.revision = self.session.revision
            inquiry.capabilities = self.session.capabilities
            inquiry.meta = envelope.envelope_of(params)
            inquiry.apps = envelope.wants_apps(inquiry.capabilities)
            floor = LEVELS.get(self._front.sessions.state(self.session).log_level, 0)
            token = inquiry.meta.progress_token
            inquiry.exchange = ClientSide(self.push, self._around.questions, self.session, token, floor)
            self.push((await respond(inquiry, id))[1])
        finally:
            self._running.pop(id, None)

    async def _initialize(self, inquiry: Inquiry) -> bytes:
        inquiry.revision = lifecycle.negotiated(jsonrpc.text(inquiry.params.get("protocolVersion")))
        self.session = replace(
            self.session,
            revision=inquiry.revision,
            capabilities=envelope.forwardable(bytes(inquiry.params.get("capabilities", jsonrpc.EMPTY))),
            client=lifecycle.client_name(inquiry.params),
        )
        return await lifecycle.initialize(inquiry)

    async def serve(self, endpoint: bytes) -> None:
        """Hold the stream open until the client leaves; whatever still runs for it is cancelled then."""
        self.stream.push(event(endpoint, b"endpoint"))
        feed = Feed(
            holder=self.session.key,
            principal=self.knock.principal,
            topics=frozenset(("tools", "prompts", "resources")),
            subscribed=lambda: self._front.sessions.state(self.session).subscriptions,
            current=self.knock.look,
            push=self.push,
            close=self.stream.close,
        )
        self._around.feeds.add(feed)
        try:
            await self.stream.serve(self.knock.receive, self._around.tasks)
        finally:
            self._around.feeds.remove(feed)
            await self._calls.aclose()
            self._front.subscriptions.release_all(self.session.key)
            self._front.sessions.end(self.session)


class LegacySseEndpoint:
    """See the module."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._front = around.front
        self._connections: dict[str, Connection] = {}

    async def open(self, knock: Knock) -> None:
        """GET `/sse…`."""
        if knock.scope["method"] != "GET":
            raise MethodNotAllowed(allow="GET")
        token, session = self._front.sessions.open(
            knock.target, knock.principal.id, envelope.BATCHING, capabilities=b"{}", home=self._front.node
        )
        connection = Connection(knock, session, self._around)
        self._connections[session.key] = connection
        try:
            await connection.serve(f"{knock.mount}/messages?sessionId={token}".encode())
        finally:
            del self._connections[session.key]

    def session_of(self, query: bytes, principal: str) -> Session | None:
        """The session that a POST names; None where it names none.

        Raises:
            UnknownSession: see `Sessions.read`.
        """
        named = parse_qs(query.decode("latin-1")).get("sessionId")
        return self._front.sessions.read(named[0], principal, None) if named else None

    async def post(self, knock: Knock, session: Session | None) -> None:
        """POST `/messages?sessionId=…`. The answer goes out on the stream; here there is only a receipt."""
        if knock.scope["method"] != "POST":
            raise MethodNotAllowed(allow="POST")
        if session is None:
            await reply(knock.send, 400, b"The sessionId is missing.", TEXT, knock.extra)
            return
        body = await read_body(knock.headers, knock.receive, knock.body_limit)
        try:
            message = jsonrpc.parse(body)
        except (ParseError, InvalidRequest) as refusal:
            await reply(knock.send, 400, refusal.message.encode(), TEXT, knock.extra)
            return
        if session.home == self._front.node:
            connection = self._connections.get(session.key)
            if connection is None:
                raise UnknownSession()
            connection.take(message)
        elif session.home:
            self._around.bus.publish(ClientSpoke(session.key, body.decode()))
        else:
            raise UnknownSession()
        await reply(knock.send, 202, b"Accepted", TEXT, knock.extra)

    def heard(self, session_key: str, message: Message) -> None:
        """A message that was posted to another process, if its stream is here."""
        connection = self._connections.get(session_key)
        if connection is not None:
            connection.take(message)
