"""What pages answer with: whole pages, fragments for htmx, redirects, notices, refusals.

`render` serves both kinds of request: a template that has a fragment for htmx names it, and whoever asks through htmx
gets that alone. Notices are toasts: carried by a header to htmx, by the session over a redirect. Above: `doors`, the
apps' views. Below: `navigation`, Django.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render as render_template
from django.urls import Resolver404, get_script_prefix, resolve, reverse

from mcphub.errors import HubError
from mcphub.version import VERSION
from mcphub.web import navigation
from mcphub.web.mark import mark

Tone = Literal["ok", "warn", "bad"]
_LEVELS = {"ok": messages.SUCCESS, "warn": messages.WARNING, "bad": messages.ERROR}
_TITLES = {
    400: "This cannot be done",
    403: "You may not do this",
    404: "There is nothing here",
    409: "This collides with something",
    413: "This is too large",
    429: "Too many attempts",
    503: "The hub is not ready",
}


def render(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    fragment: str | None = None,
    status: int = 200,
) -> HttpResponse:
    """A page with its frame; for htmx the `fragment` alone, where there is one.

    A dialog or a row is no page: who opens its address comes to the page that it belongs to.
    """
    asked = is_partial(request)
    if template == fragment and not asked and request.method == "GET":
        return HttpResponse(status=303, headers={"Location": _page_above(request.path)})
    chosen = fragment if asked and fragment else template
    surroundings = {} if asked and fragment else frame(request)
    response = render_template(request, chosen, {**surroundings, **(context or {})}, status=status)
    if fragment:
        # The same address gives a page or a part of it; going back must not show the part.
        response.headers["Vary"] = "HX-Request"
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _page_above(path: str) -> str:
    """The nearest address above `path` that is a page."""
    above = path.rpartition("/")[0]
    try:
        resolve(above.removeprefix(get_script_prefix().rstrip("/")))
    except Resolver404:
        return reverse("overview")
    return above


def frame(request: HttpRequest) -> dict[str, Any]:
    """What the base template needs besides the page's own context."""
    viewer = getattr(request, "viewer", None)
    theme = request.COOKIES.get("mcphub_theme", "")
    return {
        "viewer": viewer,
        "sections": navigation.sections(viewer, request.path) if viewer else (),
        "theme": theme if theme in ("dark", "light") else "",
        "readonly": settings.READONLY,
        "version": VERSION,
        "mark": mark() if viewer else "",
        "htmx_headers": json.dumps({"X-CSRFToken": get_token(request)}),
    }


def is_partial(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of a page (and not for a whole one out of its history)."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-History-Restore-Request") != "true"


def notice(response: HttpResponse, text: str, tone: Tone = "ok") -> HttpResponse:
    """Add a toast to an answer to htmx."""
    return trigger(response, "hub:notice", {"text": text, "tone": tone})


def trigger(response: HttpResponse, event: str, detail: Any = None) -> HttpResponse:
    """Add an event to an answer to htmx; several may be added."""
    told = json.loads(response.headers.get("HX-Trigger", "{}"))
    response.headers["HX-Trigger"] = json.dumps({**told, event: detail})
    return response


def done(text: str = "", *, events: Mapping[str, Any] | None = None) -> HttpResponse:
    """An answer to htmx that swaps nothing: a toast, and events for what should load itself again."""
    response = HttpResponse(status=204)
    if text:
        notice(response, text)
    for event, detail in (events or {}).items():
        trigger(response, event, detail)
    return response


def go(request: HttpRequest, to: str, text: str = "", tone: Tone = "ok") -> HttpResponse:
    """Go to another page, with a toast there; `to` is an address."""
    if text:
        messages.add_message(request, _LEVELS[tone], text)
    if is_partial(request):
        return HttpResponse(status=204, headers={"HX-Redirect": to})
    return HttpResponse(status=303, headers={"Location": to})


def sign_in_first(request: HttpRequest) -> HttpResponse:
    """To the sign-in page, and back afterwards."""
    asked = request.headers.get("HX-Current-URL", "") if is_partial(request) else request.get_full_path()
    to = reverse("sign-in")
    if asked and request.method == "GET" and not is_partial(request):
        to += "?" + urlencode({"next": asked})
    return go(request, to)


def refused(request: HttpRequest, refusal: HubError) -> HttpResponse:
    """A refusal: a toast for htmx, else a page that says what happened and offers a way on."""
    if is_partial(request):
        return notice(HttpResponse(status=refusal.http_status), refusal.message, "bad")
    title = _TITLES.get(refusal.http_status, "This did not work")
    context = {"title": title, "message": refusal.message, "status": refusal.http_status}
    return render(request, "refused.html", context, status=refusal.http_status)
