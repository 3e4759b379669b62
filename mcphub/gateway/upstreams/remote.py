"""RemotePeer: requests to one MCP server over streamable HTTP, and what comes back with their answers.

One POST a request; the answer is JSON, or a stream of events that belong to this request and end with the answer.
Above: `streamable` (the connection around it). Below: `posting`, `stamp`, `event_stream`, `flights`.

A session the server has forgotten (404, or a 400 that speaks of the session) is opened again once, by one task for
all requests that notice, and they are repeated: a server that knows no session has executed nothing. A connection
that broke under a request is another matter: only requests that change nothing are repeated.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from msgspec import UNSET, Raw

from mcphub.errors import HubError
from mcphub.gateway import jsonrpc
from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.envelope import MODERN
from mcphub.gateway.errors import (
    RPC_HEADER_MISMATCH,
    RPC_UNSUPPORTED_VERSION,
    AuthenticationRefused,
    ConnectionLost,
    InvalidRequest,
    NotSent,
    ParseError,
    RpcError,
    UpstreamBusy,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from mcphub.gateway.jsonrpc import Members, Message
from mcphub.gateway.snapshot import CallOptions
from mcphub.gateway.tasks import Tasks
from mcphub.gateway.upstreams import inbound
from mcphub.gateway.upstreams.base import Listener
from mcphub.gateway.upstreams.event_stream import EventReader
from mcphub.gateway.upstreams.flights import Flight, Flights
from mcphub.gateway.upstreams.param_headers import Mirrors, routing_headers
from mcphub.gateway.upstreams.posting import Poster, body_of, excerpt_of
from mcphub.gateway.upstreams.stamp import OWN_CAPABILITIES, encode, stamp

_BOTH = "application/json, text/event-stream"
_ABOUT_SESSION = re.compile(rb"session", re.IGNORECASE)
_MOST_RESUMPTIONS = 20
_RESUME_AFTER = 1.0
_LEAST_PAUSE = 0.05
#: Seconds that the rest of a stream may take to end after its answer, so that its connection can be used again.
_LINGER = 1.0


class SessionGone(Exception):
    """The server does not know the session (any more); it executed nothing."""


class _StaleSchema(Exception):
    """The server wants other headers than the tool's last known schema asks for (-32020)."""


class _Flight(Flight):
    """One request, over however many attempts; whoever sent it waits within `limit`."""

    __slots__ = ("hard", "limit", "method", "options", "params")

    def __init__(
        self,
        method: str,
        params: Members,
        limit: asyncio.Timeout,
        options: CallOptions,
        call: Call | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        super().__init__(call, exchange)
        self.method = method
        self.params = params
        self.limit = limit
        self.options = options
        now = asyncio.get_running_loop().time()
        self.hard = None if options.max_total_timeout is None else now + options.max_total_timeout

    def progressed(self) -> None:
        if self.options.reset_timeout_on_progress:
            self.resume()

    def suspend(self) -> None:
        self.limit.reschedule(self.hard)

    def resume(self) -> None:
        if not self.limit.expired():
            when = asyncio.get_running_loop().time() + self.options.timeout
            self.limit.reschedule(when if self.hard is None else min(when, self.hard))


class RemotePeer:
    """See the module.

    Args:
        poster: sends the HTTP requests.
        on_dead: told once when the server can no longer be reached, or refuses the hub's credentials.
        renew: opens a new session with `handshake.initialize`; called for a session that was lost.
    """

    def __init__(
        self,
        poster: Poster,
        listener: Listener,
        options: CallOptions,
        tasks: Tasks,
        on_dead: Callable[[HubError], None],
        renew: Callable[[], Awaitable[None]],
    ) -> None:
        self.modern = False
        self.options = options
        self.revision: str | None = None
        self.session: str | None = None
        self.mirrors: Mapping[str, Mirrors] = {}
        self.reread_schemas: Callable[[], Awaitable[object]] | None = None
        self._poster = poster
        self._listener = listener
        self._tasks = tasks
        self._on_dead = on_dead
        self._renew_session = renew
        self._renewing: asyncio.Future[BaseException | None] | None = None
        self._heard: Flights[_Flight] = Flights(listener, tasks, self._reply, listener.log)
        self._flights = self._heard.by_id
        self._last = 0

    # --- requests

    async def request(self, call: Call, exchange: Exchange) -> Raw:
        """Carry one call. Raises as `Upstream.request`."""
        options = self.options
        try:
            async with asyncio.timeout(options.timeout) as limit:
                return await self._fly(_Flight(call.method, call.params, limit, options, call, exchange))
        except TimeoutError:
            raise UpstreamTimeout() from None

    async def ask(self, method: str, params: Mapping[str, Any] | None = None, timeout: float | None = None) -> Raw:
        """Send a request of the hub's own; without `timeout` whoever awaits it must bound it."""
        given = {
            key: value if isinstance(value, Raw) else Raw(jsonrpc.dumps(value)) for key, value in (params or {}).items()
        }
        try:
            async with asyncio.timeout(timeout) as limit:
                return await self._fly(_Flight(method, given, limit, self.options))
        except TimeoutError:
            raise UpstreamTimeout() from None

    async def tell(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Send a notification. Raises `HubError` where it cannot be delivered."""
        await self.post(jsonrpc.notification(method, params), method)

    async def post(self, message: bytes, method: str = "") -> None:
        """Send a message that has no answer: a notification or a response."""
        response = await self._poster.send("POST", message, self.headers(method, {}))
        if response.status >= 400:
            await excerpt_of(response)
            raise UpstreamProtocolError(f"The MCP server answered HTTP {response.status}.")
        response.release()

    def headers(self, method: str, params: Members) -> dict[str, str]:
        """The protocol's headers of one request."""
        headers = {"Content-Type": "application/json", "Accept": _BOTH}
        if self.modern:
            headers["MCP-Protocol-Version"] = MODERN
            headers.update(routing_headers(method, params, self.mirrors))
        elif method != "initialize":
            if self.revision is not None:
                headers["MCP-Protocol-Version"] = self.revision
            if self.session is not None:
                headers["Mcp-Session-Id"] = self.session
        return headers

    async def _fly(self, flight: _Flight) -> Raw:
        """Send, and send again where that is surely harmless."""
        repeated = False
        try:
            while True:
                if self._renewing is not None and flight.call is not None:
                    await self._renew(None)
                session = self.session
                try:
                    return await self._attempt(flight)
                except SessionGone:
                    if repeated or flight.method == "initialize":
                        raise ConnectionLost(
                            "The MCP server forgot the session, and forgot its successor too."
                        ) from None
                    await self._renew(session)
                except _StaleSchema:
                    if repeated or self.reread_schemas is None:
                        raise UpstreamProtocolError(
                            "The MCP server refuses the headers that its schema asks for."
                        ) from None
                    await self.reread_schemas()
                except NotSent as failure:
                    if repeated:
                        self._on_dead(failure)
                        raise
                except ConnectionLost:
                    if repeated or not (flight.call is not None and flight.call.may_repeat):
                        raise
                repeated = True
        except AuthenticationRefused as refused:
            # A refusal of one caller's own passed-through headers says nothing about the hub's.
            if refused.data and refused.data.get("status") == 401 and not (flight.call and flight.call.headers):
                self._on_dead(refused)
            raise
        finally:
            flight.landed()

    async def _attempt(self, flight: _Flight) -> Raw:
        self._last += 1
        own = self._last
        had_session = self.session is not None
        call = flight.call
        capabilities = OWN_CAPABILITIES if call is None else call.capabilities
        params, flight.token = stamp(flight.params, own, modern=self.modern, capabilities=capabilities)
        body = encode(own, flight.method, params)
        headers = self.headers(flight.method, params)
        self._flights[own] = flight
        try:
            response = await self._poster.send("POST", body, headers, call.headers if call is not None else None)
            if response.status >= 400:
                raise self._failure(response, await excerpt_of(response), had_session)
            try:
                return await self._answer(response, flight, own)
            except BaseException:
                response.close()
                raise
        except asyncio.CancelledError:
            # Closing the stream is the cancellation of the stateless revision; sessions need to be told.
            if not self.modern and flight.method != "initialize":
                self._tasks.start(self._tell_cancelled(own), "cancel")
            raise
        finally:
            del self._flights[own]

    async def _tell_cancelled(self, own: int) -> None:
        try:
            await self.tell("notifications/cancelled", {"requestId": own, "reason": "The request was given up."})
        except HubError as failure:
            self._listener.log("debug", f"Could not cancel a request: {failure.message}")

    async def _renew(self, lost: str | None) -> None:
        """Open a new session instead of `lost`, once for all who noticed."""
        if self._renewing is None and self.session != lost:
            return
        if self._renewing is None:
            self._renewing = asyncio.get_running_loop().create_future()
            self._tasks.start(self._renew_once(self._renewing), "renew session")
        failure = await asyncio.shield(self._renewing)
        if failure is not None:
            raise ConnectionLost("The MCP server forgot the session and gave no new one.") from failure

    async def _renew_once(self, done: asyncio.Future[BaseException | None]) -> None:
        failure: BaseException | None = None
        self._listener.log("info", "The server forgot the session; opening a new one.")
        self.session = self.revision = None
        try:
            await self._renew_session()
        except (HubError, RpcError) as wrong:
            failure = wrong
            self._on_dead(ConnectionLost("The MCP server forgot the session and gave no new one."))
        finally:
            self._renewing = None
            done.set_result(failure)

    # --- answers

    async def _answer(self, response: aiohttp.ClientResponse, flight: _Flight, own: int) -> Raw:
        if flight.method == "initialize":
            self.session = response.headers.get("Mcp-Session-Id")
        kind = response.content_type
        if kind == "text/event-stream":
            return await self._follow(response, flight, own)
        if kind != "application/json":
            raise UpstreamProtocolError(f"The MCP server answered HTTP {response.status} with {kind}, not with JSON.")
        body = await body_of(response, flight.options.max_buffer_size)
        try:
            for message in jsonrpc.parse_batch(body) if jsonrpc.is_batch(body) else (jsonrpc.parse(body),):
                if message.method is UNSET and message.id == own:
                    return self._result(message)
        except (ParseError, InvalidRequest) as wrong:
            raise inbound.useless_answer(wrong) from None
        raise inbound.useless_answer("it has another request's id.")

    def _failure(self, response: aiohttp.ClientResponse, body: bytes, had_session: bool) -> Exception:
        """What an HTTP error status means."""
        status = response.status
        if had_session and (status == 404 or (status == 400 and _ABOUT_SESSION.search(body))):
            return SessionGone()
        try:
            message = jsonrpc.parse(body)
            if message.error is not UNSET:
                return self._error(jsonrpc.error_of(message.error))
        except HubError:
            pass
        if status == 429:
            after = response.headers.get("Retry-After", "")
            return UpstreamBusy("The MCP server has too many requests (HTTP 429).", data={"retryAfter": after})
        hint = " Is this a server of the older HTTP+SSE transport (type sse)?" if status in (404, 405) else ""
        return UpstreamProtocolError(f"The MCP server answered HTTP {status}.{hint}")

    def _error(self, error: RpcError) -> Exception:
        """An error that concerns the hub's own leg is not the caller's; all others are."""
        if self.modern and error.code == RPC_HEADER_MISMATCH:
            return _StaleSchema()
        if self.modern and error.code == RPC_UNSUPPORTED_VERSION and self.revision is not None:
            failure = ConnectionLost("The MCP server no longer speaks the protocol revision it was greeted in.")
            self._on_dead(failure)
            return failure
        return error

    def _result(self, message: Message) -> Raw:
        if message.error is not UNSET:
            raise self._error(jsonrpc.error_of(message.error))
        assert isinstance(message.result, Raw)
        return message.result

    async def _follow(self, response: aiohttp.ClientResponse, flight: _Flight, own: int) -> Raw:
        """Read a stream until the answer; a server of the old era may break it off and be asked for the rest."""
        reader = EventReader(flight.options.max_buffer_size)
        try:
            for _ in range(_MOST_RESUMPTIONS):
                if (result := await self._read(response, reader, flight, own)) is not None:
                    # Its end has usually arrived together with the answer, and the connection can be used again.
                    if not response.content.at_eof():
                        self._tasks.start(_drain(response), "drain")
                    return result
                if self.modern or reader.last_id is None:
                    break
                response = await self._resume(response, reader)
        except BaseException:
            response.close()
            raise
        raise ConnectionLost("The MCP server ended its stream before the answer.")

    async def _read(
        self, response: aiohttp.ClientResponse, reader: EventReader, flight: _Flight, own: int
    ) -> Raw | None:
        try:
            async for chunk in response.content.iter_any():
                for event in reader.feed(chunk):
                    if (result := self._take(event.data, flight, own)) is not None:
                        return result
        except (aiohttp.ClientError, OSError):
            pass  # the same as its end: what matters is whether the server can be asked for the rest
        return None

    async def _resume(self, broken: aiohttp.ClientResponse, reader: EventReader) -> aiohttp.ClientResponse:
        broken.close()
        await asyncio.sleep(_RESUME_AFTER if reader.retry is None else max(reader.retry, _LEAST_PAUSE))
        headers = self.headers("", {})
        headers["Accept"] = "text/event-stream"
        headers["Last-Event-ID"] = reader.last_id or ""
        reader.restart()
        response = await self._poster.send("GET", None, headers)
        if response.status != 200 or response.content_type != "text/event-stream":
            response.close()
            raise ConnectionLost(f"The MCP server did not resume its stream (HTTP {response.status}).")
        return response

    # --- what comes with answers

    def _take(self, data: bytes, flight: _Flight | None, own: int) -> Raw | None:
        """One message of a stream (`flight` None: of the GET stream); the result if it is the awaited answer."""
        try:
            message = jsonrpc.parse(data)
        except (ParseError, InvalidRequest) as wrong:
            if own and inbound.answered_id(data[:256], data[-256:]) == own:
                raise inbound.useless_answer(wrong) from None
            self._listener.log("warning", f"Dropped an event that is no MCP message: {wrong.message}")
            return None
        if message.method is UNSET:
            if own and message.id == own:
                return self._result(message)
            self._listener.log("debug", f"Dropped an answer to the unknown request {message.id!r}.")
            return None
        self._heard.heard(message, flight)
        return None

    def receive(self, data: bytes) -> None:
        """Take one message of the GET stream, which belongs to no request."""
        self._take(data, None, 0)

    def _reply(self, message: bytes) -> None:
        self._tasks.start(self._post_answer(message), "reply")

    async def _post_answer(self, message: bytes) -> None:
        try:
            await self.post(message)
        except HubError as failure:
            self._listener.log("warning", f"Could not answer a request of the server: {failure.message}")


async def _drain(response: aiohttp.ClientResponse) -> None:
    try:
        async with asyncio.timeout(_LINGER):
            async for _ in response.content.iter_any():
                pass
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass
    finally:
        # A stream that ended gave its connection back by itself; any other ends here, also when this is cancelled.
        response.close()
