"""Upstream: one connection to one MCP server, and what it may tell its supervisor.

An implementation owns its I/O and nothing else: it knows no back-off, no catalogue, no other server. `open` connects
and reads all lists; `request` carries one call; `closed` resolves when the connection is gone, however it went.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from msgspec import Raw

from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.inventory import Inventory
from mcphub.gateway.ports import Level
from mcphub.gateway.snapshot import ServerSpec


class Listener(Protocol):
    """What an upstream tells its supervisor while it lives. Methods must not block."""

    def list_changed(self, kind: str) -> None:
        """The upstream says that its `tools`, `prompts` or `resources` changed."""

    def resource_updated(self, uri: str) -> None:
        """A subscribed resource changed."""

    def notice(self, method: str, params: Raw) -> None:
        """A notification that belongs to no call (e.g. a log message outside of one)."""

    def log(self, level: Level, message: str, source: str = "connection") -> None:
        """A line for the log book."""


class Upstream(Protocol):
    """One connection. Made by the supervisor from a `ServerSpec`; never reused after `closed`."""

    #: Resolves when the connection ended: to None when it was closed on purpose, else to the failure.
    closed: asyncio.Future[BaseException | None]

    def adopt(self, spec: ServerSpec) -> None:
        """Take over a changed spec whose `connection` is the same: names, limits, switches."""

    async def open(self) -> Inventory:
        """Connect, shake hands, read every page of every list.

        Raises:
            AuthenticationRefused: credentials were refused; `data` may hold `authorization_url` or the challenge.
            HubError, OSError: anything else; the supervisor will try again.
        """

    async def refresh(self) -> Inventory:
        """Read the lists again over the present connection."""

    async def request(self, call: Call, exchange: Exchange) -> Raw:
        """Carry one call; see `links.Link.call` for the result and the errors. Times out by the spec's options."""

    async def ping(self) -> None:
        """Prove that the upstream answers. Raises like `request`."""

    async def subscribe(self, uri: str, wanted: bool) -> None:
        """Subscribe to a resource, or end that."""

    async def aclose(self) -> None:
        """End the connection and free everything it holds, children and sockets included. Never raises."""
