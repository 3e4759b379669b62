"""How a server stands, in words for people: from its spec and the state of its connection. Pure.

Above: `attention`, `table`, the dashboard's views. Below: the gateway's values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mcphub.gateway.snapshot import ServerSpec

Tone = Literal["ok", "busy", "warn", "bad", "off"]
#: What would help: sign in at the upstream, try at once, or change the settings; "" where nothing is needed.
Remedy = Literal["authorize", "retry", "edit", ""]

_STATES: Mapping[str, tuple[Tone, str, str, Remedy]] = {
    "connected": ("ok", "Connected", "", ""),
    "sleeping": ("ok", "Sleeping", "It starts with the next call.", ""),
    "connecting": ("busy", "Connecting", "", ""),
    "retrying": ("bad", "Retrying", "The connection failed.", "retry"),
    "oauth_required": ("bad", "Authorization needed", "Calls fail until someone signs in there.", "authorize"),
    "disconnected": ("bad", "Stopped", "The hub gave up until its settings are changed.", "edit"),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a server's connection stands.

    Attributes:
        reason: why, as the connection told it; "" when all is well.
        words: one sentence about the state, where the reason does not say enough.
        next_attempt, since, connected_at: epoch seconds, or None.
    """

    tone: Tone
    label: str
    words: str = ""
    reason: str = ""
    remedy: Remedy = ""
    attempt: int = 0
    next_attempt: float | None = None
    since: float | None = None
    connected_at: float | None = None
    authorization_url: str = ""
    worker: str = ""

    @property
    def needs_someone(self) -> bool:
        """Whether it does not work, and will not by itself for sure."""
        return self.tone == "bad"

    @property
    def is_up(self) -> bool:
        """Whether calls are answered."""
        return self.tone == "ok"


OFF = Standing("off", "Off", "It is configured but not connected.")


def standing_of(server: ServerSpec, states: Mapping[str, Mapping[str, Any]]) -> Standing:
    """The standing of a server; one that is on and of which nothing is known yet is about to connect."""
    if not server.enabled:
        return OFF
    told = states.get(server.key, {})
    state = str(told.get("state", "connecting"))
    tone, label, words, remedy = _STATES.get(state, _STATES["connecting"])
    attempt = int(told.get("attempt") or 0)
    reason = str(told.get("reason") or "")
    if state == "connecting" and attempt:
        # A server that failed is being tried again: still in trouble, until it has proven otherwise.
        tone, label, remedy = "bad", "Trying again", "retry"
    return Standing(
        tone,
        label,
        words,
        reason if tone != "ok" else "",
        remedy,
        attempt,
        told.get("next_attempt"),
        told.get("since") or None,
        told.get("connected_at"),
        str(told.get("authorization_url") or ""),
        str(told.get("worker") or ""),
    )
