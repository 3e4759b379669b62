"""A hub made by hand from the data plane alone: Supervisor, LocalLink, GatewayApp, served by uvicorn on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import uvicorn

from mcphub.bus import MemoryBus, ResourceUpdated
from mcphub.gateway.app import GatewayApp, Options
from mcphub.gateway.inventory import Inventory
from mcphub.gateway.links import LocalLink
from mcphub.gateway.ports import LogLine, UpstreamState
from mcphub.gateway.recorder import Recorder
from mcphub.gateway.snapshot import HttpSpec, Lifecycle, Offer, ServerSpec, Snapshot, StdioSpec, Switches
from mcphub.gateway.upstreams.supervisor import Supervisor
from tests.gateway.world import TOKENS, FakeAuthenticator, FakeSink, until


def stdio_spec(name: str, command: str, *args: str, **members: Any) -> ServerSpec:
    """A public stdio server."""
    return ServerSpec(
        name, name, "stdio", StdioSpec(command, tuple(args)), connection=name, visibility="public", **members
    )


def http_spec(name: str, url: str, **members: Any) -> ServerSpec:
    """A public streamable HTTP server."""
    return ServerSpec(name, name, "streamable-http", HttpSpec(url), connection=name, visibility="public", **members)


class _Logs:
    def __init__(self) -> None:
        self.lines: list[LogLine] = []

    def write(self, line: LogLine) -> None:
        self.lines.append(line)


@dataclass
class HandmadeHub:
    """Everything a test may want to reach. `url` has no trailing slash."""

    servers: Sequence[ServerSpec]
    switches: Switches = field(default_factory=lambda: Switches(rate_per_minute=0, bearer_auth=False))
    url: str = ""
    states: dict[str, UpstreamState] = field(default_factory=dict)
    sink: FakeSink = field(default_factory=FakeSink)

    def __post_init__(self) -> None:
        self.bus = MemoryBus()
        self.logs = _Logs()
        self.supervisor = Supervisor(
            inventory_sink=self,
            state_sink=self,
            log_sink=self.logs,
            on_resource_updated=lambda server, uri: self.bus.publish(ResourceUpdated(server, uri)),
        )
        self.recorder = Recorder(self.sink, interval=0.05)
        self.app = GatewayApp(
            link=LocalLink(self.supervisor),
            authenticator=FakeAuthenticator(dict(TOKENS)),
            recorder=self.recorder,
            bus=self.bus,
            keys=(b"h" * 32,),
            options=Options(node="handmade"),
        )

    def publish(self) -> None:
        """Serve the present specs."""
        revision = self.app.snapshot.revision + 1
        snapshot = Snapshot(revision, {spec.name: spec for spec in self.servers}, switches=self.switches)
        self.app.swap(snapshot)
        self.supervisor.apply(snapshot)

    async def store(self, server: str, inventory: Inventory) -> None:
        """The inventory sink: what was discovered is offered."""
        self.servers = [
            replace(
                spec,
                inventory=inventory,
                tools=tuple(map(Offer, inventory.tools)),
                prompts=tuple(map(Offer, inventory.prompts)),
                resources=tuple(map(Offer, inventory.resources)),
                templates=tuple(map(Offer, inventory.templates)),
            )
            if spec.key == server
            else spec
            for spec in self.servers
        ]
        self.publish()

    def changed(self, state: UpstreamState) -> None:
        """The state sink."""
        self.states[state.server] = state

    def connected(self) -> bool:
        """Whether every server is."""
        ready = {key for key, state in self.states.items() if state.state == "connected"}
        return ready >= {spec.key for spec in self.servers if spec.enabled and spec.lifecycle == Lifecycle()}


@asynccontextmanager
async def handmade(*servers: ServerSpec, **options: Any) -> AsyncIterator[HandmadeHub]:
    """A running hub whose servers are connected."""
    hub = HandmadeHub(servers, **options)
    config = uvicorn.Config(hub.app, host="127.0.0.1", port=0, log_level="warning", lifespan="off", http="httptools")
    web = uvicorn.Server(config)
    serving = asyncio.create_task(web.serve())
    try:
        await until(lambda: web.started, 20)
        hub.url = f"http://127.0.0.1:{web.servers[0].sockets[0].getsockname()[1]}"
        await hub.recorder.start()
        hub.publish()
        await until(hub.connected, 60)
        yield hub
    finally:
        web.should_exit = True
        await hub.app.aclose()
        await serving
        await hub.recorder.aclose()
        await hub.supervisor.aclose()
