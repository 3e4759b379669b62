"""Stdio upstreams with real children: what arrives there, what comes back, and how they begin and end."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace

import pytest

from mcphub.gateway.errors import ConnectionLost, RpcError, UpstreamProtocolError, UpstreamTimeout
from tests.gateway.upstreams.stage import Caller, Stage, limited, stdio, until
from tests.tools.processes import is_alive

ERAS = pytest.mark.parametrize("era", ["legacy", "modern"])
STRANGE_NUMBER = 123456789012345678901234567890


@ERAS
async def test_a_call_reaches_the_child_and_its_answer_comes_back(stage: Stage, era: str) -> None:
    stage.show(stdio("s", "raw_stdio", "--era", era))
    assert await stage.tool("s", "echo", {"text": "hé☃"}) == "hé☃"
    revision = {"legacy": "2025-11-25", "modern": "2026-07-28"}[era]
    assert (await stage.lists("s")).revision == revision


@ERAS
async def test_each_of_many_concurrent_calls_gets_its_own_answer(stage: Stage, era: str) -> None:
    stage.show(limited(stdio("s", "raw_stdio", "--era", era), max_queued=1000))
    texts = [f"{index}:" + "x" * (index * 37 % 5000) for index in range(600)]
    answers = await asyncio.gather(*(stage.tool("s", "echo", {"text": text}) for text in texts))
    assert answers == texts


@ERAS
async def test_unknown_fields_and_big_numbers_survive_both_ways(stage: Stage, era: str) -> None:
    stage.show(stdio("s", "raw_stdio", "--era", era))
    params = b'{ "name": "mirror",\n "arguments": {"n": 123456789012345678901234567890},\r\n "x-own": [1.50, null] }'
    result = await stage.request("s", "tools/call", params)
    assert result["structuredContent"]["arguments"] == {"n": STRANGE_NUMBER}
    assert result["structuredContent"]["x-own"] == [1.5, None]
    assert result["x-strange"]["big"] == STRANGE_NUMBER
    assert result["content"][1]["type"] == "x-hologram"


async def test_the_hub_describes_itself_in_meta_and_keeps_the_callers_other_keys(stage: Stage) -> None:
    stage.show(stdio("s", "raw_stdio", "--era", "modern"))
    meta = {"traceparent": "00-1-2-01", "io.modelcontextprotocol/clientInfo": {"name": "someone"}, "x": 1}
    result = await stage.request(
        "s", "tools/call", {"name": "mirror", "_meta": meta}, capabilities=b'{"elicitation":{}}'
    )
    arrived = result["structuredContent"]["_meta"]
    assert arrived["traceparent"] == "00-1-2-01" and arrived["x"] == 1
    assert arrived["io.modelcontextprotocol/clientInfo"]["name"] == "mcphub"
    assert arrived["io.modelcontextprotocol/clientCapabilities"] == {"elicitation": {}}


async def test_a_legacy_child_never_sees_the_stateless_envelope(stage: Stage) -> None:
    stage.show(stdio("s", "raw_stdio", "--era", "legacy"))
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/logLevel": "info", "x": 1}
    result = await stage.request("s", "tools/call", {"name": "mirror", "_meta": meta})
    assert result["structuredContent"]["_meta"] == {"x": 1}


@ERAS
async def test_progress_comes_back_under_the_callers_own_token(stage: Stage, era: str) -> None:
    stage.show(stdio("s", "raw_stdio", "--era", era))
    callers = [Caller() for _ in range(5)]
    tokens: list[object] = ["same", "same", 7, "same", 7]
    await asyncio.gather(
        *(
            stage.tool("s", "progress", {"steps": 3, "ms": 20}, caller, params={"_meta": {"progressToken": token}})
            for caller, token in zip(callers, tokens, strict=True)
        )
    )
    for caller, token in zip(callers, tokens, strict=True):
        heard = [params for method, params in caller.heard if method == "notifications/progress"]
        assert [(params["progressToken"], params["progress"]) for params in heard] == [
            (token, 1),
            (token, 2),
            (token, 3),
        ]


async def test_a_log_message_goes_to_the_only_call_in_flight(stage: Stage) -> None:
    stage.show(stdio("s", "raw_stdio", "--era", "legacy"))
    caller = Caller()
    await stage.tool("s", "log", {"text": "hello", "level": "info"}, caller)
    assert caller.heard == [("notifications/message", {"level": "info", "logger": "raw", "data": "hello"})]


async def test_an_error_of_the_upstream_passes_unchanged(stage: Stage) -> None:
    stage.show(stdio("s"))
    with pytest.raises(RpcError) as caught:
        await stage.tool("s", "error", {"code": -32042})
    assert caught.value.code == -32042 and caught.value.message == "an error on purpose"
    assert b"123456789012345678901234567890" in (caught.value.data or b"")


@ERAS
async def test_cancelling_a_call_cancels_it_at_the_child(stage: Stage, era: str) -> None:
    stage.show(stdio("s", "raw_stdio", "--era", era))
    await stage.connected()
    call = asyncio.ensure_future(stage.tool("s", "sleep", {"ms": 60_000}))
    await until(lambda: stage.supervisor.states()["key-s"].in_flight == 1)
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert len(json.loads(await stage.tool("s", "cancelled"))) == 1


async def test_a_call_times_out_and_is_cancelled_at_the_child(stage: Stage) -> None:
    stage.show(limited(stdio("s"), timeout=0.2))
    await stage.connected()
    with pytest.raises(UpstreamTimeout):
        await stage.tool("s", "sleep", {"ms": 60_000})
    assert len(json.loads(await stage.tool("s", "cancelled"))) == 1


async def test_every_page_of_every_list_is_read(stage: Stage) -> None:
    stage.show(stdio("s", "raw_stdio", "--tools", "503", "--page-size", "10"))
    await stage.connected()
    inventory = await until(lambda: stage.inventories.get("key-s"))
    assert len(inventory[-1].tools) == 503 and len(inventory[-1].resources) == 2
    assert [template.key for template in inventory[-1].templates] == ["raw://item/{id}"]


async def test_lists_that_never_end_are_cut_off(stage: Stage) -> None:
    stage.show(stdio("s", "faulty_stdio", "--fault", "endless-pages"))
    await stage.connected()
    assert stage.said("does not end")


async def test_an_announced_change_is_read_once_for_a_burst(stage: Stage) -> None:
    stage.show(stdio("s"))
    await stage.connected()
    await asyncio.gather(*(stage.tool("s", "grow") for _ in range(5)))
    await until(lambda: len(stage.inventories["key-s"]) > 1 and stage.changes)
    assert stage.changes == [("key-s", "tools")]
    assert [len(inventory.tools) for inventory in stage.inventories["key-s"]] == [17, 22]


async def test_the_child_gets_a_clean_environment(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCPHUB_SECRET_KEY", "top secret")
    stage.show(stdio("s", env={"OWN": "1", "LANG": "C"}))
    names = set(json.loads(await stage.tool("s", "env")))
    assert names - {"LC_CTYPE"} == {"PATH", "HOME", "LANG", "OWN"}


async def test_an_unknown_command_is_told_and_tried_again(stage: Stage) -> None:
    spec = stdio("s")
    stage.show(replace(spec, spec=replace(spec.spec, command="/no/such/program")))
    await until(lambda: stage.state("s") == "retrying")
    state = stage.history["s"][-1]
    assert "No such file" in state.reason and state.attempt == 1 and state.next_attempt


# --- children that misbehave


@pytest.mark.parametrize("fault", ["garbage", "split-line", "twice", "silent-discover"])
async def test_noise_on_stdout_harms_no_call(stage: Stage, fault: str) -> None:
    stage.show(stdio("s", "faulty_stdio", "--fault", fault))
    await stage.connected()
    assert [await stage.tool("s", "echo", {"text": str(index)}) for index in range(20)] == list(map(str, range(20)))
    if fault == "garbage":
        assert stage.said("Starting up... listening on nothing", "child")


async def test_a_flood_on_stderr_delays_nobody_and_is_cut_short_in_the_log(stage: Stage) -> None:
    stage.show(stdio("flood", "faulty_stdio", "--fault", "floods-stderr"), stdio("calm"))
    await stage.connected("calm")
    slowest = 0.0
    loop = asyncio.get_running_loop()
    while stage.state("flood") != "connected":
        began = loop.time()
        await stage.tool("calm", "echo", {"text": "x"})
        slowest = max(slowest, loop.time() - began)
    assert await stage.tool("flood", "echo", {"text": "still here"}) == "still here"
    assert slowest < 0.5
    assert len(stage.said("complaint")) < 2_000
    await until(lambda: stage.said("more lines on stderr, not kept"))


async def test_half_a_line_and_then_nothing_is_a_timeout(stage: Stage) -> None:
    stage.show(limited(stdio("s", "faulty_stdio", "--fault", "half-line"), timeout=0.3))
    await stage.connected()
    with pytest.raises(UpstreamTimeout):
        await stage.tool("s", "echo", {"text": "x"})


async def test_a_child_that_never_answers_a_call_is_a_timeout(stage: Stage) -> None:
    stage.show(limited(stdio("s", "faulty_stdio", "--fault", "silent-calls"), timeout=0.3))
    await stage.connected()
    with pytest.raises(UpstreamTimeout):
        await stage.tool("s", "echo", {"text": "x"})


@pytest.mark.parametrize("fault", ["invalid-utf8", "huge-line"])
async def test_an_answer_that_cannot_be_used_fails_its_call_at_once(stage: Stage, fault: str) -> None:
    stage.show(limited(stdio("s", "faulty_stdio", "--fault", fault), max_buffer_size=1_000_000))
    await stage.connected()
    with pytest.raises(UpstreamProtocolError):
        await stage.tool("s", "echo", {"text": "x"})
    assert (await stage.request("s", "prompts/get", {"name": "greet"}))["messages"]


async def test_ten_megabytes_in_one_line_are_no_problem_within_the_limit(stage: Stage) -> None:
    stage.show(limited(stdio("s"), max_buffer_size=11_000_000))
    assert len(await stage.tool("s", "big", {"bytes": 10_000_000})) == 10_000_000


async def test_a_wrong_id_is_nobodys_answer(stage: Stage) -> None:
    stage.show(limited(stdio("s", "faulty_stdio", "--fault", "wrong-id"), timeout=0.3))
    await stage.connected()
    with pytest.raises(UpstreamTimeout):
        await stage.tool("s", "echo", {"text": "x"})


async def test_an_exit_in_mid_call_fails_it_at_once_and_tells_why(stage: Stage) -> None:
    stage.show(stdio("s", "faulty_stdio", "--fault", "exits-mid-call"))
    await stage.connected()
    with pytest.raises(ConnectionLost, match="exited with status 3"):
        await stage.tool("s", "echo", {"text": "x"})
    await until(lambda: stage.state("s") == "retrying")
    await stage.connected()


async def test_last_words_of_a_child_explain_why_it_could_not_start(stage: Stage) -> None:
    stage.show(stdio("s", "faulty_stdio", "--fault", "exits-at-start"))
    await until(lambda: stage.state("s") == "retrying")
    assert "exited with status 4" in stage.history["s"][-1].reason
    assert "the licence has expired" in stage.history["s"][-1].reason


async def test_a_killed_child_is_noticed_and_started_again(stage: Stage) -> None:
    stage.show(stdio("s"))
    first = int(await stage.tool("s", "pid"))
    os.kill(first, 9)
    await until(lambda: stage.state("s") == "retrying")
    assert "SIGKILL" in stage.history["s"][-1].reason
    await stage.connected()
    assert int(await stage.tool("s", "pid")) != first


async def test_a_child_that_ignores_sigterm_is_killed_with_its_own_child(stage: Stage) -> None:
    stage.show(stdio("s", "faulty_stdio", "--fault", "ignores-sigterm"))
    pids = list(map(int, (await stage.tool("s", "pid")).split()))
    assert len(pids) == 2 and all(map(is_alive, pids))
    stage.show()
    await until(lambda: not any(map(is_alive, pids)), "the whole tree gone")
