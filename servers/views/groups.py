"""Groups: cards, and the editor with a preview of the list that clients will see."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from mcphub import plane
from mcphub.actor import Actor
from mcphub.errors import HubError, NotFound
from mcphub.gateway.access import may_see
from mcphub.gateway.snapshot import GroupSpec
from mcphub.web.answers import go, render
from mcphub.web.doors import page, principal_of, viewer_of
from mcphub.web.pages import first_row
from servers import actions, composing
from servers.attention import groups_seen_by, manages
from servers.views.changes import changing, settle

#: Servers to pick from that the editor is shown with; the rest follows.
PAGE = 100


@require_safe
@page
def groups(request: HttpRequest) -> HttpResponse:
    """All groups the viewer may see."""
    viewer = viewer_of(request)
    cards = [composing.card(group, viewer) for group in groups_seen_by(viewer)]
    return render(request, "groups/list.html", {"cards": cards}, fragment="groups/_cards.html")


@require_safe
@page
def new_group(request: HttpRequest) -> HttpResponse:
    """The editor with nothing in it."""
    viewer = viewer_of(request)
    return render(request, "groups/editor.html", _editor(viewer, composing.Draft()))


@require_safe
@page
def group(request: HttpRequest, key: str) -> HttpResponse:
    """The editor of a group; whoever may only use it sees what is in it."""
    viewer = viewer_of(request)
    spec = _seen(viewer, key)
    context = _editor(viewer, composing.draft_of(spec)) | {"group": spec, "managed": manages(viewer, spec)}
    return render(request, "groups/editor.html", context)


@require_safe
@page
def more_choices(request: HttpRequest) -> HttpResponse:
    """The next servers that may be picked; the editor asks for them as soon as it is shown."""
    group, draft = _asked(request)
    context = {"group": group, **_choices(viewer_of(request), draft, first_row(request.GET))}
    return render(request, "groups/_choices.html", context, fragment="groups/_choices.html")


@require_safe
@page
def pick(request: HttpRequest) -> HttpResponse:
    """What of one server may be picked, unfolded in the editor; as it is picked in `?group=`, where there is one."""
    choice = composing.choice(viewer_of(request), request.GET.get("server", ""), _asked(request)[1])
    if choice is None:
        raise NotFound("There is no such server.")
    return render(request, "groups/_picks.html", {"choice": choice}, fragment="groups/_picks.html")


@require_POST
@page(reads=True)
def preview(request: HttpRequest) -> HttpResponse:
    """What clients would see with what the editor holds now."""
    viewer = viewer_of(request)
    listed = composing.preview(composing.draft_from(request.POST), viewer)
    return render(request, "groups/_preview.html", {"preview": listed}, fragment="groups/_preview.html")


@changing
def save_group(request: HttpRequest, key: str = "") -> HttpResponse:
    """Store what the editor holds, as a new group or over an old one."""
    viewer, draft = viewer_of(request), composing.draft_from(request.POST)
    members: dict[str, Any] = {
        "description": draft.description or None,
        "servers": draft.members(),
        "visibility": draft.visibility,
        "sharedWithUsers": draft.shared_with,
    }
    try:
        if key:
            row = actions.change_group(key, actor=viewer, name=draft.name, **members)
        else:
            row = actions.add_group(actor=viewer, name=draft.name, **members)
    except HubError as refused:
        return render(request, "groups/_refused.html", {"refused": refused}, fragment="groups/_refused.html")
    settle()
    return go(request, reverse("groups"), f"{row.name} was saved.")


@changing
def remove_group(request: HttpRequest, key: str) -> HttpResponse:
    """Remove a group; its servers stay."""
    viewer = viewer_of(request)
    name = _seen(viewer, key).name
    actions.remove_group(key, actor=viewer)
    settle()
    return go(request, reverse("groups"), f"{name} was removed.")


def _seen(viewer: Actor, key: str) -> GroupSpec:
    found = plane.require().snapshot.groups.get(key)
    if found is None or not may_see(principal_of(viewer), found):
        raise NotFound("There is no such group.")
    return found


def _asked(request: HttpRequest) -> tuple[GroupSpec | None, composing.Draft]:
    """The group of `?group=` and what is in it; None and an empty draft for a new one."""
    key = request.GET.get("group", "")
    if not key:
        return None, composing.Draft()
    group = _seen(viewer_of(request), key)
    return group, composing.draft_of(group)


def _editor(viewer: Actor, draft: composing.Draft) -> dict[str, Any]:
    return {
        "draft": draft,
        **_choices(viewer, draft, 0),
        "preview": composing.preview(draft, viewer),
        "managed": True,
    }


def _choices(viewer: Actor, draft: composing.Draft, first: int) -> dict[str, Any]:
    """A page of them, and where the next begins. The first holds all that are picked: who saves early loses none."""
    choices = composing.choices(draft, viewer)
    end = max(first + PAGE, len(draft.picked))
    return {"choices": choices[first:end], "more": end if end < len(choices) else 0}
