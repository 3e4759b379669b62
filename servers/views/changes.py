"""What the dashboard's views that change something share: waiting for the hub, and answering with fresh parts.

Whoever presses a button sees its effect in the answer, so the hub of this process has to serve it first. Below:
`mcphub.plane`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from mcphub import plane
from mcphub.actor import Actor
from mcphub.errors import NotFound
from mcphub.gateway.access import may_see
from mcphub.web.doors import page, principal_of
from servers import revision
from servers.attention import Seen, manages
from servers.standing import standing_of

View = TypeVar("View", bound=Callable[..., HttpResponse])


def changing(view: View) -> View:
    """A view that changes something: POST alone, somebody signed in, refusals told."""
    return require_POST(page(view))


def settle() -> None:
    """Wait until the hub of this process serves what was just written."""
    plane.catch_up(revision.current())


def seen_server(viewer: Actor, name: str) -> Seen:
    """The server of that name as the viewer sees it. Raises `NotFound`, `NoHub`."""
    hub = plane.require()
    spec = hub.snapshot.servers.get(name)
    if spec is None or not may_see(principal_of(viewer), spec):
        raise NotFound(f"There is no server named {name!r}.")
    return Seen(spec, standing_of(spec, hub.states()), manages(viewer, spec))
