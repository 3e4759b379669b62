"""The Logs page: the log's stream for whoever may read it, and forgetting it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_POST, require_safe

from activities.actions import clear_log
from activities.logs import logbook
from activities.logs.events import events
from activities.policies import may_read_hub_log, require_log_access
from activities.questions import wanted_lines
from mcphub import plane
from mcphub.actor import Actor
from mcphub.errors import NotAllowed
from mcphub.web.answers import done, render
from mcphub.web.doors import page, viewer_of

_LEVELS = {"debug": "All levels", "info": "Info and up", "warning": "Warnings and errors", "error": "Errors"}
_SOURCES = {"": "All sources", "child": "Server output", "connection": "Connections", "hub": "The hub itself"}


@require_safe
@page
def logs(request: HttpRequest) -> HttpResponse:
    """The page; `logs.js` fills it from the stream."""
    viewer = viewer_of(request)
    whole = may_read_hub_log(viewer)
    names = _readable(viewer)
    chosen = request.GET.get("server", "") or ("" if whole or not names else names[0])
    context = {"whole": whole, "names": names, "server": chosen, "levels": _LEVELS, "sources": _SOURCES}
    return render(request, "logs/page.html", context)


def _readable(viewer: Actor) -> list[str]:
    """The servers whose lines the viewer may read."""
    servers = plane.require().snapshot.servers.values()
    return sorted(spec.name for spec in servers if may_read_hub_log(viewer) or spec.owner == viewer.username)


@require_safe
@page
def log_stream(request: HttpRequest) -> HttpResponseBase:
    """The log as server-sent events, with the filters of `questions.wanted_lines`; `logs.js` reads it."""
    wanted = wanted_lines(request.GET.dict())
    require_log_access(viewer_of(request), wanted.servers)
    after = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    response = StreamingHttpResponse(events(logbook(), wanted, after), content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


@require_POST
@page
def clear(request: HttpRequest) -> HttpResponse:
    """Forget the lines of all processes."""
    viewer = viewer_of(request)
    if not may_read_hub_log(viewer):
        raise NotAllowed("Only admins clear the log.")
    clear_log(actor=viewer)
    return done("The log was cleared.", events={"hub:log-cleared": None})
