"""`initialize`, `ping`, `server/discover`: what the hub says of itself. Above: `router`. Below: `catalog`."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from mcphub.gateway import jsonrpc, rendering
from mcphub.gateway.envelope import LATEST_LEGACY, LEGACY, MODERN
from mcphub.gateway.inquiry import Inquiry
from mcphub.gateway.jsonrpc import Members


def negotiated(requested: str | None) -> str:
    """The requested session-based revision where the hub knows it, else its latest one."""
    return requested if requested in LEGACY else LATEST_LEGACY


def client_name(params: Members) -> str:
    """What the client calls itself; "" where it does not say."""
    return jsonrpc.text(jsonrpc.members(params.get("clientInfo", jsonrpc.EMPTY)).get("name")) or ""


async def initialize(inquiry: Inquiry) -> bytes:
    """The answer to a client that opens a session; the endpoint has negotiated `inquiry.revision` and mints the id."""
    catalog = inquiry.catalog
    result: dict[str, Any] = {
        "protocolVersion": inquiry.revision,
        "capabilities": catalog.capabilities,
        "serverInfo": Raw(catalog.server_info),
    }
    if catalog.instructions:
        result["instructions"] = catalog.instructions
    return jsonrpc.dumps(result)


async def ping(inquiry: Inquiry) -> Raw:
    """Answered here: the client asks whether the hub is there."""
    return jsonrpc.EMPTY


async def discover(inquiry: Inquiry) -> bytes:
    """What answers behind this door under the stateless revision."""
    catalog = inquiry.catalog
    result: dict[str, Any] = {"supportedVersions": [MODERN, LATEST_LEGACY], "capabilities": catalog.capabilities}
    if catalog.instructions:
        result["instructions"] = catalog.instructions
    return rendering.complete(jsonrpc.dumps(result)[1:-1], catalog.server_info, catalog.ttl_ms)
