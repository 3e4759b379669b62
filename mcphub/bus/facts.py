"""The facts that a hub's parts and processes tell each other: past tense, tiny, and repairable when lost.

Whoever hears one looks up the rest. Above: `bus`. Below: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServersChanged:
    """Servers, groups, overrides, settings or built-ins changed; the newest snapshot has this revision."""

    revision: int


@dataclass(frozen=True, slots=True)
class KeyRevoked:
    """Credentials changed: forget what is cached of this principal id (`key:<uuid>`, `user:<name>`; "" for all)."""

    principal: str


@dataclass(frozen=True, slots=True)
class ReloadRequested:
    """Reconnect the server with this key now, whatever state it is in."""

    server: str


@dataclass(frozen=True, slots=True)
class StateChanged:
    """An upstream's connection state; `state` holds the members of `gateway.ports.UpstreamState`."""

    server: str
    state: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ResourceUpdated:
    """A subscribed resource of the server with this key changed."""

    server: str
    uri: str


@dataclass(frozen=True, slots=True)
class ListAnnounced:
    """The server with this key announced a change of its tools, prompts or resources, and they read as before.

    Whoever listens to it through the hub is told as if the hub were not there.
    """

    server: str
    kind: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session-based client ended its session; every process refuses its id from now on."""

    session: str


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """State that a session id cannot carry: its log level, a resource subscription added or removed."""

    session: str
    change: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClientSpoke:
    """A session-based client posted a message whose addressee is not in the process that received it.

    An answer to a question, a cancellation, or a message for an HTTP+SSE stream; whoever holds it acts, others ignore.
    """

    session: str
    message: str


@dataclass(frozen=True, slots=True)
class LeasesChanged:
    """A worker took or gave up servers: the directory is worth a look."""

    worker: str


@dataclass(frozen=True, slots=True)
class LogCleared:
    """An admin cleared the log: every process forgets its lines."""


@dataclass(frozen=True, slots=True)
class FactsMissed:
    """This process heard nothing for a while: whatever facts keep fresh must be checked. Never crosses processes."""


Fact = (
    ServersChanged
    | KeyRevoked
    | ReloadRequested
    | StateChanged
    | ResourceUpdated
    | ListAnnounced
    | SessionEnded
    | SessionChanged
    | ClientSpoke
    | LeasesChanged
    | LogCleared
    | FactsMissed
)

#: Every kind of fact that crosses processes, by the name it has on the wire.
FACTS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        ServersChanged,
        KeyRevoked,
        ReloadRequested,
        StateChanged,
        ResourceUpdated,
        ListAnnounced,
        SessionEnded,
        SessionChanged,
        ClientSpoke,
        LeasesChanged,
        LogCleared,
    )
}
