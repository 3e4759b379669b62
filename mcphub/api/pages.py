"""`page` and `limit` of list routes, and the pagination object (REST contract, section 1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from mcphub.errors import InvalidInput

Row = TypeVar("Row", covariant=True)
_FAR = 1_000_000_000


class Rows(Protocol[Row]):
    """What can be cut into pages: a queryset."""

    def count(self) -> int: ...

    def __getitem__(self, cut: slice) -> Any: ...


class PaginationSerializer(serializers.Serializer[Any]):
    """Where a page stands among all."""

    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField()
    totalPages = serializers.IntegerField()
    hasNextPage = serializers.BooleanField()
    hasPrevPage = serializers.BooleanField()


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for. Both count from 1."""

    number: int
    limit: int

    @property
    def cut(self) -> slice:
        """The rows of this page."""
        first = (self.number - 1) * self.limit
        return slice(first, first + self.limit)

    def of(self, rows: Rows[Row]) -> tuple[Sequence[Row], dict[str, Any]]:
        """The rows of this page (two queries) and the pagination object."""
        return list(rows[self.cut]), self.among(rows.count())

    def among(self, total: int) -> dict[str, Any]:
        """The pagination object for a list of `total` rows."""
        pages = -(-total // self.limit)
        return {
            "page": self.number,
            "limit": self.limit,
            "total": total,
            "totalPages": pages,
            "hasNextPage": self.number < pages,
            "hasPrevPage": self.number > 1,
        }


def whole_parameter(request: Request, name: str, default: int, *, least: int = 1, most: int = _FAR) -> int:
    """A whole number from the query. Raises `InvalidInput` outside its bounds or where it is no number."""
    sent = request.query_params.get(name, "").strip()
    if not sent:
        return default
    try:
        number = int(sent) if len(sent) <= 12 else _FAR + 1
    except ValueError:
        raise InvalidInput(f"{name} must be a whole number.") from None
    if not least <= number <= most:
        raise InvalidInput(f"{name} must be at least {least}." if most == _FAR else f"{name} must be {least}–{most}.")
    return number


def page_asked(request: Request, *, default: int = 20, most: int = 100) -> Page:
    """The page a request asks for. Raises `InvalidInput`."""
    return Page(whole_parameter(request, "page", 1), whole_parameter(request, "limit", default, most=most))


def page_parameters(most: int, default: int | None = None) -> tuple[OpenApiParameter, ...]:
    """`page` and `limit` for the description of a list route."""
    return (
        OpenApiParameter("page", {"type": "integer", "minimum": 1, "default": 1}, description="Counts from 1."),
        OpenApiParameter(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": most} | ({} if default is None else {"default": default}),
            description="Rows in a page.",
        ),
    )
