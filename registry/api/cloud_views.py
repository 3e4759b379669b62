"""The cloud market: what an API like MCPRouter's offers (section 19). Each request asks it."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.api.bodies import members
from mcphub.api.documents import ANY_OBJECT, FLAG, TEXT, array_of, object_of
from mcphub.api.envelope import reply
from mcphub.api.operations import operation
from mcphub.api.views import HubView
from mcphub.errors import InvalidInput
from registry import cloud
from registry.api.market_views import QUERY, words_of

_ENTRY = {
    "name": "search", "title": "Search", "author_name": "someone", "description": "Searches the web.", "content": "…",
    "server_key": "someone/search", "config_name": "search", "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
}  # fmt: skip
_MANY = {"success": True, "data": [_ENTRY]}
_AWAY = {500: "The cloud market refused or could not be reached.", 503: "There is no API key for it."}


class _Cloud(HubView):
    tag = "Cloud market"


class Servers(_Cloud):
    """GET /api/cloud/servers."""

    @operation("List the cloud market", data=array_of(ANY_OBJECT), example=_MANY, refuses=_AWAY)
    def get(self, request: Request) -> Response:
        return reply(cloud.servers())


class Search(_Cloud):
    """GET /api/cloud/servers/search."""

    @operation("Search the cloud market", query=(QUERY,), data=array_of(ANY_OBJECT), example=_MANY, refuses=_AWAY)
    def get(self, request: Request) -> Response:
        return reply(cloud.search(words_of(request)))


class Server(_Cloud):
    """GET /api/cloud/servers/{name}."""

    @operation(
        "Read a server of the cloud market",
        data=ANY_OBJECT,
        example={"success": True, "data": _ENTRY},
        refuses={404: "There is no such server.", **_AWAY},
    )
    def get(self, request: Request, name: str) -> Response:
        return reply(cloud.server(name))


class Categories(_Cloud):
    """GET /api/cloud/categories."""

    @operation(
        "List the cloud market's categories", data=array_of(TEXT), example={"success": True, "data": []}, refuses=_AWAY
    )
    def get(self, request: Request) -> Response:
        return reply(cloud.categories())


class Category(_Cloud):
    """GET /api/cloud/categories/{category}."""

    @operation("List a category of the cloud market", data=array_of(ANY_OBJECT), example=_MANY, refuses=_AWAY)
    def get(self, request: Request, category: str) -> Response:
        return reply(cloud.in_category(category))


class Tags(_Cloud):
    """GET /api/cloud/tags."""

    @operation(
        "List the cloud market's tags", data=array_of(TEXT), example={"success": True, "data": []}, refuses=_AWAY
    )
    def get(self, request: Request) -> Response:
        return reply(cloud.tags())


class Tag(_Cloud):
    """GET /api/cloud/tags/{tag}."""

    @operation("List a tag of the cloud market", data=array_of(ANY_OBJECT), example=_MANY, refuses=_AWAY)
    def get(self, request: Request, tag: str) -> Response:
        return reply(cloud.tagged(tag))


class Tools(_Cloud):
    """GET /api/cloud/servers/{server_key}/tools."""

    @operation(
        "List the tools of a cloud server",
        data=array_of(ANY_OBJECT),
        example={"success": True, "data": []},
        refuses=_AWAY,
    )
    def get(self, request: Request, server_key: str) -> Response:
        return reply(cloud.tools(server_key))


class ToolCall(_Cloud):
    """POST /api/cloud/servers/{server_key}/tools/{tool}/call."""

    @operation(
        "Call a tool of a cloud server",
        body=object_of(arguments=ANY_OBJECT),
        sample={"arguments": {"q": "mcp"}},
        data=object_of(content=array_of(ANY_OBJECT), isError=FLAG),
        example={"success": True, "data": {"content": [{"type": "text", "text": "result"}], "isError": False}},
        refuses=_AWAY,
    )
    def post(self, request: Request, server_key: str, tool: str) -> Response:
        arguments = members(request).get("arguments", {})
        if not isinstance(arguments, dict):
            raise InvalidInput("arguments must be an object.", data={"field": "arguments"})
        return reply(cloud.call(server_key, tool, arguments))
