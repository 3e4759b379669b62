"""What needs somebody, worst first, and the numbers of the side bar. Read from memory.

Above: the dashboard's views and stream, `settings.DASHBOARD_COUNTS`. Below: `standing`, `mcphub.plane`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mcphub import plane
from mcphub.actor import Actor
from mcphub.gateway.access import may_see
from mcphub.gateway.snapshot import GroupSpec, ServerSpec
from mcphub.web.doors import principal_of
from mcphub.web.navigation import Count
from mcphub.web.words import plural
from servers.standing import Standing, standing_of


@dataclass(frozen=True, slots=True)
class Seen:
    """A server the viewer may see, with its standing; `managed` where the viewer may change it."""

    spec: ServerSpec
    standing: Standing
    managed: bool

    @property
    def needs_viewer(self) -> bool:
        """Whether the viewer is the one who should do something."""
        return self.managed and self.standing.needs_someone


def seen_by(viewer: Actor) -> list[Seen]:
    """All servers the viewer may see, in their order. Raises `NoHub` where no hub runs in this process."""
    hub = plane.require()
    states, principal = hub.states(), principal_of(viewer)
    return [
        Seen(spec, standing_of(spec, states), manages(viewer, spec))
        for spec in hub.snapshot.servers.values()
        if may_see(principal, spec)
    ]


def groups_seen_by(viewer: Actor) -> list[GroupSpec]:
    """All groups the viewer may see, in their order."""
    principal = principal_of(viewer)
    return [group for group in plane.require().snapshot.groups.values() if may_see(principal, group)]


def manages(viewer: Actor, thing: ServerSpec | GroupSpec) -> bool:
    """As `policies.may_manage`, for the values of the snapshot."""
    return viewer.is_admin or (bool(viewer.username) and thing.owner == viewer.username)


def needs(seen: Sequence[Seen]) -> list[Seen]:
    """Those that need the viewer: what only a person can resolve first, then by name."""
    found = [each for each in seen if each.needs_viewer]
    return sorted(found, key=lambda each: (each.standing.remedy == "retry", each.spec.name.lower()))


def health_of(seen: Sequence[Seen]) -> tuple[str, str, str]:
    """One sentence of health in two parts, and its tone."""
    enabled = [each for each in seen if each.spec.enabled]
    down = sum(each.standing.needs_someone for each in enabled)
    tones = Counter(each.standing.tone for each in enabled)
    if not enabled:
        return "off", "No server is switched on.", "Switch one on, or add one."
    if down:
        whose = "need you" if down > 1 else "needs you"
        rest = "Everything else is answering." if down < len(enabled) else "Nothing else is there to answer."
        return "bad", f"{down} of {plural(len(enabled), 'server')} {whose}.", rest
    if tones["busy"]:
        return "busy", f"{plural(tones['busy'], 'server')} connecting.", "The others are answering."
    if len(enabled) == 1:
        return "ok", "Your server is up.", "Nothing needs you."
    return "ok", f"All {len(enabled)} servers are up.", "Nothing needs you."


def count_needs(viewer: Actor) -> Count | None:
    """The number beside Servers."""
    if plane.current() is None:
        return None
    number = len(needs(seen_by(viewer)))
    return Count(number, f"{plural(number, 'server')} need{'s' if number == 1 else ''} you", bad=True)


def count_groups(viewer: Actor) -> Count | None:
    """The number beside Groups."""
    if plane.current() is None:
        return None
    number = len(groups_seen_by(viewer))
    return Count(number, plural(number, "group"))
