"""`operation(...)`: the declaration of one route, from which its permission, its limits and its description follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiParameter

#: A serializer (class or instance), a field, or a JSON Schema as a dict.
Shape = Any
Method = TypeVar("Method", bound=Callable[..., Any])


class Allow(Enum):
    """Who may call a route. Whose objects it then finds is decided by the querysets."""

    ANYONE = "Anyone, without a credential."
    USER = "Every signed-in user."
    ADMIN = "Admins only."


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """See `operation`."""

    summary: str
    allow: Allow = Allow.USER
    note: str = ""
    body: Shape = None
    sample: Any = None
    data: Shape = None
    members: Mapping[str, Shape] = field(default_factory=dict)
    whole: Shape = None
    example: Any = None
    status: int = 200
    also: Mapping[int, str] = field(default_factory=dict)
    refuses: Mapping[int, str] = field(default_factory=dict)
    query: tuple[OpenApiParameter, ...] = ()
    media: tuple[str, ...] = ("application/json",)
    body_media: str = "application/json"
    changes: bool | None = None
    cost: int = 1
    query_token: bool = False

    def changes_something(self, method: str) -> bool:
        """Whether read-only mode refuses it."""
        return method not in ("GET", "HEAD", "OPTIONS") if self.changes is None else self.changes


def operation(summary: str, **declared: Any) -> Callable[[Method], Method]:
    """Declare a method of a view as a route.

    Args:
        summary: a short imperative sentence.
        allow: `Allow.ANYONE`, `Allow.USER` (default) or `Allow.ADMIN`; enforced as well as documented.
        note: further sentences for the description: rules, side effects.
        body, sample: what the request carries (serializer or JSON Schema), and an example of it.
        data: what the reply's `data` holds; `members`: what further top-level members do.
        whole: the complete reply where it is no envelope.
        example: a complete reply.
        status: of success. also: further statuses with the same body and what they mean; of those that are refusals
            elsewhere (a batch in which all failed) the body may be a refusal's, too.
        refuses: status → when, besides 401, 403 (admins only), 429, 500 and 503, which are told by themselves.
        query: parameters of the query. media: content type of the reply, or several it may have; body_media: of what
            the request carries.
        changes: whether it changes something (default: by its method); read-only mode refuses those.
        cost: what a call counts against the rate limit.
        query_token: whether `?token=` may carry the dashboard token (event streams cannot send headers).
    """
    media = declared.pop("media", "application/json")
    made = Operation(summary=summary, media=(media,) if isinstance(media, str) else tuple(media), **declared)

    def declare(method: Method) -> Method:
        method.operation = made  # type: ignore[attr-defined]
        return method

    return declare
