"""The hub's tools as an OpenAPI 3.0.3 document, for clients that speak REST and not MCP (contract 9.3).

One path for each tool that is connected and visible to the caller. Above: the API. Below: `calling`, the gateway's
catalogues.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec
from django.conf import settings

from mcphub import plane
from mcphub.bridge import on_loop
from mcphub.errors import NotFound
from mcphub.gateway import rendering
from mcphub.gateway.catalog import Catalog, Source
from mcphub.gateway.errors import UnknownTarget
from mcphub.gateway.principal import Principal
from mcphub.gateway.selector import Selector
from mcphub.gateway.snapshot import Offer

#: A tool with more parameters, or with one of these types, takes them in a body.
_MOST_IN_QUERY = 10
_IN_BODY = frozenset({"string", "object", "array"})
_UP = frozenset({"connected", "sleeping"})

_RESPONSES = {
    "200": {
        "description": "What the tool answered; `isError` says whether it failed.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ToolResponse"}}},
    },
    "400": {
        "description": "The arguments are not what the tool takes.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}},
    },
    "500": {
        "description": "The tool could not be called.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}},
    },
}
_COMPONENTS = {
    "schemas": {
        "ToolResponse": {
            "type": "object",
            "properties": {
                "content": {"type": "array", "items": {"type": "object"}},
                "isError": {"type": "boolean"},
            },
        },
        "ErrorResponse": {
            "type": "object",
            "properties": {"error": {"type": "string"}, "message": {"type": "string"}},
        },
    },
    "securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a document is asked to be. `servers` None stands for all; `disabled` lists hidden tools as well."""

    title: str = "MCPHub API"
    description: str = "Tools of MCP servers, as REST operations."
    version: str = "1.0.0"
    server_url: str = ""
    servers: frozenset[str] | None = None
    disabled: bool = False


def document(principal: Principal, door: Selector, wanted: Wanted) -> dict[str, Any]:
    """The description of what is behind a door. Raises `NotFound` where the principal may not know of it."""
    catalog = on_loop(_catalog(principal, door))
    url = wanted.server_url or plane.require().snapshot.switches.public_url + settings.BASE_PATH + "/api"
    paths: dict[str, Any] = {}
    for source, offer in _tools(catalog, wanted):
        path, operation = _operation(source, offer, catalog.basis.separator)
        paths.setdefault(path, operation)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": wanted.title,
            "description": wanted.description,
            "version": wanted.version,
            "contact": {"name": "MCPHub"},
            "license": {"name": "Apache-2.0"},
        },
        "servers": [{"url": url, "description": "This hub"}],
        "paths": paths,
        "components": _COMPONENTS,
        "security": [{"bearerAuth": []}],
        "tags": [{"name": name} for name in dict.fromkeys(source.server.name for source in _up(catalog, wanted))],
    }


def connected(principal: Principal) -> list[str]:
    """The names of the servers that are up and that the principal may see."""
    return [source.server.name for source in _up(on_loop(_catalog(principal, Selector("all"))), Wanted())]


def stats(principal: Principal) -> dict[str, Any]:
    """How many servers and tools are up, and every enabled server with its tools and status."""
    catalog = on_loop(_catalog(principal, Selector("all")))
    up = {source.server.key: _count(source) for source in _up(catalog, Wanted())}
    breakdown = [
        {
            "name": source.server.name,
            "toolCount": _count(source),
            "status": "connected" if source.server.key in up else "disconnected",
        }
        for source in catalog.sources
    ]
    return {"totalServers": len(up), "totalTools": sum(up.values()), "serverBreakdown": breakdown}


async def _catalog(principal: Principal, door: Selector) -> Catalog:
    try:
        return plane.require().gateway.catalog(principal, door)
    except UnknownTarget:
        raise NotFound("There is no such group or server.") from None


def _up(catalog: Catalog, wanted: Wanted) -> Iterator[Source]:
    states = plane.states()
    for source in catalog.sources:
        named = wanted.servers is None or source.server.name in wanted.servers
        if named and states.get(source.server.key, {}).get("state") in _UP:
            yield source


def _tools(catalog: Catalog, wanted: Wanted) -> Iterator[tuple[Source, Offer]]:
    for source in _up(catalog, wanted):
        chosen = None if source.member is None else source.member.tools
        for offer in source.server.tools:
            selected = chosen is None or offer.item.key in chosen
            if selected and (offer.enabled or wanted.disabled) and not rendering.is_app_only(offer.item.definition):
                yield source, offer


def _count(source: Source) -> int:
    return sum(offer.enabled for offer in source.server.tools)


def _operation(source: Source, offer: Offer, separator: str) -> tuple[str, dict[str, Any]]:
    server, name = source.server.name, offer.item.key
    definition = msgspec.json.decode(offer.item.definition)
    schema = definition.get("inputSchema")
    schema = schema if isinstance(schema, dict) else {}
    description = definition.get("description") if offer.description is None else offer.description
    operation: dict[str, Any] = {
        "summary": definition.get("title") or description or f"Call {name}",
        "description": description or "",
        "operationId": f"{server}{separator}{name}",
        "tags": [server],
        "responses": _RESPONSES,
    }
    path = f"/tools/{quote(server, safe='')}/{quote(name, safe='')}"
    if fits_query(schema):
        return path, {"get": operation | {"parameters": list(_parameters(schema))}}
    body = {"required": bool(schema.get("required")), "content": {"application/json": {"schema": schema}}}
    return path, {"post": operation | {"requestBody": body}}


def fits_query(schema: Mapping[str, Any]) -> bool:
    """Whether a tool's arguments are few and simple enough for the query of a GET."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        return True
    types = [property.get("type") for property in properties.values() if isinstance(property, Mapping)]
    simple = all(isinstance(kind, str) and kind not in _IN_BODY for kind in types)
    return len(properties) <= _MOST_IN_QUERY and len(types) == len(properties) and simple


def _parameters(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    properties = schema.get("properties")
    required = schema.get("required")
    for name, described in (properties if isinstance(properties, Mapping) else {}).items():
        yield {
            "name": name,
            "in": "query",
            "required": isinstance(required, list) and name in required,
            "description": str(described.get("description") or f"The argument {name}"),
            "schema": described,
        }
