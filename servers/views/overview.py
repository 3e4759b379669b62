"""The overview: how the hub is, what needs somebody, the last day in numbers, where clients connect."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts.models import BearerKey
from activities import glance
from mcphub import plane
from mcphub.actor import Actor
from mcphub.web.answers import render
from mcphub.web.doors import page, viewer_of
from servers import attention, clients
from servers.cost import tools_cost

#: Endpoints of groups that the overview lists; all of them are on the groups' page.
_ENDPOINTS = 6
_PARTS = {"health": "overview/_health.html", "numbers": "overview/_numbers.html"}


@require_safe
@page
def overview(request: HttpRequest) -> HttpResponse:
    """The page, or one of its parts (`?part=`) that loads itself again."""
    viewer = viewer_of(request)
    part = request.GET.get("part", "")
    seen = attention.seen_by(viewer)
    if not seen and not part:
        return render(request, "overview/first.html", _endpoints(viewer))
    context = (_health(seen) if part != "numbers" else {}) | (_numbers(viewer, seen) if part != "health" else {})
    if not part:
        context |= _endpoints(viewer)
    return render(request, "overview/page.html", context, fragment=_PARTS.get(part))


def _health(seen: list[attention.Seen]) -> dict[str, Any]:
    tone, sentence, rest = attention.health_of(seen)
    return {"tone": tone, "sentence": sentence, "rest": rest, "needs": attention.needs(seen)}


def _numbers(viewer: Actor, seen: list[attention.Seen]) -> dict[str, Any]:
    day, busiest = glance.day(viewer), glance.busiest(viewer)
    separator = plane.require().snapshot.switches.separator
    enabled = [each.spec for each in seen if each.spec.enabled]
    return {
        "day": day,
        "percentiles": day.total.percentiles,
        "busiest": busiest,
        "most": max((busy.sums.calls for busy in busiest), default=0),
        "failures": glance.failures(viewer),
        "tokens": sum(tools_cost(spec, separator) for spec in enabled),
        "tools": sum(offer.enabled for spec in enabled for offer in spec.tools),
    }


def _endpoints(viewer: Actor) -> dict[str, Any]:
    switches = plane.require().snapshot.switches
    groups = attention.groups_seen_by(viewer)
    listed = [("Everything", clients.endpoint_of(switches.public_url))] if switches.global_route else []
    listed += [(group.name, clients.endpoint_of(switches.public_url, group.name)) for group in groups[:_ENDPOINTS]]
    return {
        "endpoints": listed,
        "more_groups": max(0, len(groups) - _ENDPOINTS),
        "has_key": BearerKey.objects.visible_to(viewer).exists(),
    }
