"""Where one server's connection stands: the state machine, the back-off and the circuit. Pure; time is handed in.

Above: `keeper`. Below: `ports` (the names of the states). The table is the whole truth about which event may follow
which state; an event that is not in it is a bug and raises.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Final, Literal

from mcphub.gateway.ports import State

Event = Literal["starting", "opened", "failed", "refused", "rejected", "slept", "stopped"]

#: `failed`: try again later. `refused`: somebody must sign in. `rejected`: somebody must change the settings.
TABLE: Final[dict[State, dict[Event, State]]] = {
    "disconnected": {"starting": "connecting", "stopped": "disconnected"},
    "connecting": {
        "starting": "connecting",
        "opened": "connected",
        "failed": "retrying",
        "refused": "oauth_required",
        "rejected": "disconnected",
        "slept": "sleeping",
        "stopped": "disconnected",
    },
    "connected": {
        "starting": "connecting",
        "failed": "retrying",
        "refused": "oauth_required",
        "rejected": "disconnected",
        "slept": "sleeping",
        "stopped": "disconnected",
    },
    "retrying": {"starting": "connecting", "slept": "sleeping", "stopped": "disconnected"},
    "oauth_required": {"starting": "connecting", "stopped": "disconnected"},
    "sleeping": {"starting": "connecting", "stopped": "disconnected"},
}


class ImpossibleEvent(Exception):
    """An event that cannot happen in the present state."""


@dataclass(frozen=True, slots=True)
class Standing:
    """See `ports.UpstreamState`; times are epoch seconds."""

    state: State = "connecting"
    reason: str = ""
    attempt: int = 0
    next_attempt: float | None = None
    since: float = 0.0
    connected_at: float | None = None
    authorization_url: str | None = None


def advance(
    standing: Standing,
    event: Event,
    now: float,
    *,
    reason: str = "",
    next_attempt: float | None = None,
    authorization_url: str | None = None,
) -> Standing:
    """The standing after `event`. Raises `ImpossibleEvent` for one that is not in the table."""
    state = TABLE[standing.state].get(event)
    if state is None:
        raise ImpossibleEvent(f"{event} while {standing.state}")
    following = replace(standing, state=state, since=now, reason=reason, next_attempt=None, authorization_url=None)
    if event == "starting":
        # A reconnect under way still tells why it is one.
        return replace(following, reason=standing.reason, connected_at=None)
    if event == "opened":
        return replace(following, connected_at=now)
    if event == "failed":
        return replace(following, attempt=standing.attempt + 1, next_attempt=next_attempt, connected_at=None)
    if event == "refused":
        return replace(following, authorization_url=authorization_url, connected_at=None)
    if event == "slept":
        # A server on demand that cannot start goes on being one that cannot start.
        return replace(following, connected_at=None)
    return replace(following, attempt=0, connected_at=None)


def forgive(standing: Standing) -> Standing:
    """The same, with its past failures forgotten: the connection has proven to be stable, or somebody asked."""
    return replace(standing, attempt=0)


FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0


def pause(attempt: int, jitter: random.Random) -> float:
    """Seconds to wait after `attempt` failures in a row: full jitter between one second and a doubling ceiling."""
    ceiling = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempt, 10))
    return jitter.uniform(FIRST_PAUSE, ceiling)


class Circuit:
    """Opens after `limit` failed calls in a row; while open, calls are refused, but one trial after each pause.

    A failure is an answer that never came or was no MCP; an upstream's own JSON-RPC error is a success here.
    """

    __slots__ = ("_jitter", "_openings", "_trial", "failures", "limit", "open_until", "reason")

    def __init__(self, jitter: random.Random, limit: int = 5) -> None:
        self._jitter = jitter
        self._openings = 0
        self._trial = False
        self.limit = limit
        self.failures = 0
        self.open_until: float | None = None
        self.reason = ""

    def admits(self, now: float) -> bool:
        """Whether a call may be made; at most one at a time once the pause is over, until it has ended."""
        if self.open_until is None:
            return True
        if now < self.open_until or self._trial:
            return False
        self._trial = True
        return True

    def succeeded(self) -> None:
        """A call was answered."""
        self.failures = 0
        if self.open_until is not None:
            self.close()

    def failed(self, now: float, reason: str) -> bool:
        """A call was not answered; True when this one opened the circuit."""
        self.failures += 1
        self._trial = False
        if self.failures < self.limit:
            return False
        self._openings += 1
        self.reason = reason
        self.open_until = now + pause(self._openings, self._jitter)
        return self.failures == self.limit

    def abandoned(self) -> None:
        """A call ended without telling anything: its caller went away."""
        self._trial = False

    def close(self) -> None:
        """Forget everything."""
        self.failures = self._openings = 0
        self.open_until = None
        self._trial = False
        self.reason = ""
