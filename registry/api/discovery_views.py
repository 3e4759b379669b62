"""What other hubs and agents may find here without an account (contract, section 22), while `discovery.enabled` is on.

While it is off, every path answers as one that does not exist. Above: `urls`. Below: `market`.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.api.documents import ANY_OBJECT, NUMBER, TEXT, array_of, object_of
from mcphub.api.envelope import reply
from mcphub.api.limits import Limit
from mcphub.api.operations import Allow, operation
from mcphub.api.pages import whole_parameter
from mcphub.api.views import HubView
from mcphub.errors import NotFound
from registry import market
from servers import settings_reader

#: Kinds of installation, the most convenient first.
_PREFERRED = ("npm", "uvx", "pip", "docker", "binary")
_OFF = {404: "Discovery is switched off, or there is no such entry."}
_ENTRY = {
    "name": "time", "display_name": "Time", "description": "The current time.", "categories": ["development"],
    "tags": ["time"], "installations": {"uvx": {"type": "uvx", "command": "uvx", "args": ["mcp-server-time"]}},
}  # fmt: skip
_PATHS = {
    "servers": "/discovery/servers",
    "server": "/discovery/servers/{name}",
    "install": "/discovery/servers/{name}/install",
    "categories": "/discovery/categories",
    "tags": "/discovery/tags",
}
#: Anyone may ask, so anyone is counted, by address.
_LIMIT = Limit("discovery", 480, 60)


class _Discovery(HubView):
    tag = "Discovery"
    unlimited = True

    def limits(self) -> tuple[Limit, ...]:
        return (_LIMIT,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not settings_reader.effective()["discovery"]["enabled"]:
            raise NotFound("There is nothing here.")


class Marketplace(_Discovery):
    """GET /.well-known/mcp-marketplace."""

    @operation(
        "Say where discovery begins",
        allow=Allow.ANYONE,
        whole=object_of(
            name=TEXT, version=TEXT, hub=object_of(name=TEXT, version=TEXT), endpoints=ANY_OBJECT, total_servers=NUMBER
        ),
        example={
            "name": "mcphub-marketplace",
            "version": "0.1",
            "hub": {"name": "mcphub", "version": "1.0.0"},
            "endpoints": _PATHS,
            "total_servers": 1,
        },
        refuses=_OFF,
    )
    def get(self, request: Request) -> Response:
        return Response(
            {
                "name": "mcphub-marketplace",
                "version": "0.1",
                "hub": {"name": "mcphub", "version": settings.VERSION},
                "endpoints": {name: settings.BASE_PATH + path for name, path in _PATHS.items()},
                "total_servers": market.count(),
            }
        )


class Servers(_Discovery):
    """GET /discovery/servers."""

    @operation(
        "Find servers to install",
        allow=Allow.ANYONE,
        note="`total` counts what fits before `limit` cuts it; a limit of 0 or less cuts nothing.",
        query=(
            OpenApiParameter("search", str, description="Words, one of which must occur."),
            OpenApiParameter("category", str),
            OpenApiParameter("tag", str),
            OpenApiParameter("limit", int),
        ),
        data=object_of(total=NUMBER, servers=array_of(ANY_OBJECT)),
        example={"success": True, "data": {"total": 1, "servers": [_ENTRY]}},
        refuses=_OFF,
    )
    def get(self, request: Request) -> Response:
        asked = request.query_params
        limit = whole_parameter(request, "limit", 0, least=-market.MOST)
        total, servers = market.matching(
            asked.get("search", "").strip(),
            asked.get("category", ""),
            asked.get("tag", ""),
            max(0, limit) or market.MOST,
        )
        return reply({"total": total, "servers": servers})


class Server(_Discovery):
    """GET /discovery/servers/<name>."""

    @operation(
        "Show a server that can be installed",
        allow=Allow.ANYONE,
        data=ANY_OBJECT,
        example={"success": True, "data": _ENTRY},
        refuses=_OFF,
    )
    def get(self, request: Request, name: str) -> Response:
        return reply(market.one(name))


class Install(_Discovery):
    """GET /discovery/servers/<name>/install."""

    @operation(
        "Show how a server is installed",
        allow=Allow.ANYONE,
        note="In the words of a client's configuration. Without `type` the most convenient way.",
        query=(OpenApiParameter("type", str, description="npm, uvx, pip, docker, binary, custom …"),),
        data=object_of(
            name=TEXT,
            installationType=TEXT,
            availableTypes=array_of(TEXT),
            mcpServers=ANY_OBJECT,
            arguments=ANY_OBJECT,
        ),
        example={
            "success": True,
            "data": {
                "name": "time", "installationType": "uvx", "availableTypes": ["uvx"],
                "mcpServers": {"time": {"command": "uvx", "args": ["mcp-server-time"]}}, "arguments": {},
            },
        },
        refuses=_OFF | {404: "Discovery is off, or there is no such entry or way to install it."},
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        entry = market.one(name)
        ways: dict[str, dict[str, Any]] = entry["installations"]
        kind = request.query_params.get("type") or next(
            (one for one in _PREFERRED if one in ways), next(iter(ways), "")
        )
        if kind not in ways:
            raise NotFound("This server cannot be installed that way.")
        config = {member: value for member, value in ways[kind].items() if member != "type" or "url" in ways[kind]}
        return reply(
            {
                "name": name,
                "installationType": kind,
                "availableTypes": list(ways),
                "mcpServers": {name: config},
                "arguments": entry["arguments"],
            }
        )


class Categories(_Discovery):
    """GET /discovery/categories."""

    @operation(
        "List the categories of servers",
        allow=Allow.ANYONE,
        data=array_of(TEXT),
        example={"success": True, "data": ["databases"]},
        refuses=_OFF,
    )
    def get(self, request: Request) -> Response:
        return reply(market.categories())


class Tags(_Discovery):
    """GET /discovery/tags."""

    @operation(
        "List the tags of servers",
        allow=Allow.ANYONE,
        data=array_of(TEXT),
        example={"success": True, "data": ["browser"]},
        refuses=_OFF,
    )
    def get(self, request: Request) -> Response:
        return reply(market.tags())
