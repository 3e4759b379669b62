"""The Registry pages: search by category, an entry with its install form, wishes. They translate; `actions` act."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from mcphub import plane
from mcphub.actor import Actor
from mcphub.errors import HubError
from mcphub.web.answers import done, go, render
from mcphub.web.doors import page, viewer_of
from registry import actions, policies, readings
from registry.models import Entry, EntryRequest, Source, Status
from registry.planning.answers import MissingAnswers
from registry.search import Query, find
from registry.shelves import shelves
from servers import revision

#: Cards that are drawn at once; the next ones are loaded when somebody gets there.
PAGE = 48
#: Wishes that are listed on the page; all of them are in the admin.
_WISHES = 20
#: Before the names of questions in the install form.
_ANSWER = "answer:"
_TRANSPORTS = {"stdio": "Runs here", "streamable-http": "Remote", "sse": "Remote (SSE)"}


@require_safe
@page
def registry(request: HttpRequest) -> HttpResponse:
    """The page; for htmx what was found, or with `first` the cards that follow."""
    viewer = viewer_of(request)
    query = _query(viewer, request.GET)
    found = find(query)
    entries = Entry.objects.visible_to(viewer).select_related("source").in_bulk(found.ids)
    installed = readings.installations(viewer, found.ids)
    following = query.offset + PAGE
    context: dict[str, Any] = {
        "query": query,
        "found": found,
        "entries": [(entries[one], installed.get(one)) for one in found.ids if one in entries],
        "next_first": following if following < found.total else None,
        "narrowed": any(
            request.GET.get(name) for name in ("q", "category", "transport", "status", "installed", "tag", "source")
        ),
    }
    if query.offset:
        return render(request, "registry/_cards.html", context, fragment="registry/_cards.html")
    context |= {
        "shelves": shelves(query),
        "transports": _TRANSPORTS,
        "statuses": Status.choices if viewer.is_admin else (),
        "sources": Source.objects.filter(enabled=True).values_list("slug", "name"),
        "only_installed": "installed" in request.GET,
    }
    return render(request, "registry/list.html", context, fragment="registry/_found.html")


def _query(viewer: Actor, sent: QueryDict) -> Query:
    first = sent.get("first", "")
    query = Query(
        text=sent.get("q", "")[:200],
        category=sent.get("category", ""),
        transport=sent.get("transport", ""),
        source=sent.get("source", ""),
        tag=sent.get("tag", ""),
        limit=PAGE,
        offset=int(first) if first.isdecimal() and len(first) < 9 else 0,
    )
    if viewer.is_admin and (status := sent.get("status", "")):
        query = replace(query, statuses=None, status=str(status))
    if "installed" in sent:
        query = replace(query, ids=tuple(readings.installations(viewer)))
    return query


@require_safe
@page
def entry(request: HttpRequest, name: str) -> HttpResponse:
    """One entry: what it is, what it needs, how to install it."""
    viewer = viewer_of(request)
    found = _entry(viewer, name)
    ways = actions.ways_for(found)
    chosen = next((way for way in ways if way.id == request.GET.get("way")), ways[0] if ways else None)
    installed = readings.installations(viewer, [found.pk]).get(found.pk)
    wish = EntryRequest.objects.filter(username=viewer.username, entry=found).first()
    context = {
        "entry": found,
        "told": readings.detailed(found),
        "ways": ways,
        "chosen": chosen,
        "installed": installed,
        "newer": readings.newer_version(installed) if installed else "",
        "may_install": policies.may_install(viewer, found),
        "wish": wish,
    }
    if request.headers.get("HX-Target") == "install":
        return render(request, "registry/_install.html", context, fragment="registry/_install.html")
    return render(request, "registry/entry.html", context)


@require_POST
@page(reads=True)
def plan(request: HttpRequest, name: str) -> HttpResponse:
    """The exact command that an installation would store, or what is missing for one."""
    found = _entry(viewer_of(request), name)
    context: dict[str, Any] = {}
    try:
        context["plan"] = actions.plan_install(found, request.POST.get("way", ""), _answers(request.POST))[1]
    except MissingAnswers as missing:
        context["missing"] = (missing.data or {}).get("missing_env", ())
    except HubError as refused:
        context["refused"] = refused
    return render(request, "registry/_plan.html", context, fragment="registry/_plan.html")


@require_POST
@page
def install(request: HttpRequest, name: str) -> HttpResponse:
    """Make a server from an entry, and show it."""
    sent = request.POST
    try:
        made = actions.install_entry(
            name,
            actor=viewer_of(request),
            way=sent.get("way", ""),
            answers=_answers(sent),
            server_name=sent.get("server", "").strip(),
        )
    except HubError as refused:
        context = {"refused": refused}
        return render(request, "registry/_plan.html", context, fragment="registry/_plan.html", status=422)
    plane.catch_up(revision.current())
    return go(request, reverse("server", args=[made.server.name]), f"{made.server.name} was installed.")


def _answers(sent: QueryDict) -> dict[str, Any]:
    """What was answered, by question."""
    return {name.removeprefix(_ANSWER): value for name, value in sent.items() if name.startswith(_ANSWER) and value}


def _entry(viewer: Actor, name: str) -> Entry:
    found = Entry.objects.visible_to(viewer).select_related("source", "release").filter(name=name).first()
    if found is None:
        raise actions.NoEntry
    return found


@require_safe
@page
def wishes(request: HttpRequest) -> HttpResponse:
    """The dialog to wish for something, with what was wished for before."""
    return _wishes(request, {"subject": request.GET.get("subject", "")})


@require_POST
@page
def wish(request: HttpRequest) -> HttpResponse:
    """Ask that a server be offered."""
    sent = request.POST
    try:
        actions.request_entry(actor=viewer_of(request), subject=sent.get("subject", ""), reason=sent.get("reason", ""))
    except HubError as refused:
        return _wishes(
            request, {"subject": sent.get("subject", ""), "reason": sent.get("reason", ""), "refused": refused}
        )
    return done("The admins were asked.", events={"hub:close-dialog": None, "hub:reload-list": None})


@require_POST
@page(admin=True)
def decide(request: HttpRequest, id: int) -> HttpResponse:
    """Approve or refuse a wish."""
    approve = request.POST.get("do") == "approve"
    decided = actions.decide_request(
        id, actor=viewer_of(request), approve=approve, answer=request.POST.get("answer", "")
    )
    return _wishes(request, {"told": f"{decided.subject} was {'approved' if approve else 'refused'}."})


def _wishes(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    viewer = viewer_of(request)
    rows = EntryRequest.objects.select_related("entry")
    mine = rows if viewer.is_admin else rows.filter(username=viewer.username)
    told = {"wishes": mine.order_by("-state", "-id")[:_WISHES], "open": mine.filter(state="open").count(), **context}
    status = 422 if "refused" in context else 200
    return render(request, "registry/wishes.html", told, fragment="registry/wishes.html", status=status)
