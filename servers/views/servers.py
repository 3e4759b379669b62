"""The list of servers: filters, rows that reload themselves, switches, many at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from mcphub.actor import Actor
from mcphub.errors import HubError, InvalidInput
from mcphub.web.answers import done, go, notice, render, trigger
from mcphub.web.doors import page, viewer_of
from mcphub.web.words import plural
from servers import actions
from servers.table import TRANSPORTS, Filters, row, table
from servers.views.changes import changing, seen_server, settle

#: What can be done with many servers at once, and how that is told.
_BULK: Mapping[str, tuple[Callable[[str, Actor], object], str]] = {
    "enable": (lambda name, actor: actions.toggle_server(name, actor=actor, enabled=True), "switched on"),
    "disable": (lambda name, actor: actions.toggle_server(name, actor=actor, enabled=False), "switched off"),
    "reload": (lambda name, actor: actions.reload_server(name, actor=actor), "reconnecting"),
    "remove": (lambda name, actor: actions.remove_server(name, actor=actor), "removed"),
}


#: The columns that can be sorted by: key, head, classes.
_COLUMNS = (
    ("name", "Server", ""),
    ("state", "State", ""),
    ("transport", "Transport", "hide-s"),
    ("tools", "Tools", "r hide-s"),
    ("calls", "Calls, 24 h", "r hide-s"),
    ("errors", "Errors", "r hide-s"),
    ("p95", "p95", "r hide-s"),
    ("tokens", "Tokens", "r hide-s"),
)


@require_safe
@page
def servers(request: HttpRequest) -> HttpResponse:
    """The page; for htmx its table, or with `first` the rows that follow."""
    filters = Filters.of(request.GET.dict())
    context = {
        "table": table(viewer_of(request), filters),
        "filters": filters,
        "transports": TRANSPORTS,
        "columns": _COLUMNS,
    }
    fragment = "servers/_rows.html" if filters.first else "servers/_table.html"
    return render(request, "servers/list.html", context, fragment=fragment)


@require_safe
@page
def server_row(request: HttpRequest, name: str) -> HttpResponse:
    """One row."""
    viewer = viewer_of(request)
    return _row(request, viewer, name)


@changing
def toggle_server(request: HttpRequest, name: str) -> HttpResponse:
    """Switch a server on or off; answers with its row, or for the server's page with a toast."""
    viewer = viewer_of(request)
    enabled = request.POST.get("enabled") == "true"
    actions.toggle_server(name, actor=viewer, enabled=enabled)
    settle()
    if request.POST.get("row"):
        return _row(request, viewer, name)
    context = {"seen": seen_server(viewer, name)}
    response = render(request, "servers/_switch.html", context, fragment="servers/_switch.html")
    return trigger(response, "hub:server-changed")


@changing
def reload_server(request: HttpRequest, name: str) -> HttpResponse:
    """Connect anew."""
    actions.reload_server(name, actor=viewer_of(request))
    settle()
    return done(f"{name} is being reconnected.", events={"hub:server-changed": None})


@changing
def change_many(request: HttpRequest) -> HttpResponse:
    """The same to every chosen server; those that refuse are told, the others are done."""
    viewer, what = viewer_of(request), _BULK.get(request.POST.get("do", ""))
    names = request.POST.getlist("server")
    if what is None or not names:
        raise InvalidInput("Choose at least one server.")
    act, words = what
    refusals = []
    for name in names:
        try:
            act(name, viewer)
        except HubError as refusal:
            refusals.append(f"{name}: {refusal.message}")
    settle()
    fine = len(names) - len(refusals)
    response = trigger(HttpResponse(status=204), "hub:reload-list")
    if refusals:
        head = f"{plural(fine, 'server')} {words}; " if fine else ""
        return notice(response, f"{head}{len(refusals)} not: {' '.join(refusals[:3])}", "bad")
    return notice(response, f"{plural(fine, 'server')} {words}.")


@changing
def remove_server(request: HttpRequest, name: str) -> HttpResponse:
    """Remove a server, and go to the list."""
    actions.remove_server(name, actor=viewer_of(request))
    settle()
    return go(request, reverse("servers"), f"{name} was removed.")


def _row(request: HttpRequest, viewer: Actor, name: str) -> HttpResponse:
    seen = seen_server(viewer, name)
    return render(request, "servers/_row.html", {"row": row(viewer, seen)}, fragment="servers/_row.html")
