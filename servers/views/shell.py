"""What surrounds every page: the live stream and the command palette."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_safe

from accounts.models import User
from mcphub.actor import Actor
from mcphub.bridge import in_database
from mcphub.web.answers import render
from mcphub.web.doors import page, viewer_of
from servers import palette as finding
from servers.streams import events


@require_safe
@page
def live(request: HttpRequest) -> HttpResponseBase:
    """The stream of what changes."""
    viewer = viewer_of(request)
    response = StreamingHttpResponse(
        events(viewer, request.GET.get("mark", ""), lambda: in_database(_is_still_there, viewer)),
        content_type="text/event-stream",
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _is_still_there(viewer: Actor) -> bool:
    known = User.objects.filter(username=viewer.username).values_list("is_active", "is_admin").first()
    return known == (True, viewer.is_admin) or (known is None and viewer.username == "guest")


@require_safe
@page
def palette(request: HttpRequest) -> HttpResponse:
    """What the palette shows for what was typed."""
    found = finding.find(viewer_of(request), request.GET.get("q", ""))
    return render(request, "palette.html", {"found": found}, fragment="palette.html")
