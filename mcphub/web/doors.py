"""Decorators of the pages' views: who may look, what may be sent, and how refusals are told.

    @page                      somebody signed in; a refusal (any `HubError`) becomes a page, or a notice for htmx
    @page(admin=True)          an admin
    @page(anyone=True)         nobody need be signed in

Decorated views take the request and their arguments; `viewer_of(request)` is the `Actor` who looks. Views that change
something are reached by POST alone (Django's `require_POST`), and while READONLY is on not at all. Above: the apps'
views. Below: `answers`, `mcphub.api`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, overload

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from mcphub.actor import Actor
from mcphub.api.callers import address_of
from mcphub.api.switches import switches
from mcphub.context import request_id
from mcphub.errors import HubError, NotAllowed, ReadOnly
from mcphub.gateway.principal import Principal
from mcphub.web import answers

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@overload
def page(view: View) -> View: ...
@overload
def page(*, admin: bool = False, anyone: bool = False, reads: bool = False) -> Callable[[View], View]: ...
def page(
    view: View | None = None, *, admin: bool = False, anyone: bool = False, reads: bool = False
) -> View | Callable[[View], View]:
    """See the module.

    Args:
        reads: although it is sent by POST it changes nothing, so READONLY does not forbid it.
    """

    def decorated(inner: View) -> View:
        @functools.wraps(inner)
        def outer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                viewer = _viewer(request)
                if viewer is None and not anyone:
                    return answers.sign_in_first(request)
                request.viewer = viewer  # type: ignore[attr-defined]
                if admin and (viewer is None or not viewer.is_admin):
                    raise NotAllowed("Only admins may see this page. Ask one of them, or sign in as one.")
                if settings.READONLY and not reads and request.method not in _SAFE and not anyone:
                    raise ReadOnly
                return inner(request, *args, **kwargs)
            except HubError as refused:
                return answers.refused(request, refused)

        return outer  # type: ignore[return-value]  # the same signature

    return decorated if view is None else decorated(view)


def viewer_of(request: HttpRequest) -> Actor:
    """Who looks at the page; only in views under `page`, and not those for anyone."""
    found = getattr(request, "viewer", None)
    assert isinstance(found, Actor)
    return found


def principal_of(viewer: Actor) -> Principal:
    """The viewer as the data plane knows callers, for what is read from the snapshot or called through it."""
    return Principal(f"user:{viewer.username}", viewer.username, is_admin=viewer.is_admin)


def actor_before_sign_in(request: HttpRequest) -> Actor:
    """Somebody who is not signed in (yet), for the actions of signing in."""
    return Actor("anonymous", address=address_of(request), request=request_id.get())


def _viewer(request: HttpRequest) -> Actor | None:
    user: Any = request.user
    if user.is_authenticated and user.is_active:
        return Actor(user.username, is_admin=user.is_admin, address=address_of(request), request=request_id.get())
    if switches().skip_auth:
        return Actor("guest", is_admin=True, address=address_of(request), request=request_id.get())
    return None
