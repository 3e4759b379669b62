"""Routes that show tools as OpenAPI and execute them (REST contract, section 9.3).

Outside the general rate limit, without an envelope; refusals carry `error` as well, where clients look for it.
"""

from __future__ import annotations

from typing import Any

import yaml
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authenticator import principal_of_actor
from mcphub.api.bodies import members
from mcphub.api.callers import actor_of
from mcphub.api.documents import ANY_OBJECT, NUMBER, TEXT, array_of, object_of
from mcphub.api.envelope import Refusal, reply
from mcphub.api.operations import operation
from mcphub.api.views import HubView
from mcphub.errors import NotFound
from mcphub.gateway.principal import Principal
from mcphub.gateway.selector import Selector
from servers import openapi_export as export
from servers.api.calling_views import UPSTREAM_REFUSALS, guest_of
from servers.calling import EVERYTHING, call_tool, door_named

_DOCUMENT = {"openapi": "3.0.3", "info": {"title": "MCPHub API", "version": "1.0.0"}, "paths": {}}
_QUERY = (
    OpenApiParameter("title", str),
    OpenApiParameter("description", str),
    OpenApiParameter("version", str),
    OpenApiParameter("serverUrl", str, description="Instead of the hub's own address."),
    OpenApiParameter("includeDisabled", str, enum=["true", "false"], description="List hidden tools as well."),
)
_FILTERS = (
    OpenApiParameter("group", str, description="Only this group."),
    OpenApiParameter("servers", str, description="Only these, separated by commas."),
)
_RESULT = {"content": [{"type": "text", "text": "12:00"}], "isError": False}
_ANSWER = object_of(content=array_of(ANY_OBJECT))
_NO_DOOR = {404: "There is no such group or server, or the caller may not know of it."}
_REFUSES = {400: "The arguments are malformed, or the MCP server does not take them.", **UPSTREAM_REFUSALS}
_EXECUTE = (
    "By the tool's own name or with the server's prefix. Texts are fitted to the tool's schema. Answers with the "
    "tool's result as it is; a tool that failed says so in `isError`."
)
_THROUGH = "The tool must be reachable through this group or server: its selection counts. "


class _Plain(HubView):
    """Refusals as clients of this family know them."""

    tag = "OpenAPI"
    unlimited = True

    def shape(self, refused: Refusal) -> dict[str, Any]:
        return super().shape(refused) | {"error": refused.code}


class Document(_Plain):
    """GET /api/openapi.json."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Access-Control-Allow-Origin"] = "*"
        final.headers["Access-Control-Allow-Methods"] = "GET, OPTIONS"
        final.headers["Access-Control-Allow-Headers"] = "Content-Type, Authorization"
        return final

    @operation(
        "Describe all tools as OpenAPI",
        note="OpenAPI 3.0.3. Filters that match nothing give a document without paths.",
        query=(*_QUERY, *_FILTERS),
        whole=ANY_OBJECT,
        example=_DOCUMENT,
    )
    def get(self, request: Request) -> Response:
        return Response(_all_tools(request))


class YamlDocument(Document):
    """GET /api/openapi.yaml."""

    @operation(
        "Describe all tools as OpenAPI, in YAML",
        query=(*_QUERY, *_FILTERS),
        whole=ANY_OBJECT,
        example=_DOCUMENT,
        media="application/yaml",
    )
    def get(self, request: Request) -> HttpResponse:  # type: ignore[override]
        return _yaml(_all_tools(request))


class DoorDocument(Document):
    """GET /api/<name>/openapi.json."""

    @operation(
        "Describe the tools of a group or server as OpenAPI",
        note="A group by id or name, else a server; a group's selection of tools counts.",
        query=_QUERY,
        whole=ANY_OBJECT,
        example=_DOCUMENT,
        refuses=_NO_DOOR,
    )
    def get(self, request: Request, name: str) -> Response:  # type: ignore[override]
        return Response(_tools_of(request, name))


class DoorYamlDocument(Document):
    """GET /api/<name>/openapi.yaml."""

    @operation(
        "Describe the tools of a group or server as OpenAPI, in YAML",
        query=_QUERY,
        whole=ANY_OBJECT,
        example=_DOCUMENT,
        media="application/yaml",
        refuses=_NO_DOOR,
    )
    def get(self, request: Request, name: str) -> HttpResponse:  # type: ignore[override]
        return _yaml(_tools_of(request, name))


class ConnectedServers(_Plain):
    """GET /api/openapi/servers."""

    @operation(
        "List the servers that are connected",
        data=array_of(TEXT),
        example={"success": True, "data": ["time"]},
    )
    def get(self, request: Request) -> Response:
        return reply(export.connected(_principal(request)))


class Stats(_Plain):
    """GET /api/openapi/stats."""

    @operation(
        "Count servers and tools",
        note="The totals count what is connected; the breakdown lists every server that is on.",
        data=object_of(
            totalServers=NUMBER,
            totalTools=NUMBER,
            serverBreakdown=array_of(object_of(name=TEXT, toolCount=NUMBER, status=TEXT)),
        ),
        example={
            "success": True,
            "data": {
                "totalServers": 1,
                "totalTools": 2,
                "serverBreakdown": [{"name": "time", "toolCount": 2, "status": "connected"}],
            },
        },
    )
    def get(self, request: Request) -> Response:
        return reply(export.stats(_principal(request)))


class Execution(_Plain):
    """/api/tools/<server>/<tool>."""

    @operation(
        "Execute a tool with arguments from the query",
        note=_EXECUTE,
        whole=_ANSWER,
        example=_RESULT,
        refuses=_REFUSES,
    )
    def get(self, request: Request, server: str, tool: str) -> Response:
        return _executed(request, server, tool, _query_arguments(request))

    @operation(
        "Execute a tool",
        note=_EXECUTE,
        body=ANY_OBJECT,
        sample={"tz": "UTC"},
        whole=_ANSWER,
        example=_RESULT,
        refuses=_REFUSES,
        changes=False,
    )
    def post(self, request: Request, server: str, tool: str) -> Response:
        return _executed(request, server, tool, members(request))


class DoorExecution(_Plain):
    """/api/<name>/tools/<server>/<tool>."""

    @operation(
        "Execute a tool of a group or server with arguments from the query",
        note=_THROUGH + _EXECUTE,
        whole=_ANSWER,
        example=_RESULT,
        refuses=_REFUSES,
    )
    def get(self, request: Request, name: str, server: str, tool: str) -> Response:
        return _executed(request, server, tool, _query_arguments(request), door_named(name))

    @operation(
        "Execute a tool of a group or server",
        note=_THROUGH + _EXECUTE,
        body=ANY_OBJECT,
        sample={"tz": "UTC"},
        whole=_ANSWER,
        example=_RESULT,
        refuses=_REFUSES,
    )
    def post(self, request: Request, name: str, server: str, tool: str) -> Response:
        return _executed(request, server, tool, members(request), door_named(name))


def _executed(
    request: Request, server: str, tool: str, arguments: dict[str, Any], door: Selector | None = None
) -> Response:
    return Response(call_tool(guest_of(request, "openapi-session"), server, tool, arguments, door=door).result)


def _query_arguments(request: Request) -> dict[str, Any]:
    """The query as arguments; one that is repeated is a list."""
    sent = request.query_params
    return {name: given[0] if len(given := sent.getlist(name)) == 1 else given for name in sent if name != "token"}


def _principal(request: Request) -> Principal:
    return principal_of_actor(actor_of(request))


def _all_tools(request: Request) -> dict[str, Any]:
    chosen = request.query_params.get("servers")
    servers = None if chosen is None else frozenset(name.strip() for name in chosen.split(","))
    wanted = _wanted(request, "MCPHub API", servers)
    group = request.query_params.get("group")
    try:
        door = _group(group) if group else EVERYTHING
        return export.document(_principal(request), door, wanted)
    except NotFound:
        return export.document(_principal(request), EVERYTHING, _wanted(request, "MCPHub API", frozenset()))


def _tools_of(request: Request, name: str) -> dict[str, Any]:
    door = door_named(name)
    title = f"{name} Group MCP API" if door.kind == "group" else f"{name} MCP API"
    return export.document(_principal(request), door, _wanted(request, title, None))


def _group(name: str) -> Selector:
    door = door_named(name)
    if door.kind != "group":
        raise NotFound("There is no such group.")
    return door


def _wanted(request: Request, title: str, servers: frozenset[str] | None) -> export.Wanted:
    asked = request.query_params
    standard = export.Wanted()
    return export.Wanted(
        title=asked.get("title") or title,
        description=asked.get("description") or standard.description,
        version=asked.get("version") or standard.version,
        server_url=asked.get("serverUrl") or "",
        servers=servers,
        disabled=asked.get("includeDisabled") == "true",
    )


def _yaml(document: dict[str, Any]) -> HttpResponse:
    # Aliases for what occurs more than once confuse simple readers.
    text = yaml.dump(document, Dumper=_NoAliases, sort_keys=False, allow_unicode=True)
    return HttpResponse(text, content_type="application/yaml")


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
