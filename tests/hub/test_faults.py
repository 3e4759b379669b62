"""Servers that misbehave, through a running hub, beside healthy ones whose calls go on as if nothing were."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import psutil
import pytest

from mcphub.errors import RPC_TIMED_OUT, RPC_UNAVAILABLE
from tests.tools.hub import TestHub, hub, stdio, streamable
from tests.tools.processes import FIXTURES, http_fixture, until

pytestmark = pytest.mark.slow

HEALTHY = ("child", "remote")
#: Limits of the servers that never answer: time for many calls of others on a busy machine.
SHORT = {"options": {"timeout": 2000}}

CHILDREN: dict[str, dict[str, Any]] = {
    "silent-calls": SHORT,
    "half-line": SHORT,
    "exits-mid-call": {},
    "floods-stderr": {},
    "garbage": {},
    "split-line": {},
    "twice": {},
    "invalid-utf8": {},
    "huge-line": {},
    "wrong-id": SHORT,
}
REMOTES: dict[str, dict[str, Any]] = {
    "hang": SHORT,
    "endless-stream": SHORT,
    "reset": {},
    "reset-after": {},
    "cut-stream": {},
    "huge-line": {},
    "invalid-json": {},
    "html": {},
    "wrong-id": {},
    "session-404": {},
}
SILENT = ["child-silent-calls", "child-half-line", "child-wrong-id", "remote-hang", "remote-endless-stream"]
#: What fails a call at once, and the word that tells its caller why.
BROKEN = {
    "child-exits-mid-call": "status 3",
    "child-invalid-utf8": "not valid",
    "remote-reset": "broke",
    "remote-reset-after": "broke",
    "remote-cut-stream": "ended",
    "remote-invalid-json": "not valid",
    "remote-html": "text/html",
    "remote-wrong-id": "another request's id",
}
HARMLESS = ["child-floods-stderr", "child-garbage", "child-split-line", "child-twice", "remote-session-404"]


def faulty_child(fault: str) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-S", "-E", str(FIXTURES / "faulty_stdio.py"), "--fault", fault]}


@pytest.fixture(scope="module")
def target() -> Iterator[TestHub]:
    """A hub before two healthy servers and one of each fault, all connected."""
    with ExitStack() as stack:
        servers: dict[str, Any] = {
            "child": stdio(),
            "remote": streamable(stack.enter_context(http_fixture("raw_http"))),
        }
        for fault, more in CHILDREN.items():
            servers[f"child-{fault}"] = faulty_child(fault) | more
        for fault, more in REMOTES.items():
            era = "legacy" if fault == "session-404" else "both"
            url = stack.enter_context(http_fixture("faulty_http", "--fault", fault, "--era", era))
            servers[f"remote-{fault}"] = streamable(url) | more
        yield stack.enter_context(hub(servers))


@pytest.fixture(autouse=True)
def nothing_is_left(target: TestHub) -> Iterator[None]:
    """After each fault the healthy servers are connected as before, by the same children."""
    before = pids(target)
    yield
    assert pids(target) == before


def pids(target: TestHub) -> list[str]:
    return [text_of(target.call(f"{name}-pid")) for name in HEALTHY]


def text_of(answer: dict[str, Any]) -> str:
    """The text of a tool's answer; what else came is in the failure's message."""
    assert "result" in answer, answer
    return str(answer["result"]["content"][0]["text"])


def healthy_calls(target: TestHub, count: int = 10) -> None:
    """So many calls of each healthy server, one after another, each answered by its own echo."""
    for number in range(count):
        for name in HEALTHY:
            assert text_of(target.call(f"{name}-echo", {"text": f"{name} {number}"})) == f"{name} {number}"


@contextmanager
def meanwhile(target: TestHub, tool: str) -> Iterator[Future[dict[str, Any]]]:
    """A call that goes on beside the block."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(target.call, tool, {"text": "x"})


@pytest.mark.parametrize("server", SILENT)
def test_a_server_that_never_answers_a_call_delays_no_other(target: TestHub, server: str) -> None:
    with meanwhile(target, f"{server}-echo") as pending:
        healthy_calls(target)
        assert not pending.done()
    error = pending.result()["error"]
    assert (error["code"], error["message"]) == (RPC_TIMED_OUT, "The MCP server did not answer in time.")


@pytest.mark.parametrize("server", BROKEN)
def test_a_broken_answer_fails_its_own_call_and_says_why(target: TestHub, server: str) -> None:
    error = target.call(f"{server}-echo", {"text": "x"})["error"]
    assert error["code"] == RPC_UNAVAILABLE
    assert BROKEN[server] in error["message"]
    healthy_calls(target, 3)


@pytest.mark.parametrize("server", HARMLESS)
def test_noise_around_the_answers_is_no_fault(target: TestHub, server: str) -> None:
    for number in range(20):
        assert text_of(target.call(f"{server}-echo", {"text": str(number)})) == str(number)
    healthy_calls(target, 3)


@pytest.mark.parametrize("server", ["child-huge-line", "remote-huge-line"])
def test_an_answer_of_ten_megabytes_passes(target: TestHub, server: str) -> None:
    assert len(text_of(target.call(f"{server}-echo", {"text": "x"}))) == 10_000_000
    healthy_calls(target, 3)


@pytest.mark.parametrize("server", ["child-huge-line", "remote-huge-line"])
def test_an_answer_over_the_limit_is_refused_and_the_limit_named(target: TestHub, server: str) -> None:
    config = target.api("GET", f"/servers/{server}")[1]["data"]["config"]
    limited = config | {"options": {"maxBufferSize": 1_000_000}}
    assert target.api("PUT", f"/servers/{server}", {"config": limited})[0] == 200
    until(lambda: "maxBufferSize" in str(target.call(f"{server}-echo")), 20, "the refusal of a long answer")
    healthy_calls(target, 3)


def test_a_server_that_ends_with_every_call_comes_back_every_time(target: TestHub) -> None:
    for _ in range(2):
        until(lambda: "status 3" in str(target.call("child-exits-mid-call-echo")), 30, "a child that was started again")
        healthy_calls(target, 2)


def test_failing_calls_end_at_once_when_several_failed_in_a_row(target: TestHub) -> None:
    answers = [target.call("remote-invalid-json-echo")["error"] for _ in range(8)]
    refused = answers[-1]
    assert "not valid" in refused["message"]
    assert refused["data"]["nextAttempt"]
    healthy_calls(target, 2)


def test_a_server_that_never_finishes_its_handshake_delays_no_other(target: TestHub) -> None:
    """Added while the hub runs; its callers are told that it is still being started."""
    config = faulty_child("never-answers") | SHORT
    assert target.api("POST", "/servers", {"name": "mute", "config": config})[0] in (200, 201)
    try:
        healthy_calls(target)
        assert {"child-echo", "remote-echo"} <= set(target.tools())
        assert target.health()["status"] != "unhealthy"
        assert text_of(target.call("child-echo", {"text": "still"})) == "still"
    finally:
        assert target.api("DELETE", "/servers/mute")[0] == 200
    until(lambda: not any("never-answers" in part for child in children(target) for part in child), 15, "its end")


def children(target: TestHub) -> list[list[str]]:
    """The command lines of all processes below the hub."""
    found = []
    for child in psutil.Process(target.process.pid).children(recursive=True):
        try:
            found.append(child.cmdline())
        except psutil.Error:
            continue
    return found
