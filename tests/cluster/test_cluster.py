"""A hub of two web processes and two workers, which are killed, paused and stopped; and Redis, which goes away."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tools.cluster import Cluster, cluster
from tests.tools.hub import TestHub, stdio
from tests.tools.processes import Running, is_alive, until

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]

SERVERS = [f"s{number}" for number in range(8)]
TAKEOVER = 10.0


class Crew:
    """The cluster with its present processes."""

    def __init__(self, found: Cluster) -> None:
        self.cluster = found
        self.webs: list[TestHub] = []
        self.workers: list[Running] = []

    def complete(self) -> None:
        """Replace what earlier tests killed; wait until everything is connected and callable from everywhere."""
        self.webs = [web for web in self.webs if web.process.process.poll() is None]
        self.workers = [worker for worker in self.workers if worker.process.poll() is None]
        while len(self.workers) < 2:
            self.workers.append(self.cluster.worker())
        while len(self.webs) < 2:
            self.webs.append(self.cluster.web())
        until(lambda: all(self.cluster.worker_name(worker) for worker in self.workers), 60, "two workers that joined")
        until(lambda: self.held() == len(SERVERS), 60, "workers that hold all servers")
        for web in self.webs:
            until(lambda web=web: all(pid_of(web, server) for server in SERVERS), 60, "servers that answer")

    def held(self) -> int:
        return sum(len(self.cluster.held_by(worker)) for worker in self.workers)

    def busiest(self) -> tuple[Running, Running]:
        """The worker that holds most servers, and the other."""
        first, second = sorted(self.workers, key=lambda worker: -len(self.cluster.held_by(worker)))
        return first, second

    def servers_of(self, worker: Running) -> dict[str, int]:
        """Names of the servers whose children a worker runs, with the children's process ids."""
        pids = {server: pid_of(self.webs[0], server) for server in SERVERS}
        return {server: pid for server, pid in pids.items() if pid and descends(pid, worker.pid)}


def pid_of(web: TestHub, server: str) -> int:
    """The process id that a server says it has; 0 while it does not answer."""
    answer = web.call(f"{server}-pid")
    if "result" not in answer:
        return 0
    return int(answer["result"]["content"][0]["text"])


def descends(pid: int, ancestor: int) -> bool:
    """Whether a process is a child of a child … of another."""
    while pid > 1:
        if pid == ancestor:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


class Session:
    """A session of the era before the stateless revision, made at one web process and used at any."""

    def __init__(self, web: TestHub) -> None:
        self._headers = {
            "Authorization": f"Bearer {web.key}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        version = "2025-11-25"
        client = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        with self._post(web, "initialize", client) as answer:
            self._headers |= {"Mcp-Session-Id": answer.headers["mcp-session-id"], "MCP-Protocol-Version": version}

    def ask(self, web: TestHub, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The JSON-RPC answer, which may come as the last event of a stream."""
        with self._post(web, method, params) as answer:
            body = answer.read()
        found: dict[str, Any] = json.loads(body[body.rindex(b"data:") + 5 :] if body.startswith(b"event") else body)
        return found

    def _post(self, web: TestHub, method: str, params: dict[str, Any]) -> Any:
        message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        return urllib.request.urlopen(urllib.request.Request(f"{web.url}/mcp", message, self._headers), timeout=30)


def in_background(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(work()), daemon=True)
    thread.start()
    return thread, answers


@pytest.fixture(scope="module")
def module_crew() -> Iterator[Crew]:
    with cluster({server: stdio("--name", server) for server in SERVERS}) as found:
        yield Crew(found)


@pytest.fixture
def crew(module_crew: Crew) -> Crew:
    module_crew.complete()
    return module_crew


def test_every_server_answers_through_every_web_process(crew: Crew) -> None:
    lists = [web.tools() for web in crew.webs]
    assert lists[0] == lists[1]
    for web in crew.webs:
        for server in SERVERS:
            answer = web.call(f"{server}-echo", {"text": f"to {server}"})
            assert answer["result"]["content"][0]["text"] == f"to {server}"
    assert pid_of(crew.webs[0], "s0") == pid_of(crew.webs[1], "s0")


def test_large_results_and_errors_pass_between_processes(crew: Crew) -> None:
    answer = crew.webs[0].call("s1-big", {"bytes": 3_000_000})
    assert len(answer["result"]["content"][0]["text"]) == 3_000_000
    assert crew.webs[1].call("s1-error", {"code": -32077})["error"]["code"] == -32077


def test_a_change_by_a_program_of_its_own_reaches_every_process(crew: Crew) -> None:
    for enabled in (False, True):
        toggle = f"toggle_server('s2', actor=COMMAND, enabled={enabled})"
        program = f"from mcphub.actor import COMMAND; from servers.actions import toggle_server; {toggle}"
        crew.cluster.manage("shell", "--no-imports", "-c", program)
        for web in crew.webs:
            until(lambda web=web, enabled=enabled: ("s2-echo" in web.tools()) is enabled, 5, "a change that arrives")
    until(lambda: pid_of(crew.webs[0], "s2"), 20, "a server that is connected again")


def test_killing_a_web_process_loses_no_session(crew: Crew) -> None:
    doomed, other = crew.webs
    session = Session(doomed)
    doomed.process.stop()
    answer = session.ask(other, "tools/call", {"name": "s0-echo", "arguments": {"text": "x"}})
    assert answer["result"]["content"][0]["text"] == "x"


def test_a_killed_worker_is_replaced_and_its_calls_end(crew: Crew) -> None:
    doomed, heir = crew.busiest()
    children = crew.servers_of(doomed)
    server = next(iter(children))
    thread, answers = in_background(lambda: crew.webs[0].call(f"{server}-sleep", {"ms": 60_000}))
    until(lambda: crew.webs[0].call(f"{server}-count")["result"], 5)
    killed = time.monotonic()
    os.kill(doomed.pid, signal.SIGKILL)
    until(lambda: len(crew.cluster.held_by(heir)) == len(SERVERS), TAKEOVER, "the other worker to hold everything")
    until(lambda: all(pid_of(crew.webs[1], name) for name in SERVERS), TAKEOVER, "servers that answer again")
    assert time.monotonic() - killed < TAKEOVER
    thread.join(3)
    assert answers and "is gone" in answers[0]["error"]["message"], answers
    until(lambda: not any(is_alive(pid) for pid in children.values()), 5, "children that end with their worker")


def test_a_paused_worker_that_wakes_up_drops_what_it_lost(crew: Crew) -> None:
    paused, heir = crew.busiest()
    children = crew.servers_of(paused)
    assert children
    os.kill(paused.pid, signal.SIGSTOP)
    try:
        until(lambda: len(crew.cluster.held_by(heir)) == len(SERVERS), TAKEOVER, "the other worker to hold everything")
        until(lambda: all(pid_of(crew.webs[0], name) for name in children), TAKEOVER, "servers that answer again")
    finally:
        os.kill(paused.pid, signal.SIGCONT)
    until(lambda: not any(is_alive(pid) for pid in children.values()), 5, "a worker that closes what it lost")
    assert len(crew.cluster.held_by(heir)) == len(SERVERS)
    assert all(pid_of(web, name) for web in crew.webs for name in SERVERS)


def test_a_worker_that_is_stopped_hands_over_at_once(crew: Crew) -> None:
    leaving, heir = crew.busiest()
    children = crew.servers_of(leaving)
    leaving.process.send_signal(signal.SIGTERM)
    until(lambda: leaving.process.poll() is not None, 20, "a worker that ends")
    assert leaving.process.returncode == 0
    assert not any(is_alive(pid) for pid in children.values())
    until(lambda: len(crew.cluster.held_by(heir)) == len(SERVERS), 4, "the other worker to hold everything")


def test_a_sudden_end_of_redis_restarts_no_server(crew: Crew) -> None:
    before = {server: pid_of(crew.webs[0], server) for server in SERVERS}
    crew.cluster.redis.kill()
    gone = time.monotonic()
    answer = crew.webs[0].call("s0-echo", {"text": "x"})
    assert "Redis" in answer["error"]["message"]
    until(lambda: time.monotonic() - gone > 10, 11)
    crew.cluster.redis.start()
    for web in crew.webs:
        until(lambda web=web: "result" in web.call("s0-echo", {"text": "x"}), 10, "calls that work again")
        until(lambda web=web: {server: pid_of(web, server) for server in SERVERS} == before, 10, "the same children")
    until(lambda: crew.held() == len(SERVERS), 10, "leases that are known again")


def test_a_pool_of_processes_is_refused(module_crew: Crew) -> None:
    worker = module_crew.cluster.worker("-P", "processes")
    until(lambda: worker.process.poll() is not None, 30, "a worker that refuses to start")
    assert worker.process.returncode != 0
    assert "-P threads" in worker.output()
