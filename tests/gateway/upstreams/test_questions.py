"""What session-based upstreams ask and announce in the middle of calls, and whom that reaches. A Python SDK server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from mcphub.gateway.snapshot import ServerSpec
from mcphub.gateway.upstreams import handshake
from tests.gateway.upstreams.stage import Caller, Stage, limited, remote, stdio, until
from tests.tools.processes import http_fixture

ABLE = b'{"sampling":{},"elicitation":{},"roots":{}}'
SAMPLED = {"role": "assistant", "content": {"type": "text", "text": "a poem"}, "model": "m"}
ACCEPTED = {"action": "accept", "content": {"username": "ann", "email": "a@b.example"}}
WATCHED = "test://watched-resource"

TRANSPORTS = pytest.mark.parametrize("transport", ["http", "stdio"])


@contextmanager
def sdk_server(transport: str) -> Iterator[ServerSpec]:
    if transport == "stdio":
        spec = stdio("s", "conformance_server", "--stdio")
        # The SDK needs site-packages, so not -S.
        yield replace(spec, spec=replace(spec.spec, args=spec.spec.args[1:]))  # type: ignore[union-attr]
    else:
        with http_fixture("conformance_server", "--http", "0") as url:
            yield remote("s", url)


@pytest.fixture
def legacy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server speaks both eras; these tests want its older one."""

    async def nothing(peer: Any) -> None:
        return None

    monkeypatch.setattr(handshake, "_discover", nothing)


@TRANSPORTS
async def test_questions_reach_the_caller_of_the_call_and_answers_go_back(
    stage: Stage, transport: str, legacy: None
) -> None:
    with sdk_server(transport) as spec:
        stage.show(spec)
        await stage.connected()
        caller = Caller(sampling=SAMPLED, elicitation=ACCEPTED)
        sampled = await stage.tool("s", "test_sampling", {"prompt": "write"}, caller, capabilities=ABLE)
        assert sampled == "LLM response: a poem"
        elicited = await stage.tool("s", "test_elicitation", {"message": "who?"}, caller, capabilities=ABLE)
        assert "accept" in elicited and "ann" in elicited
        assert [method for method, _ in caller.asked] == ["sampling/createMessage", "elicitation/create"]
        assert caller.asked[1][1]["message"] == "who?"


@TRANSPORTS
@pytest.mark.parametrize("caller", [{"modern": True, "capabilities": ABLE}, {"capabilities": b"{}"}, {}])
async def test_a_caller_that_cannot_answer_is_never_asked(
    stage: Stage, transport: str, legacy: None, caller: dict[str, Any]
) -> None:
    with sdk_server(transport) as spec:
        stage.show(spec)
        await stage.connected()
        exchange = Caller()
        params = {"name": "test_sampling", "arguments": {"prompt": "x"}}
        with pytest.raises(Exception, match="cannot be answered"):
            result = await stage.request("s", "tools/call", params, exchange, **caller)
            raise AssertionError(result)
        assert not exchange.asked


async def test_over_http_each_question_stays_with_its_own_caller(stage: Stage, legacy: None) -> None:
    with sdk_server("http") as spec:
        stage.show(spec)
        await stage.connected()
        poems = [f"poem {index}" for index in range(5)]
        callers = [Caller(sampling={**SAMPLED, "content": {"type": "text", "text": poem}}) for poem in poems]
        answers = await asyncio.gather(
            *(stage.tool("s", "test_sampling", {"prompt": "x"}, caller, capabilities=ABLE) for caller in callers)
        )
        assert answers == [f"LLM response: {poem}" for poem in poems]


async def test_over_stdio_a_question_that_could_be_anybodys_is_refused(stage: Stage, legacy: None) -> None:
    with sdk_server("stdio") as spec:
        stage.show(spec)
        await stage.connected()

        class Slow(Caller):
            async def ask(self, method: str, params: Any) -> Any:
                await asyncio.sleep(0.5)
                return await super().ask(method, params)

        first, second = Slow(sampling=SAMPLED), Caller(sampling=SAMPLED)
        running = asyncio.ensure_future(stage.tool("s", "test_sampling", {"prompt": "x"}, first, capabilities=ABLE))
        await asyncio.sleep(0.2)
        with pytest.raises(Exception, match="cannot be answered"):
            raise AssertionError(await stage.tool("s", "test_sampling", {"prompt": "y"}, second, capabilities=ABLE))
        assert await running == "LLM response: a poem"
        assert not second.asked


@TRANSPORTS
async def test_while_somebody_thinks_the_timeout_waits(stage: Stage, transport: str, legacy: None) -> None:
    with sdk_server(transport) as spec:
        stage.show(limited(spec, timeout=0.6))
        await until(lambda: stage.state("s") == "connected")

        class Thinking(Caller):
            async def ask(self, method: str, params: Any) -> Any:
                await asyncio.sleep(1.5)
                return await super().ask(method, params)

        caller = Thinking(elicitation=ACCEPTED)
        assert "accept" in await stage.tool("s", "test_elicitation", {"message": "?"}, caller, capabilities=ABLE)


@TRANSPORTS
async def test_logs_and_progress_of_a_session_reach_the_caller(stage: Stage, transport: str, legacy: None) -> None:
    with sdk_server(transport) as spec:
        stage.show(spec)
        await stage.connected()
        caller = Caller()
        await stage.tool("s", "test_tool_with_logging", {}, caller)
        assert len([1 for method, _ in caller.heard if method == "notifications/message"]) == 3
        await stage.tool("s", "test_tool_with_progress", {}, caller, params={"_meta": {"progressToken": 5}})
        progress = [params for method, params in caller.heard if method == "notifications/progress"]
        assert progress and {params["progressToken"] for params in progress} == {5}


@TRANSPORTS
@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_changes_and_updates_are_heard(
    stage: Stage, transport: str, era: str, request: pytest.FixtureRequest
) -> None:
    if era == "legacy":
        request.getfixturevalue("legacy")
    with sdk_server(transport) as spec:
        stage.show(spec)
        await stage.connected()
        await stage.supervisor.subscribe("key-s", WATCHED, True)

        async def until_heard(tool: str, heard: Any) -> None:
            # A stream that was just asked for may open a moment later; what happens before is not replayed.
            for _ in range(50):
                await stage.tool("s", tool)
                await asyncio.sleep(0.1)
                if heard():
                    return
            raise AssertionError(f"{tool} was never heard")

        await until_heard("test_trigger_resource_update", lambda: ("key-s", WATCHED) in stage.updates)
        await until_heard("test_trigger_tool_change", lambda: ("key-s", "tools") in stage.changes)


async def test_a_stream_that_breaks_off_is_resumed(stage: Stage, legacy: None) -> None:
    with sdk_server("http") as spec:
        stage.show(spec)
        await stage.connected()
        assert await stage.tool("s", "test_reconnection") == "Reconnection test completed successfully"


async def test_arguments_are_mirrored_into_the_headers_that_a_schema_asks_for(stage: Stage) -> None:
    with sdk_server("http") as spec:
        stage.show(spec)
        await stage.connected()
        assert await stage.tool("s", "test_x_mcp_header", {"region": "nørd"}) == "region=nørd"
        # Another schema than the hub knows: the server refuses once, the hub reads the lists again and repeats.
        stage.supervisor._keepers["key-s"]._upstream._peer.mirrors = {}  # type: ignore[union-attr]
        assert await stage.tool("s", "test_x_mcp_header", {"region": "south"}) == "region=south"
