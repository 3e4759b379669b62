"""Remote upstreams over streamable HTTP and HTTP+SSE, with real servers, good and bad."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import pytest

from mcphub.gateway.errors import (
    AuthenticationRefused,
    ConnectionLost,
    UpstreamBusy,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.gateway.upstreams.stage import Caller, Stage, limited, remote, stdio, until
from tests.tools.processes import free_port, http_fixture

SERVERS = pytest.mark.parametrize(
    ("program", "arguments", "transport"),
    [
        ("raw_http", ("--era", "modern"), "streamable-http"),
        ("raw_http", ("--era", "legacy", "--sessions", "1"), "streamable-http"),
        ("raw_http", ("--era", "legacy"), "streamable-http"),
        ("legacy_sse", (), "sse"),
    ],
    ids=["stateless", "sessions", "session-less", "sse"],
)
MODERN = ("raw_http", "--era", "modern")


@SERVERS
async def test_many_concurrent_calls_each_get_their_own_answer(
    stage: Stage, program: str, arguments: tuple[str, ...], transport: str
) -> None:
    with http_fixture(program, *arguments) as url:
        stage.show(limited(remote("s", url, transport), max_queued=1000))
        texts = [f"{index}:é" + "x" * (index * 37 % 5000) for index in range(300)]
        assert await asyncio.gather(*(stage.tool("s", "echo", {"text": text}) for text in texts)) == texts
        assert len((await stage.lists("s")).tools) == 17
        stage.show()
        await until(lambda: stage.state("s") == "disconnected")


@SERVERS
async def test_progress_comes_back_under_the_callers_token(
    stage: Stage, program: str, arguments: tuple[str, ...], transport: str
) -> None:
    with http_fixture(program, *arguments) as url:
        stage.show(remote("s", url, transport))
        callers = [Caller() for _ in range(4)]
        calls = (
            stage.tool("s", "progress", {"steps": 3, "ms": 50}, caller, params={"_meta": {"progressToken": "p"}})
            for caller in callers
        )
        assert await asyncio.gather(*calls) == ["done"] * 4
        for caller in callers:
            assert [(p["progressToken"], p["progress"]) for _, p in caller.heard] == [("p", 1), ("p", 2), ("p", 3)]


@SERVERS
async def test_a_cancelled_call_is_cancelled_at_the_server(
    stage: Stage, program: str, arguments: tuple[str, ...], transport: str
) -> None:
    with http_fixture(program, *arguments) as url:
        stage.show(remote("s", url, transport))
        await stage.connected()
        call = asyncio.ensure_future(stage.tool("s", "sleep", {"ms": 60_000}))
        await asyncio.sleep(0.2)
        call.cancel()
        await asyncio.wait([call])
        deadline = time.monotonic() + 10
        while not json.loads(await stage.tool("s", "cancelled")):
            assert time.monotonic() < deadline


@SERVERS
async def test_configured_and_passed_through_headers_arrive_and_the_callers_credentials_do_not(
    stage: Stage, program: str, arguments: tuple[str, ...], transport: str
) -> None:
    with http_fixture(program, *arguments) as url:
        stage.show(remote("s", url, transport, **{"X-Own": "static", "X-Other": "kept"}))
        passed = {"x-own": "mine", "host": "evil", "mcp-session-id": "stolen", "x-split": "a\r\nb: c"}
        headers = json.loads(await stage.tool("s", "headers", headers=passed))
        assert headers["x-own"] == "mine" and headers["x-other"] == "kept"
        assert headers["host"] != "evil" and headers.get("mcp-session-id") != "stolen"
        assert not {"authorization", "x-split", "b"} & set(headers)
        assert json.loads(await stage.tool("s", "headers"))["x-own"] == "static"


async def test_a_stateless_request_carries_its_routing_headers(stage: Stage) -> None:
    with http_fixture(*MODERN) as url:
        stage.show(remote("s", url))
        headers = json.loads(await stage.tool("s", "headers"))
        assert headers["mcp-protocol-version"] == "2026-07-28"
        assert (headers["mcp-method"], headers["mcp-name"]) == ("tools/call", "headers")
        result = await stage.request("s", "resources/read", {"uri": "raw://item/é"})
        assert result["contents"][0]["text"] == "This is raw://item/é."


@SERVERS
async def test_ten_megabytes_pass_within_the_limit(
    stage: Stage, program: str, arguments: tuple[str, ...], transport: str
) -> None:
    with http_fixture(program, *arguments) as url:
        stage.show(limited(remote("s", url, transport), max_buffer_size=11_000_000))
        assert len(await stage.tool("s", "big", {"bytes": 10_000_000})) == 10_000_000


# --- servers that misbehave


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ("reset", ConnectionLost),
        ("reset-after", ConnectionLost),
        ("cut-stream", ConnectionLost),
        ("hang", UpstreamTimeout),
        ("endless-stream", UpstreamTimeout),
        ("huge-line", UpstreamProtocolError),
        ("invalid-json", UpstreamProtocolError),
        ("html", UpstreamProtocolError),
        ("wrong-id", UpstreamProtocolError),
        ("server-error", UpstreamProtocolError),
        ("rate-limited", UpstreamBusy),
    ],
)
async def test_a_fault_fails_its_own_call_and_no_other(
    stage: Stage, fault: str, failure: type[Exception], era: str
) -> None:
    with http_fixture("faulty_http", "--fault", fault, "--times", "1", "--era", era) as url:
        stage.show(limited(remote("s", url), timeout=0.7, max_buffer_size=1_000_000))
        await stage.connected()
        with pytest.raises(failure):
            await stage.tool("s", "echo", {"text": "x"})
        assert await stage.tool("s", "echo", {"text": "y"}) == "y"
        assert stage.states("s") == ["connecting", "connected"]


async def test_an_event_over_the_limit_fails_its_call(stage: Stage) -> None:
    with http_fixture("faulty_http", "--fault", "huge-line", "--stream", "1") as url:
        stage.show(limited(remote("s", url), max_buffer_size=1_000_000))
        await stage.connected()
        with pytest.raises(UpstreamProtocolError, match="maxBufferSize"):
            await stage.tool("s", "echo", {"text": "x"})


async def test_a_call_that_changes_something_is_never_repeated(stage: Stage) -> None:
    with http_fixture("faulty_http", "--fault", "reset-after", "--times", "1") as url:
        stage.show(remote("s", url))
        await stage.connected()
        with pytest.raises(ConnectionLost):
            await stage.tool("s", "echo", {"text": "x"})
        assert await stage.tool("s", "count") == "1"


async def test_a_read_is_repeated_after_a_reset(stage: Stage) -> None:
    with http_fixture("faulty_http", "--fault", "reset", "--only", "resources/read", "--times", "1") as url:
        stage.show(remote("s", url))
        result = await stage.request("s", "resources/read", {"uri": "raw://note/1"}, may_repeat=True)
        assert result["contents"]


async def test_a_forgotten_session_is_opened_again_without_anybody_noticing(stage: Stage) -> None:
    with http_fixture("faulty_http", "--fault", "session-404", "--after", "8", "--era", "legacy") as url:
        stage.show(remote("s", url))
        await stage.connected()
        for index in range(60):
            assert await stage.tool("s", "echo", {"text": str(index)}) == str(index)
        assert stage.states("s") == ["connecting", "connected"]
        assert len(stage.said("forgot the session")) >= 5
        assert await stage.tool("s", "count") == "60"


async def test_many_calls_share_one_new_session(stage: Stage) -> None:
    with http_fixture("faulty_http", "--fault", "session-404", "--after", "40", "--era", "legacy") as url:
        stage.show(remote("s", url))
        await stage.connected()
        texts = [str(index) for index in range(100)]
        results = await asyncio.gather(*(stage.tool("s", "echo", {"text": text}) for text in texts[:30]))
        results += await asyncio.gather(*(stage.tool("s", "echo", {"text": text}) for text in texts[30:60]))
        assert results == texts[:60]
        assert 1 <= len(stage.said("forgot the session")) <= 4


async def test_a_server_that_wants_a_sign_in_is_left_alone_until_then(stage: Stage) -> None:
    with http_fixture("faulty_http", "--fault", "unauthorized") as url:
        stage.show(remote("s", url))
        await until(lambda: stage.state("s") == "oauth_required")
        with pytest.raises(UpstreamUnavailable):
            await stage.tool("s", "echo")
        await asyncio.sleep(1.5)
        assert stage.states("s") == ["connecting", "oauth_required"]
        stage.supervisor.retry_now("key-s")
        await until(lambda: stage.states("s").count("oauth_required") == 2)


async def test_a_refusal_that_signing_in_cannot_help_is_a_disconnection(stage: Stage) -> None:
    with http_fixture("faulty_http", "--fault", "forbidden", "--only", "all") as url:
        stage.show(remote("s", url))
        await until(lambda: stage.state("s") == "disconnected")
        assert "403" in stage.history["s"][-1].reason


async def test_a_refused_call_of_one_caller_does_not_end_the_connection(stage: Stage) -> None:
    with http_fixture("faulty_http", "--fault", "unauthorized", "--only", "tools/call", "--times", "1") as url:
        stage.show(remote("s", url))
        with pytest.raises(AuthenticationRefused):
            await stage.tool("s", "echo", headers={"authorization": "Bearer of-one-user"})
        assert await stage.tool("s", "echo", {"text": "x"}) == "x"


async def test_an_untrusted_server_is_not_reached_at_a_private_address(stage: Stage) -> None:
    with http_fixture("raw_http") as url:
        stage.show(replace(remote("s", url), trusted=False), stdio("other"))
        await until(lambda: stage.state("s") == "disconnected")
        assert "may not reach" in stage.history["s"][-1].reason
        by_name = url.replace("127.0.0.1", "localtest.invalid")
        stage.change(replace(remote("s", by_name), trusted=False, connection="2"))
        await until(lambda: stage.state("s") == "retrying")
        stage.switches = replace(stage.switches, allowed_networks=("127.0.0.0/8",))
        stage.change(replace(remote("s", url), trusted=False, connection="3"))
        await stage.connected()


async def test_a_redirect_of_an_untrusted_server_is_judged_again(stage: Stage) -> None:
    with http_fixture("faulty_http", "--fault", "redirect", "--only", "all") as url:
        stage.switches = replace(stage.switches, allowed_networks=("127.0.0.0/8",))
        stage.show(replace(remote("s", url), trusted=False))
        await until(lambda: stage.state("s") == "disconnected")
        assert "169.254.169.254" in stage.history["s"][-1].reason


async def test_slow_lists_delay_nobody_else(stage: Stage) -> None:
    with http_fixture("faulty_http", "--fault", "slow-pages", "--ms", "50") as url:
        stage.show(remote("slow", url), stdio("quick"))
        await stage.connected("quick")
        assert stage.state("slow") == "connecting"
        await stage.connected("slow")
        assert len((await stage.lists("slow")).tools) == 17


async def test_a_server_that_goes_and_comes_back_is_connected_again(stage: Stage) -> None:
    port = str(free_port())
    with http_fixture("raw_http", "--port", port) as url:
        stage.show(remote("s", url))
        assert await stage.tool("s", "echo", {"text": "x"}) == "x"
    with pytest.raises(UpstreamUnavailable):
        await stage.tool("s", "echo", {"text": "x"})
    await until(lambda: stage.state("s") == "retrying")
    with http_fixture("raw_http", "--port", port):
        await until(lambda: stage.state("s") == "connected")
        assert await stage.tool("s", "echo", {"text": "x"}) == "x"
