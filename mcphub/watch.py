"""The watch over all servers: gathers what alerts are judged by, once a minute, and has the new ones delivered.

It needs what exists and what happens at once, so it stands above the apps. Runs in a process that runs a hub, which
knows the states of all connections. Above: `tasks`. Below: `activities.alerts`, `servers`, the running hub.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from django.core.cache import cache

from activities import alerts
from activities.models import Alert
from activities.settings_reader import switches
from activities.tasks import deliver_alert
from mcphub import plane
from servers import settings_reader
from servers.models import DiscoveredItem, Server

_SEEN = "watch.changes-seen"
_ONE_AT_A_TIME = "watch.running"


def keep_watch() -> list[Alert]:
    """Judge once; returns what was told. Does nothing where no hub runs, as nothing is known of connections there."""
    if plane.current() is None or not cache.add(_ONE_AT_A_TIME, True, 50):
        return []
    try:
        now = alerts.now()
        limits = switches()
        told = alerts.judge(alerts.Facts(_standings(), _changes(now)), limits, now)
        if told and limits.webhook:
            hub = settings_reader.public_url(settings_reader.effective())
            for alert in told:
                deliver_alert.delay(alerts.message_of(alert, hub))
        return told
    finally:
        cache.delete(_ONE_AT_A_TIME)


def _standings() -> dict[str, alerts.Standing]:
    states = plane.states()
    found = {}
    for key, name in Server.objects.filter(enabled=True).values_list("id", "name"):
        state = states.get(str(key), {})
        found[name] = alerts.Standing(state.get("state", "disconnected"), state.get("reason", "No worker holds it."))
    return found


def _changes(now: datetime) -> dict[str, list[str]]:
    """Tools whose definitions changed since the last look, by server; new servers and new tools are no changes."""
    since = cache.get(_SEEN) or now - timedelta(minutes=2)
    cache.set(_SEEN, now, None)
    changed = DiscoveredItem.objects.filter(kind="tool", changed_at__gt=since, changed_at__lte=now).exclude(previous="")
    found: dict[str, list[str]] = defaultdict(list)
    for server, tool in changed.values_list("server__name", "key"):
        found[server].append(tool)
    return dict(found)
