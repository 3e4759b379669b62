"""Who calls the registry API: any bearer key of the hub, or a dashboard token, in any of three headers.

More is accepted than by the rest of the API (user keys and scoped keys, too), as this one is for programs. Keys are
never read from the address. Above: `base`. Below: `accounts`.
"""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.api.authentication import actor_for
from accounts.models import BearerKey, digest_of
from accounts.tokens import user_of
from mcphub.actor import Actor
from mcphub.api.callers import address_of
from mcphub.api.switches import switches
from mcphub.context import request_id


class RegistryAuthentication(BaseAuthentication):
    """See the module. Sets `request.user` to an `Actor`."""

    def authenticate(self, request: Request) -> tuple[Actor, str] | None:
        actor = _presented(request) or actor_for(request)
        return None if actor is None else (actor, actor.via)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def actor_of_headers(request: HttpRequest | Request) -> Actor | None:
    """The caller of a request, or None."""
    return _presented(request) or actor_for(request)


def _presented(request: HttpRequest | Request) -> Actor | None:
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    tokens = [bearer.strip() if scheme.lower() == "bearer" else ""]
    tokens += [request.headers.get(name, "").strip() for name in ("X-Admin-Key", "X-API-Key")]
    takes_keys = switches().bearer_auth
    for token in filter(None, tokens):
        actor = (_of_key(request, token) if takes_keys else None) or _of_session(request, token)
        if actor is not None:
            return actor
    return None


def _of_key(request: HttpRequest | Request, token: str) -> Actor | None:
    key = BearerKey.objects.usable().select_related("owner").filter(digest=digest_of(token)).first()
    if key is None:
        return None
    everything = key.kind == BearerKey.Kind.SYSTEM and key.access == BearerKey.Access.ALL
    is_owner = key.kind == BearerKey.Kind.USER and key.owner is not None
    # A scoped key is nobody's: it sees what is public, and its selection is its own.
    name = key.owner.username if key.owner and (is_owner or everything) else "system" if everything else key.principal
    return Actor(
        name,
        is_admin=everything or bool(is_owner and key.owner and key.owner.is_admin),
        via="key",
        key_id=str(key.pk),
        address=address_of(request),
        request=request_id.get(),
    )


def _of_session(request: HttpRequest | Request, token: str) -> Actor | None:
    user = user_of(token) if token.count(".") == 2 else None
    if user is None:
        return None
    return Actor(user.username, is_admin=user.is_admin, address=address_of(request), request=request_id.get())
