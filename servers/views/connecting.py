"""The dialog that tells how to connect a client, and makes a key for it on the spot."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe

from accounts.actions import create_key
from mcphub import plane
from mcphub.actor import Actor
from mcphub.gateway.access import may_see
from mcphub.web.answers import render
from mcphub.web.doors import page, principal_of, viewer_of
from servers import attention, clients
from servers.views.changes import changing


@require_safe
@page
def connect(request: HttpRequest) -> HttpResponse:
    """The dialog, for everything or for one group or server (`?to=`)."""
    context = dialog_context(viewer_of(request), request.GET.get("to", ""), request.GET.get("client", ""), "")
    return render(request, "connect/dialog.html", context, fragment="connect/dialog.html")


@changing
@sensitive_variables("token")
def make_key(request: HttpRequest) -> HttpResponse:
    """Make a key and show the dialog with it. It reaches no more than what it is made for."""
    viewer, to = viewer_of(request), request.POST.get("to", "")
    client = request.POST.get("client", "")
    known: dict[str, Any] = {"kind": "user"} if not viewer.is_admin else {"access": "all"}
    snapshot = plane.require().snapshot
    if viewer.is_admin and to:
        if snapshot.group_named(to) is not None:
            known = {"access": "groups", "allowed_groups": [to]}
        elif to in snapshot.servers:
            known = {"access": "servers", "allowed_servers": [to]}
    name = next((recipe.title for recipe in clients.recipes(_endpoint("")) if recipe.key == client), "A client")
    _, token = create_key(actor=viewer, name=f"{name} for {to or 'everything'}"[:200], **known)
    return render(
        request, "connect/dialog.html", dialog_context(viewer, to, client, token), fragment="connect/dialog.html"
    )


def dialog_context(viewer: Actor, to: str, client: str, token: str) -> dict[str, Any]:
    """What the dialog shows; `token` where a key was just made."""
    endpoint = _endpoint(to)
    listed = clients.recipes(endpoint, token or clients.PLACEHOLDER)
    switches = plane.require().snapshot.switches
    return {
        "to": to,
        "endpoint": endpoint,
        "recipes": listed,
        "chosen": next((recipe for recipe in listed if recipe.key == client), listed[0]),
        "token": token,
        "open_to_all": not switches.bearer_auth,
        "groups": [group.name for group in attention.groups_seen_by(viewer)],
        "servers": [
            spec.name for spec in plane.require().snapshot.servers.values() if may_see(principal_of(viewer), spec)
        ][:200],
    }


def _endpoint(to: str) -> clients.Endpoint:
    switches = plane.require().snapshot.switches
    return clients.endpoint_of(switches.public_url, to, header=switches.bearer_header)
