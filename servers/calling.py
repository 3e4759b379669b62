"""Calls for the doors of Django: tools, prompts and resources by the same access, catalogue and records as over MCP.

Names are resolved on the hub's loop, where the catalogues live; the calling thread waits for the result. What the
caller may not see is told exactly as what does not exist. Above: the API, the dashboard. Below: `mcphub.plane`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw

from mcphub import plane
from mcphub.bridge import on_loop
from mcphub.errors import RPC_INVALID_PARAMS, RPC_UNAVAILABLE, HubError, InvalidInput, NotFound
from mcphub.gateway import jsonrpc
from mcphub.gateway.app import GatewayApp
from mcphub.gateway.catalog import Catalog, Target
from mcphub.gateway.errors import RPC_RESOURCE_NOT_FOUND, RpcError, UnknownTarget
from mcphub.gateway.principal import Principal
from mcphub.gateway.selector import Selector, resolve
from mcphub.gateway.snapshot import BuiltinPrompt
from servers.arguments import converted

#: Everything behind the global route.
EVERYTHING = Selector("all")


class UpstreamRefused(HubError):
    """The MCP server answered with an error of its own; the sentence is the server's."""

    code = "upstream_refused"
    http_status = 502
    rpc_code = RPC_UNAVAILABLE
    sentence = "The MCP server refused the request."


@dataclass(frozen=True, slots=True)
class Guest:
    """Who calls through another door than MCP: the principal, its headers (lower-case names) and address."""

    principal: Principal
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    address: str = ""


@dataclass(frozen=True, slots=True)
class Called:
    """A tool's answer: its result opened one level, and the arguments as they were sent on."""

    tool: str
    arguments: dict[str, Any]
    result: dict[str, Any]


def door_named(name: str) -> Selector:
    """The group or server that a path segment names, as MCP routes have it. Raises `NotFound`."""
    found = resolve(plane.require().snapshot, name) if name else None
    if found is None:
        raise NotFound("There is no such group or server.")
    return found


def call_tool(
    guest: Guest, server: str, tool: str, arguments: Mapping[str, Any], *, door: Selector | None = None
) -> Called:
    """Call a tool of a server, by its own name or with the server's prefix; arguments are fitted to its schema.

    Args:
        door: the group (or server) through which the tool must be reachable; by default the server itself.
    Raises `NotFound`; `InvalidInput` where the server refuses the arguments; `UpstreamRefused` and other `HubError`s.
    """
    gateway = plane.require().gateway
    return on_loop(_call_tool(gateway, guest, door or Selector("server", server), server, tool, arguments))


def get_prompt(guest: Guest, server: str, name: str, arguments: object) -> dict[str, Any]:
    """A prompt of a server, by its own name or with the server's prefix, or one of the hub's own. Raises as above."""
    return on_loop(_get_prompt(plane.require().gateway, guest, server, name, arguments))


def read_resource(guest: Guest, uri: str) -> dict[str, Any]:
    """A resource of any server the caller may see, or one of the hub's own. Raises as above."""
    return on_loop(_answer(plane.require().gateway, guest, EVERYTHING, "resources/read", {"uri": uri}))


async def _call_tool(
    gateway: GatewayApp, guest: Guest, door: Selector, server: str, tool: str, arguments: Mapping[str, Any]
) -> Called:
    target = _tool(_catalog(gateway, guest, door), server, tool)
    fitted = converted(arguments, msgspec.json.decode(target.offer.item.definition).get("inputSchema"))
    params = {"name": target.exposed, "arguments": fitted}
    result = await _answer(gateway, guest, door, "tools/call", params)
    return Called(target.exposed, fitted, {"content": [], "isError": False} | result)


def _tool(catalog: Catalog, server: str, name: str) -> Target:
    keys = {source.server.key for source in catalog.sources if server in (source.server.name, source.prefix)}
    for candidate in (f"{server}{catalog.basis.separator}{name}", name):
        target = catalog.tool(candidate)
        if target is not None and target.server.key in keys:
            return target
    raise NotFound("There is no such tool.")


async def _get_prompt(gateway: GatewayApp, guest: Guest, server: str, name: str, arguments: object) -> dict[str, Any]:
    try:
        door = Selector("server", server)
        catalog = _catalog(gateway, guest, door)
    except NotFound:  # the hub's own prompts are offered behind every door
        door, catalog = EVERYTHING, _catalog(gateway, guest, EVERYTHING)
    for candidate in (f"{server}{catalog.basis.separator}{name}", name):
        found = catalog.prompt(candidate)
        if isinstance(found, BuiltinPrompt) or (found is not None and door is not EVERYTHING):
            params = {"name": candidate} if arguments is None else {"name": candidate, "arguments": arguments}
            return await _answer(gateway, guest, door, "prompts/get", params)
    raise NotFound("There is no such prompt.")


def _catalog(gateway: GatewayApp, guest: Guest, door: Selector) -> Catalog:
    try:
        return gateway.catalog(guest.principal, door)
    except UnknownTarget:
        raise NotFound("There is no such group or server.") from None


async def _answer(
    gateway: GatewayApp, guest: Guest, door: Selector, method: str, params: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        result: Raw = await gateway.dispatch(
            guest.principal, door, method, params, headers=dict(guest.headers), address=guest.address
        )
    except RpcError as refusal:
        if refusal.code == RPC_RESOURCE_NOT_FOUND:
            raise NotFound("There is no such resource.") from None
        kind = InvalidInput if refusal.code == RPC_INVALID_PARAMS else UpstreamRefused
        raise kind(refusal.message) from None
    return dict(jsonrpc.members(result))
