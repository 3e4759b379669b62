"""StreamableUpstream: a remote MCP server over streamable HTTP, of the stateless revision or with sessions.

Above: `supervisor`. Below: `remote` (its requests), `listening` (change notices of the stateless revision). With
sessions there is one GET stream for what belongs to no request, read by `_hear`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import aiohttp
from msgspec import Raw

from mcphub.errors import HubError
from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.errors import AuthenticationRefused, NotSent, RpcError
from mcphub.gateway.inventory import Inventory
from mcphub.gateway.snapshot import HttpSpec, ServerSpec
from mcphub.gateway.tasks import Tasks
from mcphub.gateway.upstreams.base import Listener
from mcphub.gateway.upstreams.credentials import Credentials, StaticCredentials
from mcphub.gateway.upstreams.event_stream import EventReader
from mcphub.gateway.upstreams.handshake import Greeting, Memory, greet, initialize, take_inventory
from mcphub.gateway.upstreams.listening import Listening
from mcphub.gateway.upstreams.outbound import Outbound
from mcphub.gateway.upstreams.param_headers import usable_tools
from mcphub.gateway.upstreams.posting import Poster
from mcphub.gateway.upstreams.remote import RemotePeer

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
#: Seconds for ending a session at the server.
_FAREWELL = 1.0


class StreamableUpstream:
    """One connection; see `base.Upstream`. `environment` (the hub's) may name proxies."""

    def __init__(
        self,
        spec: ServerSpec,
        listener: Listener,
        memory: Memory,
        outbound: Outbound,
        environment: Mapping[str, str],
    ) -> None:
        assert isinstance(spec.spec, HttpSpec)
        self.closed: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self._spec = spec
        self._listener = listener
        self._memory = memory
        self._tasks = Tasks(f"streamable {spec.name}")
        self._credentials: Credentials = StaticCredentials(spec.spec.headers)
        self._outbound = outbound
        self._environment = environment
        self._remote: RemotePeer | None = None
        self._poster: Poster | None = None
        self._greeting: Greeting | None = None
        self._listening: Listening | None = None
        self._hearing: asyncio.Task[Any] | None = None
        self._uris: set[str] = set()

    def adopt(self, spec: ServerSpec) -> None:
        self._spec = spec
        if self._remote is not None:
            self._remote.options = spec.options

    @property
    def _peer(self) -> RemotePeer:
        if self._remote is None:
            raise NotSent()
        return self._remote

    async def open(self) -> Inventory:
        self._poster = Poster(self._spec, self._outbound, self._credentials, self._environment)
        remote = RemotePeer(self._poster, self._listener, self._spec.options, self._tasks, self._die, self._renew)
        self._remote = remote
        self._greeting = await greet(remote, self._memory)
        inventory = await self.refresh()
        if self._greeting.modern:
            remote.reread_schemas = self.refresh
            self._listening = Listening(self._listen, self._greeting, self._listener, self._tasks)
            self._listening.start()
        else:
            self._hearing = self._tasks.start(self._hear(), "hear")
        return inventory

    async def refresh(self) -> Inventory:
        assert self._greeting is not None
        warn = partial(self._listener.log, "warning")
        inventory = await take_inventory(self._peer, self._greeting, warn)
        if not self._greeting.modern:
            return inventory
        mirrors, invalid = usable_tools(inventory.tools)
        for name, reason in invalid.items():
            warn(f"Left out tool {name!r}: {reason}.")
        self._peer.mirrors = mirrors
        return replace(inventory, tools=tuple(tool for tool in inventory.tools if tool.key not in invalid))

    def request(self, call: Call, exchange: Exchange) -> Coroutine[Any, Any, Raw]:
        return self._peer.request(call, exchange)

    async def ping(self) -> None:
        with contextlib.suppress(RpcError):  # an error is an answer
            await self._peer.ask("server/discover" if self._peer.modern else "ping")

    async def subscribe(self, uri: str, wanted: bool) -> None:
        if self._listening is not None:
            self._listening.want(uri, wanted)
            return
        (self._uris.add if wanted else self._uris.discard)(uri)
        await self._peer.ask("resources/subscribe" if wanted else "resources/unsubscribe", {"uri": uri})

    async def _listen(self, params: dict[str, Any]) -> Raw:
        return await self._peer.ask("subscriptions/listen", params)

    # --- sessions

    async def _renew(self) -> None:
        """Open a new session; it knows no subscriptions, and what the server offers may have changed."""
        self._greeting = await initialize(self._peer)
        if self._hearing is not None:
            self._hearing.cancel()
            self._hearing = self._tasks.start(self._hear(), "hear")
        for uri in self._uris:
            await self._peer.ask("resources/subscribe", {"uri": uri})
        for kind in ("tools", "prompts", "resources"):
            self._listener.list_changed(kind)

    async def _hear(self) -> None:
        """Keep the GET stream open while the server offers one; it may close it at will and be asked for the rest."""
        reader = EventReader(self._spec.options.max_buffer_size)
        pause = _FIRST_PAUSE
        while True:
            try:
                heard = await self._hear_once(reader)
            except NotSent as failure:
                self._die(failure)
                return
            except AuthenticationRefused as refused:
                # Some servers allow requests and no streams; a refused request would end the connection.
                self._listener.log("info", f"No stream of notifications: {refused.message}")
                return
            except HubError as failure:
                self._listener.log("debug", f"Lost the stream of notifications: {failure.message}")
                heard = False
            if heard is None:
                return
            pause = _FIRST_PAUSE if heard else min(pause * 2, _LONGEST_PAUSE)
            wait = random.uniform(pause / 2, pause)  # noqa: S311 (jitter, no secret)
            if reader.retry is not None:
                # The server's wish counts, but not to be asked all the time by a stream that brings nothing.
                wait = max(reader.retry, 0.1 if heard else wait)
            await asyncio.sleep(wait)

    async def _hear_once(self, reader: EventReader) -> bool | None:
        """Read one GET stream to its end; whether anything came, or None where the server offers none."""
        assert self._poster is not None
        headers = self._peer.headers("", {})
        headers["Accept"] = "text/event-stream"
        if reader.last_id is not None:
            headers["Last-Event-ID"] = reader.last_id
        reader.restart()
        response = await self._poster.send("GET", None, headers)
        if response.status != 200 or response.content_type != "text/event-stream":
            response.close()
            # A lost session is noticed by the next request, and renewed for it; other refusals are for good.
            return False if response.status >= 500 else None
        heard = False
        try:
            async for chunk in response.content.iter_any():
                heard = True
                for event in reader.feed(chunk):
                    self._peer.receive(event.data)
        except (aiohttp.ClientError, OSError):
            pass  # the same as its end
        finally:
            response.close()
        return heard

    # --- the end

    def _die(self, failure: HubError) -> None:
        if not self.closed.done():
            self.closed.set_result(failure)

    async def aclose(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        await self._tasks.aclose()
        if self._remote is not None and self._remote.session is not None and self._poster is not None:
            # Polite, and bounded: a server that is gone need not be told.
            with contextlib.suppress(HubError, TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    (await self._poster.send("DELETE", None, self._remote.headers("", {}))).close()
