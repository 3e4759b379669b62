"""How the hub is: starting, healthy, degraded or unhealthy, with counts and reasons. Asked by anyone, often.

Read from memory but for one trivial query. Names and reasons of single servers are for admins; everyone else gets
numbers and sentences about numbers. Above: the API. Below: `mcphub.plane`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings
from django.db import DatabaseError, connection

from mcphub import plane
from mcphub.gateway.snapshot import ServerSpec

Status = Literal["starting", "healthy", "degraded", "unhealthy"]

#: States in which nothing is wrong.
_FINE = frozenset({"connected", "sleeping"})
_SENTENCES = {
    "connecting": "connecting",
    "retrying": "failing and being retried",
    "oauth_required": "waiting for someone to authorize the hub",
    "disconnected": "disconnected",
}


@dataclass(frozen=True, slots=True)
class Health:
    """One look at the hub. `counts`: enabled servers by state; `servers`: what is wrong with which, for admins."""

    status: Status
    message: str
    counts: Mapping[str, int]
    servers: tuple[dict[str, Any], ...] = ()

    @property
    def http_status(self) -> int:
        """503 where clients should go elsewhere."""
        return 503 if self.status == "unhealthy" else 200

    @property
    def total(self) -> int:
        """Enabled servers."""
        return sum(self.counts.values())

    @property
    def reasons(self) -> list[str]:
        """Why it is not healthy, one sentence a state."""
        told = ((count, _SENTENCES.get(state)) for state, count in sorted(self.counts.items()))
        return [f"{count} {'server is' if count == 1 else 'servers are'} {words}." for count, words in told if words]


def examine() -> Health:
    """Look at the hub of this process."""
    hub = plane.current()
    if hub is None:
        return Health("unhealthy", "The hub is not running in this process.", {})
    states = hub.states()
    enabled = [server for server in hub.snapshot.servers.values() if server.enabled]
    counts = Counter(_state(states, server) for server in enabled)
    details = tuple(_detail(states, server) for server in enabled if _state(states, server) not in _FINE)
    if not _database_answers():
        return Health("unhealthy", "The database does not answer.", counts, details)
    if not hub.in_touch:
        return Health("unhealthy", "Redis does not answer, so no server can be reached.", counts, details)
    if not details:
        return Health("healthy", "All enabled servers are up.", counts)
    if _is_starting(hub.started_at, states, enabled):
        return Health("starting", "Servers are being connected for the first time.", counts, details)
    return Health("degraded", "Some enabled servers are not up.", counts, details)


def _is_starting(started_at: float, states: Mapping[str, Mapping[str, Any]], enabled: list[ServerSpec]) -> bool:
    """Whether a first attempt is still under way. Servers that failed do not make it so, nor does a long wait."""
    if time.time() - started_at > settings.INIT_TIMEOUT_MS / 1000:
        return False
    return any(_state(states, one) == "connecting" and not states.get(one.key, {}).get("attempt") for one in enabled)


def _state(states: Mapping[str, Mapping[str, Any]], server: ServerSpec) -> str:
    return str(states.get(server.key, {}).get("state", "connecting"))


def _detail(states: Mapping[str, Mapping[str, Any]], server: ServerSpec) -> dict[str, Any]:
    known = states.get(server.key, {})
    return {
        "name": server.name,
        "state": _state(states, server),
        "reason": known.get("reason", ""),
        "attempt": known.get("attempt", 0),
        "nextAttempt": known.get("next_attempt"),
    }


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True
