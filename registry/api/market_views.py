"""The market: the catalogue in the words of the dashboard's contract (section 18)."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.api.documents import ANY_OBJECT, TEXT, array_of
from mcphub.api.envelope import reply
from mcphub.api.operations import operation
from mcphub.api.pages import whole_parameter
from mcphub.api.views import HubView
from mcphub.errors import InvalidInput
from registry import market

_ENTRY = {
    "name": "time", "display_name": "Time", "description": "The current time.", "homepage": "", "license": "MIT",
    "repository": {"type": "git", "url": ""}, "author": {"name": "Model Context Protocol"}, "tags": ["time"],
    "categories": ["development"], "examples": [], "arguments": {}, "tools": [],
    "installations": {"uvx": {"type": "uvx", "command": "uvx", "args": ["mcp-server-time"]}},
}  # fmt: skip
_ONE = {"success": True, "data": _ENTRY}
_MANY = {"success": True, "data": [_ENTRY]}
_PAGES = (
    OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": market.MOST, "default": market.MOST}),
    OpenApiParameter("offset", {"type": "integer", "minimum": 0, "default": 0}),
)
QUERY = OpenApiParameter("query", str, required=True, description="Words, one of which must occur.")


def words_of(request: Request) -> str:
    """The query of a search. Raises `InvalidInput` where there is none."""
    text = request.query_params.get("query", "").strip()
    if not text:
        raise InvalidInput("A search needs a query.", data={"field": "query"})
    return text


class _Market(HubView):
    tag = "Market"


class Servers(_Market):
    """GET /api/market/servers."""

    @operation("List the market", query=_PAGES, data=array_of(ANY_OBJECT), example=_MANY)
    def get(self, request: Request) -> Response:
        limit = whole_parameter(request, "limit", market.MOST, most=market.MOST)
        return reply(market.all_entries(limit, whole_parameter(request, "offset", 0, least=0)))


class Search(_Market):
    """GET /api/market/servers/search."""

    @operation("Search the market", query=(QUERY,), data=array_of(ANY_OBJECT), example=_MANY)
    def get(self, request: Request) -> Response:
        return reply(market.search(words_of(request)))


class Server(_Market):
    """GET /api/market/servers/{name}."""

    @operation("Read an entry of the market", data=ANY_OBJECT, example=_ONE, refuses={404: "There is no such entry."})
    def get(self, request: Request, name: str) -> Response:
        return reply(market.one(name))


class Categories(_Market):
    """GET /api/market/categories."""

    @operation("List the categories", data=array_of(TEXT), example={"success": True, "data": ["databases"]})
    def get(self, request: Request) -> Response:
        return reply(market.categories())


class Category(_Market):
    """GET /api/market/categories/{category}."""

    @operation("List the entries of a category", data=array_of(ANY_OBJECT), example=_MANY)
    def get(self, request: Request, category: str) -> Response:
        return reply(market.in_category(category))


class Tags(_Market):
    """GET /api/market/tags."""

    @operation("List the tags", data=array_of(TEXT), example={"success": True, "data": ["browser"]})
    def get(self, request: Request) -> Response:
        return reply(market.tags())


class Tag(_Market):
    """GET /api/market/tags/{tag}."""

    @operation("List the entries with a tag", data=array_of(ANY_OBJECT), example=_MANY)
    def get(self, request: Request, tag: str) -> Response:
        return reply(market.tagged(tag))
