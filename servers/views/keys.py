"""The Keys page: who may call what with which key; made, changed, switched off, revoked.

It lives here and not beside the keys, as it offers groups and servers to choose and tells clients how to connect.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from accounts import actions
from accounts.models import BearerKey, User
from mcphub import plane
from mcphub.actor import Actor
from mcphub.errors import HubError, NotFound
from mcphub.gateway.access import may_see
from mcphub.web.answers import done, render, trigger
from mcphub.web.doors import page, principal_of, viewer_of
from mcphub.web.pages import page_number
from servers import attention
from servers.keyforms import LIFETIMES, key_from
from servers.views.changes import changing
from servers.views.connecting import dialog_context

#: Rows of a page.
PAGE = 100
_STATES = {"": "All", "usable": "Usable", "off": "Off", "expired": "Expired"}


@require_safe
@page
def keys(request: HttpRequest) -> HttpResponse:
    """The list; for htmx what the filters change."""
    viewer, text, state = viewer_of(request), request.GET.get("q", "").strip(), request.GET.get("state", "")
    everything = BearerKey.objects.visible_to(viewer)
    rows = everything.select_related("owner").order_by("-created_at")
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(owner__username__icontains=text) | Q(note__icontains=text))
    rows = _in_state(rows, state)
    now, found = timezone.now(), rows.count()
    number, last = page_number(request.GET, found, PAGE)
    context = {
        "keys": [(key, key.has_expired(now)) for key in rows[(number - 1) * PAGE : number * PAGE]],
        "everything": everything.count(),
        "total": found,
        "number": number,
        "last": last,
        "text": text,
        "state": state,
        "states": _STATES,
        "open_to_all": not plane.require().snapshot.switches.bearer_auth,
    }
    return render(request, "keys/list.html", context, fragment="keys/_table.html")


def _in_state(rows: Any, state: str) -> Any:
    now = timezone.now()
    match state:
        case "usable":
            return rows.filter(pk__in=BearerKey.objects.usable(now).values("pk"))
        case "off":
            return rows.filter(enabled=False)
        case "expired":
            return rows.filter(expires_at__lte=now)
        case _:
            return rows


@require_safe
@page
def new_key(request: HttpRequest) -> HttpResponse:
    """The dialog with an empty form."""
    viewer = viewer_of(request)
    values = {"access": "all", "kind": "system" if viewer.is_admin else "user", "expires": ""}
    return _form(request, viewer, None, values, None)


@changing
@sensitive_variables("token")
def add_key(request: HttpRequest) -> HttpResponse:
    """Make a key, and show it once with what to put into clients."""
    viewer, sent = viewer_of(request), request.POST
    try:
        known = key_from(sent, timezone.now())
        kind = sent.get("kind", "user") if viewer.is_admin else "user"
        owner = sent.get("owner") or viewer.username
        key, token = actions.create_key(actor=viewer, kind=kind, owner=owner if kind == "user" else None, **known)
    except HubError as refused:
        return _form(request, viewer, None, _values(sent), refused)
    context = dialog_context(viewer, _only_target(key), "", token)
    response = render(request, "connect/dialog.html", context, fragment="connect/dialog.html")
    return trigger(response, "hub:reload-list")


def _only_target(key: BearerKey) -> str:
    """The group or server a key reaches, where it is one alone."""
    named = [*key.allowed_groups, *key.allowed_servers] if key.access != BearerKey.Access.ALL else []
    return named[0] if len(named) == 1 else ""


@require_safe
@page
def key(request: HttpRequest, id: UUID) -> HttpResponse:
    """The dialog with a key's form."""
    viewer = viewer_of(request)
    found = _key(viewer, id)
    values = {
        "name": found.name,
        "note": found.note,
        "access": found.access,
        "groups": found.allowed_groups,
        "servers": found.allowed_servers,
        "expires": "date" if found.expires_at else "",
        "expires_on": found.expires_at.date().isoformat() if found.expires_at else "",
    }
    return _form(request, viewer, found, values, None)


@changing
def save_key(request: HttpRequest, id: UUID) -> HttpResponse:
    """Store what the form sends."""
    viewer = viewer_of(request)
    found = _key(viewer, id)
    try:
        changes = key_from(request.POST, timezone.now())
        actions.change_key(found, actor=viewer, **changes)
    except HubError as refused:
        return _form(request, viewer, found, _values(request.POST), refused)
    return done("The key was changed.", events={"hub:close-dialog": None, "hub:reload-list": None})


@changing
def toggle_key(request: HttpRequest, id: UUID) -> HttpResponse:
    """Switch a key on or off; answers with its row."""
    viewer = viewer_of(request)
    changed = actions.change_key(_key(viewer, id), actor=viewer, enabled=request.POST.get("enabled") == "true")
    context = {"key": changed, "expired": changed.has_expired()}
    return render(request, "keys/_row.html", context, fragment="keys/_row.html")


@changing
def revoke_key(request: HttpRequest, id: UUID) -> HttpResponse:
    """Delete a key."""
    viewer = viewer_of(request)
    found = _key(viewer, id)
    actions.revoke_key(found, actor=viewer)
    return done(f"{found.name} was revoked.", events={"hub:reload-list": None})


def _key(viewer: Actor, id: UUID) -> BearerKey:
    found = BearerKey.objects.visible_to(viewer).select_related("owner").filter(pk=id).first()
    if found is None:
        raise NotFound("There is no such key.")
    return found


def _values(sent: Any) -> dict[str, Any]:
    return {**sent.dict(), "groups": sent.getlist("groups"), "servers": sent.getlist("servers")}


def _form(
    request: HttpRequest, viewer: Actor, found: BearerKey | None, values: dict[str, Any], refused: HubError | None
) -> HttpResponse:
    principal = principal_of(viewer)
    context = {
        "key": found,
        "values": values,
        "refused": refused,
        "scoped": viewer.is_admin and (found is None or found.kind == BearerKey.Kind.SYSTEM),
        "accesses": BearerKey.Access.choices,
        "lifetimes": LIFETIMES,
        "groups": [group.name for group in attention.groups_seen_by(viewer)],
        "servers": [spec.name for spec in plane.require().snapshot.servers.values() if may_see(principal, spec)],
        "usernames": User.objects.order_by("username").values_list("username", flat=True) if viewer.is_admin else (),
    }
    status = 422 if refused else 200
    return render(request, "keys/form.html", context, fragment="keys/form.html", status=status)
