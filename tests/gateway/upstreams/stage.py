"""The stage for upstream tests: a supervisor with sinks that remember, and specs for the fixtures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from mcphub.gateway.calls import Call, Exchange, Silence
from mcphub.gateway.inventory import Inventory
from mcphub.gateway.ports import LogLine, UpstreamState
from mcphub.gateway.snapshot import CallOptions, HttpSpec, Lifecycle, ServerSpec, Snapshot, StdioSpec, Switches
from mcphub.gateway.upstreams.supervisor import Supervisor
from tests.tools.processes import fixture_command

T = TypeVar("T")
_raw = msgspec.json.Decoder(dict[str, Raw])


async def until(condition: Callable[[], T], what: str = "", seconds: float = 15) -> T:
    """The first true value of `condition`, looked at on every turn of the loop; fails naming `what`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not (value := condition()):
        assert loop.time() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.005)
    return value


def stdio(name: str, program: str = "raw_stdio", *arguments: str, env: Mapping[str, str] | None = None) -> ServerSpec:
    """A stdio server that runs a fixture."""
    # -S: the raw fixtures need no site-packages, and start three times as fast without.
    command, *rest = fixture_command(program, *arguments)
    spec = StdioSpec(command, ("-S", *rest), dict(env or {}))
    return ServerSpec(f"key-{name}", name, "stdio", spec, connection="1")


def remote(name: str, url: str, transport: Any = "streamable-http", **headers: str) -> ServerSpec:
    """A remote server."""
    return ServerSpec(f"key-{name}", name, transport, HttpSpec(url, headers), connection="1")


def limited(spec: ServerSpec, **options: Any) -> ServerSpec:
    """The same server with other call options."""
    return replace(spec, options=replace(spec.options, **options))


def living(spec: ServerSpec, **lifecycle: Any) -> ServerSpec:
    """The same server with another lifecycle."""
    return replace(spec, lifecycle=replace(spec.lifecycle, **lifecycle))


def opened(params: Mapping[str, Any] | bytes) -> dict[str, Raw]:
    """Params as a `Call` carries them."""
    return _raw.decode(params if isinstance(params, bytes) else json.dumps(params).encode())


class Caller(Silence):
    """An Exchange that remembers what it hears and answers questions from `answers`."""

    def __init__(self, **answers: Any) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.asked: list[tuple[str, Any]] = []
        self.answers = answers

    def notify(self, method: str, params: Raw) -> None:
        self.heard.append((method, json.loads(bytes(params))))

    async def ask(self, method: str, params: Raw) -> Raw:
        self.asked.append((method, json.loads(bytes(params))))
        return Raw(json.dumps(self.answers[method.partition("/")[0]]).encode())


class Stage:
    """A supervisor and everything it told."""

    def __init__(self, **options: Any) -> None:
        self.inventories: dict[str, list[Inventory]] = {}
        self.history: dict[str, list[UpstreamState]] = {}
        self.lines: list[LogLine] = []
        self.changes: list[tuple[str, str]] = []
        self.updates: list[tuple[str, str]] = []
        self.specs: dict[str, ServerSpec] = {}
        self.switches = Switches()
        self.supervisor = Supervisor(
            inventory_sink=self,
            state_sink=self,
            log_sink=self,
            on_list_changed=lambda server, kind, differs: self.changes.append((server, kind)),
            on_resource_updated=lambda server, uri: self.updates.append((server, uri)),
            **options,
        )

    # --- sinks

    async def store(self, server: str, inventory: Inventory) -> None:
        self.inventories.setdefault(server, []).append(inventory)

    def changed(self, state: UpstreamState) -> None:
        self.history.setdefault(state.name, []).append(state)

    def write(self, line: LogLine) -> None:
        self.lines.append(line)

    # --- acting

    def show(self, *specs: ServerSpec) -> None:
        """Apply a snapshot with these servers, and no others."""
        self.specs = {spec.name: spec for spec in specs}
        self.supervisor.apply(Snapshot(0, dict(self.specs), switches=self.switches))

    def change(self, spec: ServerSpec) -> None:
        """Apply a snapshot in which one server is replaced or added."""
        self.show(*{**self.specs, spec.name: spec}.values())

    def state(self, name: str) -> str:
        """The present state's name; "" before there is one."""
        history = self.history.get(name)
        return history[-1].state if history else ""

    def states(self, name: str) -> list[str]:
        """All states so far."""
        return [state.state for state in self.history.get(name, [])]

    async def connected(self, *names: str) -> None:
        """Wait until these (or all) servers are connected."""
        for name in names or self.specs:
            await until(lambda name=name: self.state(name) == "connected", f"{name} connected: {self.story(name)}")

    async def lists(self, name: str) -> Inventory:
        """The newest lists of a server, once some are stored: that happens beside becoming connected, not before."""
        return (await until(lambda: self.inventories.get(f"key-{name}"), f"lists of {name}"))[-1]

    def story(self, name: str) -> str:
        """What happened to a server, for failing assertions."""
        return "; ".join(f"{state.state} {state.reason}" for state in self.history.get(name, []))

    def said(self, text: str, source: str = "") -> list[LogLine]:
        """The log lines that contain a text."""
        return [line for line in self.lines if text in line.message and (not source or line.source == source)]

    async def request(
        self, name: str, method: str, params: Mapping[str, Any] | bytes, exchange: Exchange | None = None, **more: Any
    ) -> Any:
        """One request to a server; the result as plain values."""
        call = Call("call", f"key-{name}", method, opened(params), **more)
        return json.loads(bytes(await self.supervisor.call(call, exchange or Silence())))

    async def tool(
        self,
        name: str,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        exchange: Exchange | None = None,
        **more: Any,
    ) -> Any:
        """One tool call; the text of its first content."""
        params = {"name": tool, "arguments": dict(arguments or {}), **more.pop("params", {})}
        result = await self.request(name, "tools/call", params, exchange, **more)
        return result["content"][0].get("text", result["content"][0])


__all__ = [
    "CallOptions", "Caller", "Lifecycle", "Stage", "limited", "living", "opened", "remote", "stdio", "until",
]  # fmt: skip
