"""What the apps must provide to the data plane, and what the data plane tells them. Interfaces and small values.

Declared here, implemented above (`servers.snapshots`, `accounts.authenticator`, `activities.sink`, `activities.logs`),
handed in by `mcphub.hub`. Every method is called on the event loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from mcphub.gateway.calls import CallRecord
from mcphub.gateway.inventory import Inventory
from mcphub.gateway.principal import Principal
from mcphub.gateway.snapshot import Snapshot

State = Literal["connecting", "connected", "retrying", "oauth_required", "disconnected", "sleeping"]
Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """Where one upstream's connection stands. Times are epoch seconds.

    Attributes:
        server: key of the `ServerSpec`; `name` its name.
        reason: why it is in this state, as a sentence safe to show to the server's owner; "" when all is well.
        attempt: failed attempts in a row; `next_attempt` when the next one starts (None: none planned).
        since: when this state began; `connected_at` when the present connection was made.
        authorization_url: where `oauth_required` can be resolved.
        worker: which process holds it.
        in_flight, queued: calls at the upstream, and calls that wait for a place there.
        connects: connections made since the process took it up; all but the first are reconnects.
    """

    server: str
    name: str
    state: State
    reason: str = ""
    attempt: int = 0
    next_attempt: float | None = None
    since: float = 0.0
    connected_at: float | None = None
    authorization_url: str | None = None
    worker: str = ""
    in_flight: int = 0
    queued: int = 0
    connects: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log book. `source`: child, connection, hub; `server`: name, or "" where none is concerned."""

    time: float
    level: Level
    source: str
    message: str
    server: str = ""
    call: str = ""


class SnapshotSource(Protocol):
    """Where snapshots come from."""

    async def revision(self) -> int:
        """The newest revision; cheap, asked every few seconds."""

    async def load(self, previous: Snapshot | None) -> Snapshot:
        """The newest snapshot, sharing what did not change with `previous`."""


class Authenticator(Protocol):
    """Turns a credential into a principal; the caller caches."""

    async def authenticate(self, token: str) -> Principal | None:
        """The principal of a bearer token, or None where it is unknown, disabled, expired, or its owner is gone."""

    async def authenticate_user(self, token: str) -> Principal | None:
        """The principal of a dashboard token (JWT), for user-scoped routes; None where it is not valid."""


class CallSink(Protocol):
    """Where call records are stored."""

    async def store(self, records: Sequence[CallRecord]) -> None:
        """Write a batch. A failure is raised; the recorder keeps the batch and tries again."""


class LogSink(Protocol):
    """Where log lines go. Must not block and never fails; masks secrets before anything is kept."""

    def write(self, line: LogLine) -> None:
        """Take one line."""


class InventorySink(Protocol):
    """Where discovered lists are stored, so that they survive restarts and reach every process."""

    async def store(self, server: str, inventory: Inventory) -> None:
        """Replace what is known of the server with that key; raises the revision where something changed."""


class Span(Protocol):
    """One call in a distributed trace."""

    @property
    def traceparent(self) -> str:
        """What the upstream is told of it (W3C Trace Context)."""

    @property
    def ids(self) -> Mapping[str, str]:
        """`traceId` and `spanId`, for the call's record."""

    def end(self, status: str, error: str | None, code: int | None) -> None:
        """The call ended; see `CallRecord.status`."""


class Tracer(Protocol):
    """Who is told of each call where traces are exported. Must not block and never fails."""

    def begin(self, method: str, item: str, server: str, facts: Mapping[str, Any]) -> Span:
        """A call begins.

        Args:
            facts: traceparent and tracestate of the caller, where it sent them, revision, session, call, door.
        """


class StateSink(Protocol):
    """Who is told of connection states. Must not block and never fails."""

    def changed(self, state: UpstreamState) -> None:
        """Take the newest state of one upstream."""
