"""A trial: one connection to a server that is not stored (yet), to see whether it works and what it offers.

Runs a supervisor of its own with that server alone, on the hub's loop; it is made, watched and closed again, children
included. Above: the dashboard's views. Below: `specs`, the gateway's supervisor, `mcphub.bridge`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from mcphub import plane
from mcphub.actor import Actor
from mcphub.bridge import on_loop
from mcphub.errors import NotAllowed
from mcphub.gateway.inventory import Inventory
from mcphub.gateway.ports import LogLine, UpstreamState
from mcphub.gateway.snapshot import ServerSpec, Snapshot
from mcphub.gateway.upstreams.openapi import OpenApiUpstream
from mcphub.gateway.upstreams.supervisor import Supervisor
from mcphub.masking import masked
from servers import config as rules
from servers.expansion import hub_environment
from servers.models import Server
from servers.specs import Found, Surroundings, spec_of

#: How long a trial may take, in seconds; packages that have to be downloaded first need most of it.
PATIENCE = 45.0
_LINES = 12
#: What ends a trial without a connection.
_ENDED = frozenset({"retrying", "oauth_required", "disconnected"})


@dataclass(slots=True)
class Trial:
    """What came of it: `inventory` where it worked, else `reason`; `lines` are the last words of its child."""

    inventory: Inventory | None = None
    reason: str = ""
    needs_sign_in: bool = False
    milliseconds: float = 0.0
    lines: list[str] = field(default_factory=list)


def try_out(config: object, *, actor: Actor, stored: Mapping[str, Any] | None = None) -> Trial:
    """Connect once, as with this configuration laid over the stored one, where there is one.

    Raises `InvalidInput` (the configuration), `NotAllowed` (a privileged one from no admin).
    """
    found = rules.merged(stored or {}, config)
    if rules.is_privileged(found) and not actor.is_admin:
        raise NotAllowed("Only admins may run commands on the hub's machine.")
    columns = {"type", "enabled", "owner", "visibility", "sharedWithUsers", "description"}
    # On demand, nothing would be started before the first call.
    tried = {"startOnDemand": False, "perSessionClient": False}
    tried = {name: value for name, value in found.items() if name not in columns} | tried
    row = Server(name="trial", transport=found["type"], owner=actor.username)
    row.config = tried
    return on_loop(_run(spec_of(row, Found(), _around(actor))), PATIENCE + 10)


def _around(actor: Actor) -> Surroundings:
    outer = hub_environment(os.environ, settings.MCPHUB_EXPANDABLE) if actor.is_admin else {}
    return Surroundings(actor.is_admin, outer, {}, settings.REQUEST_TIMEOUT_MS, int(PATIENCE * 1000))


class _Watcher:
    """Takes what the supervisor tells of the trial."""

    def __init__(self) -> None:
        self.trial = Trial()
        self.over = asyncio.Event()

    async def store(self, server: str, inventory: Inventory) -> None:
        self.trial.inventory = inventory
        self.over.set()

    def changed(self, state: UpstreamState) -> None:
        if state.state in _ENDED and not self.over.is_set():
            self.trial.reason = state.reason
            self.trial.needs_sign_in = state.state == "oauth_required"
            self.over.set()

    def write(self, line: LogLine) -> None:
        if line.source == "child":
            self.trial.lines.append(str(masked(line.message))[:500])


async def _run(spec: ServerSpec) -> Trial:
    watcher, began = _Watcher(), time.monotonic()
    supervisor = Supervisor(
        inventory_sink=watcher, state_sink=watcher, log_sink=watcher, make_openapi=OpenApiUpstream, start_concurrency=0
    )
    try:
        supervisor.apply(Snapshot(servers={spec.name: spec}, switches=plane.require().snapshot.switches))
        async with asyncio.timeout(PATIENCE):
            await watcher.over.wait()
    except TimeoutError:
        watcher.trial.reason = f"It did not answer within {PATIENCE:.0f} seconds."
    finally:
        await supervisor.aclose()
    watcher.trial.milliseconds = (time.monotonic() - began) * 1000
    del watcher.trial.lines[:-_LINES]
    return watcher.trial
