"""The Activity page: calls by filters, columns and rankings of their time, one call whole, exports."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.views.decorators.http import require_safe

from activities import exports, readings, shapes
from activities.chronicle import RANGES, RANKINGS, chronicle, ranking
from activities.criteria import Criteria, key_names, names_of
from activities.filters import asked_calls
from activities.models import CallRecord
from activities.payloads import shown
from mcphub.actor import Actor
from mcphub.errors import NotFound
from mcphub.web.answers import is_partial, render
from mcphub.web.doors import page, viewer_of
from mcphub.web.pages import page_number

#: Rows of a page.
PAGE = 50
_DEFAULT_RANGE = "24h"
#: What narrows the list, besides its time.
_NARROWING = ("server", "tool", "group", "username", "keyName", "keyId", "status", "method", "text")
_METHODS = {"tools/call": "Tools", "prompts/get": "Prompts", "resources/read": "Resources"}
_STATUSES = {"": "Any result", "success": "Succeeded", "error": "Failed", "cancelled": "Cancelled"}


@require_safe
@page
def activity(request: HttpRequest) -> HttpResponse:
    """The list with its chart; for htmx what the filters change."""
    viewer = viewer_of(request)
    chosen, query = _timed(request.GET)
    asked = asked_calls(query, viewer)
    total = readings.count(asked)
    number, last = page_number(request.GET, total, PAGE)
    by = request.GET.get("by", "")
    context: dict[str, Any] = {
        "calls": readings.page(asked, (number - 1) * PAGE, PAGE),
        "total": total,
        "ever": bool(total) or CallRecord.objects.visible_to(viewer).exists(),
        "number": number,
        "last": last,
        "range": chosen,
        "ranges": {name: label for name, (label, _) in RANGES.items()},
        "narrowed": any(request.GET.get(name) for name in _NARROWING),
        "by": by if by in RANKINGS else "",
        "rankings": {name: label for name, label in RANKINGS.items() if name != "user" or viewer.is_admin},
        "methods": _METHODS,
        "statuses": _STATUSES,
        "live": "live" in request.GET and number == 1,
        **_drawn(asked, viewer, by),
    }
    if not is_partial(request):
        context |= _names(viewer)
    return render(request, "activity/list.html", context, fragment="activity/_found.html")


def _timed(sent: QueryDict) -> tuple[str, QueryDict]:
    """The range that was chosen ("" where there are dates) and the query with its beginning."""
    query = sent.copy()
    if sent.get("startDate") or sent.get("endDate"):
        return "", query
    chosen = sent.get("range", _DEFAULT_RANGE)
    chosen = chosen if chosen in RANGES else _DEFAULT_RANGE
    length = RANGES[chosen][1]
    if length is not None:
        query["startDate"] = datetime.fromtimestamp(time.time() - length, UTC).isoformat()
    return chosen, query


def _drawn(asked: Criteria, viewer: Actor, by: str) -> dict[str, Any]:
    """Chart and ranking; roll-ups know names and times only, so there are none for methods and texts."""
    if not asked.is_summed:
        return {}
    whole = Criteria(asked.names, asked.since, asked.until)
    drawn: dict[str, Any] = {"chronicle": chronicle(whole)}
    if by in RANKINGS and (by != "user" or viewer.is_admin):
        labels = key_names(viewer) if by == "key" else {}
        lines = ranking(whole, by)
        drawn["ranking"] = [(_label(by, line.name, labels), line) for line in lines]
        drawn["most"] = max((line.sums.calls for line in lines), default=0)
    return drawn


def _label(by: str, name: str | None, labels: dict[str, str]) -> str:
    if name is None:
        return "All others"
    return labels.get(name, name) or {"server": "No server", "key": "Without a key"}.get(by, "Nobody")


def _names(viewer: Actor) -> dict[str, Any]:
    return {
        "servers": names_of(viewer, "server"),
        "usernames": names_of(viewer, "username") if viewer.is_admin else (),
        "key_names": names_of(viewer, "key_name"),
    }


@require_safe
@page
def call(request: HttpRequest, id: str) -> HttpResponse:
    """One call: what went in, what came out, how long it took, what failed."""
    calls = CallRecord.objects.visible_to(viewer_of(request)).select_related("payload")
    found = calls.filter(pk=id[:64]).first()
    if found is None:
        raise NotFound("There is no such call.")
    payload = getattr(found, "payload", None)
    context = {
        "call": found,
        "kept": payload is not None,
        "input": shown(payload.input) if payload else None,
        "output": shown(payload.output) if payload else None,
    }
    return render(request, "activity/call.html", context)


@require_safe
@page
def export(request: HttpRequest) -> HttpResponseBase:
    """All calls that the filters let through, as a file."""
    form = exports.form_of(request.GET)
    asked = asked_calls(_timed(request.GET)[1], viewer_of(request))
    return exports.download(exports.calls(asked, form, shapes.call), "activities", form)
