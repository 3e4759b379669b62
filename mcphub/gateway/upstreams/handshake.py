"""The handshake: finding out which era an upstream speaks, greeting it, and reading every page of its lists.

Above: the transports. Below: `stamp`. Knows no transport: it talks through a `Peer`. The era belongs to the
upstream, not to the connection: `Memory` is kept by the supervisor over reconnects, so that a silent old server costs
the probe's patience once only. (protocol reference A.6.3)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec
from msgspec import DecodeError, Raw

from mcphub.errors import RPC_METHOD_NOT_FOUND
from mcphub.gateway.envelope import LATEST_LEGACY, LEGACY, MODERN, SERVER_KEY
from mcphub.gateway.errors import (
    RPC_UNSUPPORTED_VERSION,
    ConnectionLost,
    InvalidRequest,
    NotSent,
    RpcError,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from mcphub.gateway.inventory import Inventory, Item, Kind
from mcphub.gateway.jsonrpc import NULL, Members, dumps, loads, members, text
from mcphub.gateway.upstreams.stamp import CLIENT_INFO, LEGACY_CAPABILITIES

PROBE_TIMEOUT = 2.5
#: Bounds of one list: an upstream that pages for ever must not fill the memory.
_MOST_PAGES = 1_000
_MOST_BYTES = 64 * 1024 * 1024
_LISTS: tuple[tuple[Kind, str, str, str], ...] = (
    ("tool", "tools", "tools/list", "tools"),
    ("prompt", "prompts", "prompts/list", "prompts"),
    ("resource", "resources", "resources/list", "resources"),
    ("template", "resources", "resources/templates/list", "resourceTemplates"),
)

Warn = Callable[[str], None]

_raws = msgspec.json.Decoder(list[Raw])


@dataclass(slots=True)
class Memory:
    """What is worth keeping of an upstream between its connections."""

    era: Literal["modern", "legacy"] | None = None


@dataclass(frozen=True, slots=True)
class Greeting:
    """How an upstream introduced itself; `capabilities` opened one level."""

    revision: str
    server_info: bytes
    capabilities: Members
    instructions: str | None = None

    @property
    def modern(self) -> bool:
        return self.revision == MODERN

    def announces_changes(self, capability: str) -> bool:
        """Whether it promised `listChanged` for `tools`, `prompts` or `resources`."""
        return self._flag(capability, "listChanged")

    @property
    def takes_subscriptions(self) -> bool:
        return self._flag("resources", "subscribe")

    def _flag(self, capability: str, flag: str) -> bool:
        raw = self.capabilities.get(capability)
        value = loads(raw) if raw is not None else None
        return isinstance(value, dict) and value.get(flag) is True


class Peer(Protocol):
    """A connection that can carry the hub's own requests. `greet` sets the era and the revision they are written in."""

    modern: bool
    revision: str | None

    async def ask(self, method: str, params: Mapping[str, Any] | None = None, timeout: float | None = None) -> Raw:
        """Send a request; raises `RpcError` for an error answer, `HubError` for anything else."""

    async def tell(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Send a notification."""


async def greet(peer: Peer, memory: Memory) -> Greeting:
    """Introduce the hub in the newest era the upstream speaks.

    Raises:
        UpstreamProtocolError: it answered `initialize` with something that is none, or with an unknown revision.
        RpcError: it refused `initialize`.
        HubError: the connection failed.
    """
    if memory.era != "legacy":
        try:
            found = await _discover(peer)
        except NotSent:
            raise
        except ConnectionLost:
            # Some old servers end when they are asked something they do not know; the next attempt does not ask.
            memory.era = "legacy" if memory.era is None else None
            raise
        if found is not None:
            memory.era = "modern"
            return found
    memory.era = None
    greeting = await initialize(peer)
    memory.era = "legacy"
    return greeting


async def _discover(peer: Peer) -> Greeting | None:
    peer.modern = True
    try:
        raw = await _ask_who_is_there(peer)
        result = members(raw)
        versions = loads(result["supportedVersions"])
    except (RpcError, UpstreamTimeout, UpstreamProtocolError, InvalidRequest, KeyError, DecodeError):
        # Old servers answer what they do not know in every way there is, or not at all.
        return None
    if not isinstance(versions, list) or MODERN not in versions:
        return None
    peer.revision = MODERN
    meta = members(result["_meta"]) if "_meta" in result else {}
    return _greeting(MODERN, result, meta.get(SERVER_KEY))


async def _ask_who_is_there(peer: Peer) -> Raw:
    """`server/discover`; once more where the server refuses the revision and names it among those it supports."""
    try:
        return await peer.ask("server/discover", timeout=PROBE_TIMEOUT)
    except RpcError as refused:
        data = loads(refused.data) if refused.code == RPC_UNSUPPORTED_VERSION and refused.data is not None else None
        if not isinstance(data, dict) or MODERN not in (data.get("supported") or ()):
            raise
    return await peer.ask("server/discover", timeout=PROBE_TIMEOUT)


async def initialize(peer: Peer) -> Greeting:
    """Open a session of the old era. Raises as `greet`."""
    peer.modern = False
    peer.revision = None
    hello = {"protocolVersion": LATEST_LEGACY, "capabilities": LEGACY_CAPABILITIES, "clientInfo": CLIENT_INFO}
    result = members(await peer.ask("initialize", hello))
    revision = text(result.get("protocolVersion"))
    if revision not in LEGACY:
        raise UpstreamProtocolError(f"The MCP server wants protocol revision {revision!r}, which the hub cannot speak.")
    greeting = _greeting(revision, result, result.get("serverInfo"))
    peer.revision = revision
    await peer.tell("notifications/initialized")
    return greeting


def _greeting(revision: str, result: Members, info: Raw | None) -> Greeting:
    capabilities = result.get("capabilities")
    return Greeting(
        revision,
        bytes(info) if info is not None else b"{}",
        members(capabilities) if capabilities is not None else {},
        text(result.get("instructions")),
    )


async def take_inventory(peer: Peer, greeting: Greeting, warn: Warn) -> Inventory:
    """Read every page of every list the upstream has. Malformed items are left out, with a warning.

    Raises as `Peer.ask`; a list that the upstream does not serve after all (-32601) is empty.
    """
    wanted = [entry for entry in _LISTS if entry[1] in greeting.capabilities]
    lists = await asyncio.gather(*(_read_list(peer, kind, method, key, warn) for kind, _, method, key in wanted))
    found = {entry[0]: read for entry, read in zip(wanted, lists, strict=True)}
    promised = [ttl for _, ttl in lists if ttl is not None]
    nothing: tuple[tuple[Item, ...], None] = ((), None)
    return Inventory(
        revision=greeting.revision,
        server_info=greeting.server_info,
        capabilities=dumps(greeting.capabilities),
        instructions=greeting.instructions,
        tools=found.get("tool", nothing)[0],
        prompts=found.get("prompt", nothing)[0],
        resources=found.get("resource", nothing)[0],
        templates=found.get("template", nothing)[0],
        ttl_ms=min(promised, default=None),
    )


async def _read_list(peer: Peer, kind: Kind, method: str, key: str, warn: Warn) -> tuple[tuple[Item, ...], int | None]:
    items: dict[str, Item] = {}
    ttl: int | None = None
    size = 0
    cursor: Raw | None = None
    seen: set[bytes] = set()
    for _ in range(_MOST_PAGES):
        try:
            page = members(await peer.ask(method, None if cursor is None else {"cursor": cursor}))
        except RpcError as refused:
            if refused.code == RPC_METHOD_NOT_FOUND:
                return (), None
            raise
        for raw in _elements(page.get(key), key):
            size += len(bytes(raw))
            _add(items, kind, raw, warn)
        ttl = _least(ttl, page.get("ttlMs"))
        following = page.get("nextCursor")
        if following is None or following == NULL:
            return tuple(items.values()), ttl
        if bytes(following) in seen or size > _MOST_BYTES:
            break
        seen.add(bytes(following))
        cursor = following
    warn(f"{method} does not end; only the first {len(items)} items are used.")
    return tuple(items.values()), ttl


def _add(items: dict[str, Item], kind: Kind, raw: Raw, warn: Warn) -> None:
    try:
        item = Item.of(kind, bytes(raw))
    except (ValueError, RecursionError) as wrong:
        warn(f"Left out {kind} that is not valid: {wrong}.")
        return
    if item.key in items:
        warn(f"Left out a second {kind} with the name {item.key!r}.")
        return
    items[item.key] = item


def _elements(raw: Raw | None, key: str) -> list[Raw]:
    if raw is None:
        return []
    try:
        return _raws.decode(raw)
    except DecodeError:
        raise UpstreamProtocolError(f"The MCP server sent a list whose {key!r} is no array.") from None


def _least(known: int | None, raw: Raw | None) -> int | None:
    value = loads(raw) if raw is not None else None
    if not isinstance(value, int) or isinstance(value, bool):
        return known
    return value if known is None else min(known, value)
