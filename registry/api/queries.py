"""The query parameters of the registry's lists. Above: the views. Below: `search`."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from mcphub.api.pages import whole_parameter
from mcphub.errors import InvalidInput
from registry.search import Query

MOST = 1000


def query_of(request: Request, *, most: int = MOST) -> Query:
    """What a request asks of the index; users' view. Raises `InvalidInput`."""
    asked = request.query_params
    return Query(
        text=asked.get("search", ""),
        category=asked.get("category", "").strip(),
        tag=asked.get("tag", "").strip(),
        source=asked.get("source", "").strip(),
        transport=asked.get("transport", "").strip(),
        status=asked.get("status", "").strip(),
        limit=whole_parameter(request, "limit", most, most=most),
        offset=whole_parameter(request, "offset", 0, least=0),
    )


def flag_of(request: Request, name: str) -> bool | None:
    """A yes or no from the query; None where it is absent. Raises `InvalidInput`."""
    value = request.query_params.get(name, "").strip().lower()
    if not value:
        return None
    if value not in ("true", "false", "1", "0"):
        raise InvalidInput(f"{name} must be true or false.", data={"field": name})
    return value in ("true", "1")


def parameters(*flags: str) -> tuple[OpenApiParameter, ...]:
    """The filters for the description of a list route."""
    texts = {
        "search": "Words, each of which may be the beginning of one.",
        "category": "Only this category.",
        "tag": "Only entries with this tag.",
        "source": "Only entries of this source (its slug).",
        "transport": "stdio, streamable-http or sse.",
        "status": "approved or deprecated.",
    }
    return (
        *(OpenApiParameter(name, str, description=text) for name, text in texts.items()),
        *(OpenApiParameter(name, bool) for name in flags),
        OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": MOST}),
        OpenApiParameter("offset", {"type": "integer", "minimum": 0, "default": 0}),
    )
