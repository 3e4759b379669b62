"""What the doors of Django (REST, admin, dashboard, jobs) may ask of the hub that runs in their process.

The hub registers itself when it starts; where none runs (a management command, a test without one) `current` is None
and `require` raises `NoHub`. Everything here may be called from any thread: states and snapshot are read from memory,
and calls cross to the hub's loop through `bridge.on_loop`. Above: the apps' doors, `hub`. Below: `bridge`, the gateway.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any, Protocol

from mcphub.bridge import NoHub, on_loop
from mcphub.gateway.app import GatewayApp
from mcphub.gateway.recorder import Recorder
from mcphub.gateway.snapshot import Snapshot


class RunningHub(Protocol):
    """The part of `mcphub.hub.Hub` that others may rely on."""

    #: Epoch seconds at which it began to serve.
    started_at: float

    @property
    def in_touch(self) -> bool:
        """Whether the other processes of the hub, and the servers they hold, can be reached; true where it is one."""

    @property
    def snapshot(self) -> Snapshot:
        """What clients see now."""

    @property
    def gateway(self) -> GatewayApp:
        """The data plane's front; `gateway.dispatch` calls tools for other doors."""

    @property
    def recorder(self) -> Recorder:
        """Where call records wait for the database."""

    def states(self) -> Mapping[str, Mapping[str, Any]]:
        """By server key, the members of `gateway.ports.UpstreamState`."""

    async def caught_up(self, revision: int) -> None:
        """Wait until `snapshot` is of this revision or a later one."""


class Observes(Protocol):
    """The part of `mcphub.observation.Observation` that doors may ask."""

    async def sample(self) -> Any:
        """This process's metrics now (`mcphub.metrics.families.Sample`); on the hub's loop."""


#: Seconds that a door waits for the hub to serve what was written through it.
_PATIENCE = 2.0

#: … and until a server that is being connected anew is up, or has failed.
_RECONNECTING = 5.0
_POLL = 0.02

_running: RunningHub | None = None
_observation: Observes | None = None


def register(hub: RunningHub | None) -> None:
    """Name the hub of this process; None when it stops. Called by the hub."""
    global _running
    _running = hub


def current() -> RunningHub | None:
    """The hub of this process, if one runs."""
    return _running


def require() -> RunningHub:
    """The hub of this process. Raises `NoHub` where none runs."""
    if _running is None:
        raise NoHub()
    return _running


def states() -> Mapping[str, Mapping[str, Any]]:
    """Connection states by server key; empty where no hub runs."""
    return {} if _running is None else _running.states()


def catch_up(revision: int) -> None:
    """Wait until the hub of this process serves that revision, so that who changed something sees it everywhere.

    Returns at once where no hub runs, and after a while in any case: what was written is written.
    """
    hub = _running
    if hub is not None and hub.snapshot.revision < revision:
        with contextlib.suppress(NoHub):
            on_loop(hub.caught_up(revision), _PATIENCE)


def observe(observation: Observes | None) -> None:
    """Name what watches the hub of this process; None when it stops."""
    global _observation
    _observation = observation


def observation() -> Observes | None:
    """What watches the hub of this process, if one runs."""
    return _observation


def await_connection(name: str, asked: float) -> None:
    """Wait until a server has left the state it was in at `asked` (epoch seconds) and is not connecting any more.

    For who has asked for a new connection and may call at once. Returns at once where no hub runs or the server is
    unknown to it, and after some seconds in any case.
    """
    hub = _running
    server = None if hub is None else hub.snapshot.servers.get(name)
    if hub is None or server is None:
        return
    deadline = time.monotonic() + _RECONNECTING
    while time.monotonic() < deadline:
        state = hub.states().get(server.key, {})
        if state.get("state") != "connecting" and state.get("since", 0.0) >= asked:
            return
        time.sleep(_POLL)
