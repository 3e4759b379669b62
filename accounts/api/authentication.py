"""Who sends a request to the REST API, in the order of the contract (section 2.1).

A system bearer key with access to everything; else a dashboard token from `x-auth-token`, `Authorization: Bearer`, or
`?token=` where the route allows it; else, with `routing.skipAuth`, the guest. Scoped keys and user keys are for MCP
alone and count as nothing here. Imported by REST framework's settings, so it must not import its views.
"""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.actions import note_use
from accounts.models import BearerKey, User, digest_of
from accounts.tokens import user_of
from mcphub.actor import Actor
from mcphub.api.callers import address_of
from mcphub.api.switches import ApiSwitches, switches
from mcphub.context import request_id
from mcphub.errors import NotAuthenticated

Named = HttpRequest | Request


class HubAuthentication(BaseAuthentication):
    """See the module. Sets `request.user` to an `Actor`."""

    def authenticate(self, request: Request) -> tuple[Actor, str] | None:
        view = (request.parser_context or {}).get("view")
        operation = getattr(view, "operation", None)
        actor = actor_for(request, query_token=bool(operation and operation.query_token))
        return None if actor is None else (actor, actor.via)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def actor_for(request: Named, *, query_token: bool = False) -> Actor | None:
    """The caller of a request, or None. Raises `NotAuthenticated` for a dashboard token that no longer counts."""
    found = switches()
    bearer = _bearer(request, found.bearer_header)
    if bearer and found.bearer_auth and (actor := _key_actor(request, bearer)):
        return actor
    token = request.headers.get("X-Auth-Token") or (request.GET.get("token") if query_token else None)
    if token:
        user = user_of(token)
        if user is None:
            raise NotAuthenticated("The token is not valid, or no longer valid; sign in again.")
        return _user_actor(request, user)
    return _without_token(request, found)


def _without_token(request: Named, found: ApiSwitches) -> Actor | None:
    # Examples of other people show the dashboard token here; a wrong one is treated like any unknown bearer.
    bearer = _bearer(request, "Authorization")
    user = user_of(bearer) if bearer.count(".") == 2 else None
    if user is not None:
        return _user_actor(request, user)
    if found.skip_auth:
        return Actor("guest", is_admin=True, address=address_of(request), request=request_id.get())
    return None


def _bearer(request: Named, header: str) -> str:
    scheme, _, value = request.headers.get(header or "Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _key_actor(request: Named, token: str) -> Actor | None:
    key = BearerKey.objects.usable().select_related("owner").filter(digest=digest_of(token)).first()
    if key is None or key.kind != BearerKey.Kind.SYSTEM or key.access != BearerKey.Access.ALL:
        return None
    note_use(key)
    return Actor(
        key.owner.username if key.owner else "system",
        is_admin=True,
        via="key",
        key_id=str(key.pk),
        key_name=key.name,
        address=address_of(request),
        request=request_id.get(),
    )


def _user_actor(request: Named, user: User) -> Actor:
    return Actor(user.username, is_admin=user.is_admin, address=address_of(request), request=request_id.get())
