"""The supervisor: what it keeps, when it tries again, and that no server harms another."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace

import pytest

from mcphub.gateway.errors import UpstreamBusy, UpstreamTimeout, UpstreamUnavailable
from mcphub.gateway.snapshot import Snapshot
from mcphub.gateway.upstreams import keeper, scopes
from tests.gateway.upstreams.stage import Stage, limited, living, remote, stdio, until
from tests.tools.processes import free_port, is_alive


async def pid(stage: Stage, name: str, **more: object) -> int:
    return int(await stage.tool(name, "pid", **more))


async def test_a_change_of_one_server_touches_no_other(stage: Stage) -> None:
    one, two = stdio("one"), stdio("two")
    stage.show(one, two)
    before = [await pid(stage, "one"), await pid(stage, "two")]
    stage.change(replace(two, connection="2"))
    await until(lambda: stage.states("two").count("connected") == 2)
    assert await pid(stage, "one") == before[0]
    assert await pid(stage, "two") != before[1]
    assert stage.states("one") == ["connecting", "connected"]


async def test_a_change_that_is_not_the_connections_applies_without_reconnecting(stage: Stage) -> None:
    spec = stdio("s")
    stage.show(spec)
    before = await pid(stage, "s")
    stage.change(limited(replace(spec, name="s", description="new"), timeout=0.2))
    with pytest.raises(UpstreamTimeout):
        await stage.tool("s", "sleep", {"ms": 5000})
    assert await pid(stage, "s") == before


async def test_a_reload_replaces_the_child_and_the_old_one_is_gone(stage: Stage) -> None:
    spec = stdio("s")
    stage.show(spec)
    before = await pid(stage, "s")
    stage.change(replace(spec, generation=1))
    await until(lambda: stage.states("s").count("connected") == 2)
    assert not is_alive(before)
    assert await pid(stage, "s") != before
    stage.supervisor.reload("key-s")
    await until(lambda: stage.states("s").count("connected") == 3)


async def test_a_disabled_server_is_let_go_and_its_calls_are_refused(stage: Stage) -> None:
    spec = stdio("s")
    stage.show(spec)
    child = await pid(stage, "s")
    stage.show(replace(spec, enabled=False))
    await until(lambda: stage.state("s") == "disconnected")
    assert not is_alive(child)
    with pytest.raises(UpstreamUnavailable):
        await stage.tool("s", "echo")


async def test_off_and_on_at_once_never_makes_two_connections(stage: Stage) -> None:
    spec = stdio("s")
    stage.show(spec)
    first = await pid(stage, "s")
    for _ in range(5):
        stage.show()
        stage.show(spec)
    await until(lambda: stage.state("s") == "connected" and "key-s" in stage.supervisor.states())
    await until(lambda: stage.supervisor.states()["key-s"].state == "connected")
    assert await pid(stage, "s") != first
    assert not is_alive(first)


async def test_servers_held_elsewhere_are_not_connected_here(stage: Stage) -> None:
    snapshot = Snapshot(1, {"one": stdio("one"), "two": stdio("two")})
    stage.supervisor.apply(snapshot, {"key-one"})
    await until(lambda: stage.state("one") == "connected")
    assert set(stage.supervisor.states()) == {"key-one"}
    stage.supervisor.apply(snapshot, {"key-two"})
    await until(lambda: stage.state("two") == "connected" and stage.state("one") == "disconnected")


async def test_servers_that_hang_at_start_do_not_starve_the_others() -> None:
    stage = Stage(start_concurrency=2)
    stage.supervisor._around.starts._patience = 0.3
    hanging = [stdio(f"hang{index}", "faulty_stdio", "--fault", "never-answers") for index in range(8)]
    stage.show(*hanging, stdio("good"))
    began = time.monotonic()
    await until(lambda: stage.state("good") == "connected")
    assert time.monotonic() - began < 8
    await stage.supervisor.aclose()


async def test_an_attempt_that_takes_too_long_fails_with_a_reason(stage: Stage) -> None:
    stage.show(limited(stdio("s", "faulty_stdio", "--fault", "never-answers"), connect_timeout=0.5))
    await until(lambda: stage.state("s") == "retrying")
    assert "did not finish its handshake within 0.5 s" in stage.history["s"][-1].reason


async def test_calls_to_a_server_that_is_retrying_fail_at_once_with_reason_and_time(stage: Stage) -> None:
    stage.show(remote("s", f"http://127.0.0.1:{free_port()}/mcp"))
    await until(lambda: stage.state("s") == "retrying")
    began = time.monotonic()
    with pytest.raises(UpstreamUnavailable) as caught:
        await stage.tool("s", "echo")
    assert time.monotonic() - began < 0.1
    assert caught.value.data is not None
    assert caught.value.data["state"] == "retrying" and caught.value.data["nextAttempt"].startswith("20")
    assert "cannot be reached" in caught.value.data["reason"]


async def test_retry_now_ends_the_waiting_and_leaves_a_working_connection(stage: Stage) -> None:
    stage.show(stdio("bad", "faulty_stdio", "--fault", "exits-at-start"), stdio("good"))
    await until(lambda: stage.states("bad").count("retrying") >= 3, seconds=20)
    attempts = stage.states("bad").count("connecting")
    stage.supervisor.retry_now("key-bad")
    await until(lambda: stage.states("bad").count("connecting") > attempts, seconds=1)
    child = await pid(stage, "good")
    stage.supervisor.retry_now("key-good")
    assert await pid(stage, "good") == child


async def test_an_early_call_waits_for_the_first_connection(stage: Stage) -> None:
    stage.show(stdio("s", "faulty_stdio", "--fault", "slow-start", "--ms", "500"))
    assert await stage.tool("s", "echo", {"text": "patience"}) == "patience"


# --- on demand


async def test_a_server_on_demand_is_primed_once_and_then_sleeps(stage: Stage) -> None:
    stage.show(living(stdio("s"), start_on_demand=True, idle_timeout=0.1))
    await until(lambda: stage.state("s") == "sleeping")
    assert len((await stage.lists("s")).tools) == 17
    assert stage.states("s") == ["connecting", "connected", "sleeping"]


async def test_concurrent_callers_share_one_start_and_idleness_ends_it(stage: Stage) -> None:
    stage.show(living(stdio("s"), start_on_demand=True, idle_timeout=0.3))
    await until(lambda: stage.state("s") == "sleeping")
    pids = await asyncio.gather(*(pid(stage, "s") for _ in range(20)))
    assert len(set(pids)) == 1
    await until(lambda: stage.state("s") == "sleeping")
    assert not is_alive(pids[0])
    assert await pid(stage, "s") != pids[0]


async def test_a_running_call_keeps_a_server_on_demand_awake(stage: Stage) -> None:
    stage.show(living(stdio("s"), start_on_demand=True, idle_timeout=0.2))
    assert await stage.tool("s", "sleep", {"ms": 800}) == "slept"


# --- per session


async def test_each_session_has_a_client_of_its_own_for_tool_calls(stage: Stage) -> None:
    stage.show(living(stdio("s"), per_session_client=True))
    shared = await pid(stage, "s")
    mine = set(await asyncio.gather(*(pid(stage, "s", scope="alice") for _ in range(5))))
    yours = await pid(stage, "s", scope="bob")
    assert len(mine) == 1 and len({shared, *mine, yours}) == 3
    stage.supervisor.end_scope("alice")
    await until(lambda: not is_alive(*mine))
    assert is_alive(yours)
    stage.show()
    await until(lambda: not is_alive(yours))


async def test_idle_sessions_lose_their_client(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "IDLE_LIMIT", 0.0)
    stage.show(living(stdio("s"), per_session_client=True))
    child = await pid(stage, "s", scope="alice")
    stage.supervisor._keepers["key-s"].sweep(time.monotonic())
    await until(lambda: not is_alive(child))


async def test_session_clients_are_bounded() -> None:
    stage = Stage(max_scopes=2)
    stage.show(living(stdio("s"), per_session_client=True))
    await pid(stage, "s", scope="a")
    await pid(stage, "s", scope="b")
    with pytest.raises(UpstreamBusy):
        await pid(stage, "s", scope="c")
    stage.supervisor.end_scope("a")
    await until(lambda: stage.supervisor._around.scope_count.used == 1)
    await pid(stage, "s", scope="c")
    await stage.supervisor.aclose()


async def test_a_session_client_that_dies_fails_its_own_call_only(stage: Stage) -> None:
    spec = living(stdio("s", "faulty_stdio", "--fault", "exits-mid-call"), per_session_client=True)
    stage.show(spec)
    await stage.connected()
    with pytest.raises(UpstreamUnavailable):
        await stage.tool("s", "echo", scope="alice")
    assert stage.state("s") == "connected"


# --- limits


async def test_calls_beyond_the_limit_queue_and_beyond_the_queue_are_refused(stage: Stage) -> None:
    stage.show(limited(stdio("s"), max_in_flight=2, max_queued=2))
    await stage.connected()
    calls = [asyncio.ensure_future(stage.tool("s", "sleep", {"ms": 300})) for _ in range(5)]
    done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    with pytest.raises(UpstreamBusy):
        await next(iter(done))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert results.count("slept") == 4
    assert stage.supervisor.states()["key-s"].in_flight == 0


async def test_a_cancelled_call_in_the_queue_frees_its_place(stage: Stage) -> None:
    stage.show(limited(stdio("s"), max_in_flight=1, max_queued=1))
    await stage.connected()
    running = asyncio.ensure_future(stage.tool("s", "sleep", {"ms": 200}))
    queued = asyncio.ensure_future(stage.tool("s", "echo", {"text": "x"}))
    await asyncio.sleep(0.02)
    queued.cancel()
    await asyncio.wait([queued])
    assert await stage.tool("s", "echo", {"text": "next"}) == "next"
    assert await running == "slept"
    assert stage.supervisor.states()["key-s"].in_flight == 0


async def test_the_circuit_opens_after_repeated_failures_and_tells_when_to_try_again(stage: Stage) -> None:
    stage.show(limited(stdio("s", "faulty_stdio", "--fault", "silent-calls"), timeout=0.1))
    await stage.connected()
    for _ in range(5):
        with pytest.raises(UpstreamTimeout):
            await stage.tool("s", "echo")
    began = time.monotonic()
    with pytest.raises(UpstreamUnavailable) as caught:
        await stage.tool("s", "echo")
    assert time.monotonic() - began < 0.05
    assert caught.value.data is not None and "nextAttempt" in caught.value.data
    assert stage.state("s") == "connected"


async def test_a_hanging_child_is_found_out_and_replaced(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "_PING_TIMEOUT", 0.2)
    stage.show(limited(stdio("s"), timeout=0.3))
    await stage.connected()
    child = await pid(stage, "s")
    os.kill(child, signal.SIGSTOP)
    for _ in range(5):
        with pytest.raises(UpstreamTimeout):
            await stage.tool("s", "echo")
    await until(lambda: stage.state("s") == "retrying")
    assert "did not answer a ping" in stage.history["s"][-1].reason
    await stage.connected()
    assert not is_alive(child)


async def test_keep_alive_notices_a_server_that_hangs(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "_PING_TIMEOUT", 0.2)
    stage.show(living(stdio("s"), keep_alive=True, keep_alive_interval=0.1))
    os.kill(await pid(stage, "s"), signal.SIGSTOP)
    await until(lambda: stage.state("s") == "retrying")
    await stage.connected()


async def test_a_sink_that_fails_costs_no_connection_and_is_tried_again(stage: Stage) -> None:
    store, failures = stage.store, iter([OSError("database is locked")])

    async def fail_once(server: str, inventory: object) -> None:
        for failure in failures:
            raise failure
        await store(server, inventory)  # type: ignore[arg-type]

    stage.store = fail_once  # type: ignore[method-assign]
    stage.show(stdio("s"))
    await stage.connected()
    await until(lambda: stage.inventories.get("key-s"))


async def test_a_server_on_demand_that_dies_sleeps_again_after_its_back_off(stage: Stage) -> None:
    stage.show(living(stdio("s"), start_on_demand=True, idle_timeout=30))
    os.kill(await pid(stage, "s"), signal.SIGKILL)
    await until(lambda: stage.state("s") == "retrying")
    await until(lambda: stage.state("s") == "sleeping")
    assert await stage.tool("s", "echo", {"text": "up"}) == "up"


async def test_a_flood_on_stdout_harms_nobody(stage: Stage) -> None:
    spec = stdio("flood")
    flood = replace(spec, spec=replace(spec.spec, command="/bin/sh", args=("-c", "exec yes 'no message at all'")))
    stage.show(limited(flood, connect_timeout=5), stdio("calm"))
    await stage.connected("calm")
    loop = asyncio.get_running_loop()
    took = []
    for _ in range(300):
        began = loop.time()
        await stage.tool("calm", "echo", {"text": "x"})
        took.append(loop.time() - began)
    assert sorted(took)[150] < 0.05
    assert len(stage.said("no message at all")) < 1000


async def test_a_spec_that_no_transport_takes_is_a_reason_not_a_crash(stage: Stage) -> None:
    stage.show(replace(stdio("s"), transport="openapi"), stdio("other"))
    await until(lambda: stage.state("s") == "retrying")
    await stage.connected("other")
