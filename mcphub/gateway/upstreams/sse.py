"""SseUpstream: a remote MCP server over the HTTP+SSE transport of 2024-11-05.

One GET stream brings all messages; its first event names the address that requests are POSTed to. The stream is the
connection: when it ends, so does the upstream. Above: `supervisor`. Below: `duplex`, `posting`, `event_stream`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any

import aiohttp
from msgspec import Raw
from yarl import URL

from mcphub.errors import HubError
from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.errors import AuthenticationRefused, ConnectionLost, RpcError, UpstreamProtocolError
from mcphub.gateway.inventory import Inventory
from mcphub.gateway.snapshot import HttpSpec, ServerSpec
from mcphub.gateway.tasks import Tasks
from mcphub.gateway.upstreams.base import Listener
from mcphub.gateway.upstreams.credentials import Credentials, StaticCredentials
from mcphub.gateway.upstreams.duplex import Duplex
from mcphub.gateway.upstreams.event_stream import EventReader
from mcphub.gateway.upstreams.handshake import Greeting, Memory, initialize, take_inventory
from mcphub.gateway.upstreams.outbound import Outbound
from mcphub.gateway.upstreams.posting import Poster, excerpt_of

#: Seconds for the stream to name the address for requests.
_ENDPOINT_TIMEOUT = 15.0


class SseUpstream:
    """One connection; see `base.Upstream`. Servers of this transport speak the session revisions only."""

    def __init__(
        self,
        spec: ServerSpec,
        listener: Listener,
        memory: Memory,
        outbound: Outbound,
        environment: Mapping[str, str],
    ) -> None:
        assert isinstance(spec.spec, HttpSpec)
        loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[BaseException | None] = loop.create_future()
        self._spec = spec
        self._listener = listener
        self._credentials: Credentials = StaticCredentials(spec.spec.headers)
        self._outbound = outbound
        self._environment = environment
        self._tasks = Tasks(f"sse {spec.name}")
        self._duplex = Duplex(self._write, listener, spec.options, self._tasks)
        self._poster: Poster | None = None
        self._endpoint: asyncio.Future[URL] = loop.create_future()
        self._greeting: Greeting | None = None

    def adopt(self, spec: ServerSpec) -> None:
        self._spec = spec
        self._duplex.options = spec.options

    async def open(self) -> Inventory:
        self._poster = Poster(self._spec, self._outbound, self._credentials, self._environment)
        response = await self._poster.send("GET", None, {"Accept": "text/event-stream"})
        if response.status != 200 or response.content_type != "text/event-stream":
            status, kind = response.status, response.content_type
            response.close()
            hint = " Is this a streamable HTTP server?" if status in (400, 404, 405, 406) else ""
            raise UpstreamProtocolError(f"The MCP server answered HTTP {status} with {kind}, no event stream.{hint}")
        self._tasks.start(self._read(response), "read")
        named_or_ended: list[asyncio.Future[Any]] = [self._endpoint, self.closed]
        await asyncio.wait(named_or_ended, timeout=_ENDPOINT_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        if not self._endpoint.done():
            raise UpstreamProtocolError("The MCP server did not name the address for requests.")
        self._greeting = await initialize(self._duplex)
        return await self.refresh()

    async def refresh(self) -> Inventory:
        assert self._greeting is not None
        return await take_inventory(self._duplex, self._greeting, partial(self._listener.log, "warning"))

    def request(self, call: Call, exchange: Exchange) -> Coroutine[Any, Any, Raw]:
        return self._duplex.request(call, exchange)

    async def ping(self) -> None:
        with contextlib.suppress(RpcError):  # an error is an answer
            await self._duplex.ask("ping")

    async def subscribe(self, uri: str, wanted: bool) -> None:
        await self._duplex.ask("resources/subscribe" if wanted else "resources/unsubscribe", {"uri": uri})

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        reader = EventReader(self._spec.options.max_buffer_size)
        failure: HubError = ConnectionLost("The MCP server closed its event stream.")
        try:
            async for chunk in response.content.iter_any():
                for event in reader.feed(chunk):
                    if event.name == "endpoint":
                        self._name_endpoint(event.data)
                    else:
                        self._duplex.receive(event.data)
        except (aiohttp.ClientError, OSError) as broken:
            failure = ConnectionLost(f"The event stream broke: {str(broken) or type(broken).__name__}.")
        except HubError as wrong:
            failure = wrong
        finally:
            response.close()
        self._die(failure)

    def _name_endpoint(self, data: bytes) -> None:
        assert self._poster is not None
        try:
            endpoint = self._poster.url.join(URL(data.decode()))
            if endpoint.origin() != self._poster.url.origin():
                # Requests carry secrets for the configured origin.
                raise UpstreamProtocolError("The MCP server named an address of another origin for requests.")
        except ValueError:
            raise UpstreamProtocolError("The MCP server named an address for requests that is no URL.") from None
        if not self._endpoint.done():
            self._endpoint.set_result(endpoint)

    def _write(self, message: bytes, own: int, call: Call | None) -> None:
        self._tasks.start(self._post(message, own, call), "post")

    async def _post(self, message: bytes, own: int, call: Call | None) -> None:
        assert self._poster is not None
        headers = {"Content-Type": "application/json"}
        if self._duplex.revision is not None:
            headers["MCP-Protocol-Version"] = self._duplex.revision
        try:
            passed = call.headers if call is not None else None
            response = await self._poster.send("POST", message, headers, passed, self._endpoint.result())
            if response.status < 400:
                response.release()
                return
            await excerpt_of(response)
            failure: HubError = UpstreamProtocolError(f"The MCP server answered HTTP {response.status}.")
            if response.status in (400, 404):
                # The stream's session is unknown where requests arrive: only a new stream helps.
                failure = ConnectionLost(f"The MCP server forgot the session (HTTP {response.status}).")
                self._die(failure)
        except AuthenticationRefused as refused:
            failure = refused
            if not (call and call.headers):
                self._die(refused)
        except HubError as wrong:
            failure = wrong
        self._duplex.reject(own, failure)

    def _die(self, failure: HubError) -> None:
        lost = failure if isinstance(failure, ConnectionLost) else ConnectionLost(failure.message)
        self._duplex.fail(lost)
        if not self.closed.done():
            self.closed.set_result(failure)

    async def aclose(self) -> None:
        self._duplex.fail(ConnectionLost("The connection was closed."))
        if not self.closed.done():
            self.closed.set_result(None)
        await self._tasks.aclose()
