"""What the hub stands on goes away for a while: its calls go on, and nothing that was promised is lost."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.tools.cluster import Cluster, PrivatePostgres, cluster
from tests.tools.hub import TestHub, hub, stdio
from tests.tools.processes import until

pytestmark = pytest.mark.slow

RECORDS = "SELECT count(*) FROM activities_callrecord WHERE item = 'add'"


def calls(target: TestHub, count: int) -> int:
    """So many counted calls, each with the right answer; how many."""
    for number in range(count):
        answer = target.call("raw-add", {"a": number, "b": 1})
        assert "result" in answer, answer
        assert answer["result"]["content"][0]["text"] == str(number + 1)
    return count


def describe(target: TestHub, text: str) -> int:
    """Change a tool's description; the status of the answer."""
    return target.api("PUT", "/servers/raw/tools/raw-echo/description", {"description": text})[0]


def shows(target: TestHub, text: str) -> bool:
    return text in str(target.rpc("/mcp", "tools/list"))


# --- SQLite


def test_calls_go_on_while_sqlite_is_locked_and_nothing_is_lost(tmp_path: Path) -> None:
    with hub({"raw": stdio()}, folder=tmp_path) as target, ThreadPoolExecutor(1) as pool:
        file = target.data / "mcphub.sqlite3"
        made = calls(target, 1)
        until(lambda: sqlite_records(file) == made, 10, "the first record")
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            changing = pool.submit(describe, target, "written after the lock")
            locked = time.monotonic()
            while time.monotonic() - locked < 4:
                made += calls(target, 50)
            assert target.is_healthy()
            assert sqlite_records(file) == 1
            assert not changing.done()
            other.execute("ROLLBACK")
        assert changing.result(20) == 200
        until(lambda: shows(target, "written after the lock"), 5, "the change that waited")
        until(lambda: sqlite_records(file) == made, 15, f"{made} records")


def sqlite_records(file: Path) -> int:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return int(database.execute(RECORDS).fetchone()[0])


# --- PostgreSQL and Redis, with several processes


@pytest.fixture(scope="module")
def postgres() -> Iterator[PrivatePostgres]:
    if PrivatePostgres.programs() is None:
        pytest.skip("needs the programs initdb and postgres")
    server = PrivatePostgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def many(postgres: PrivatePostgres) -> Iterator[Cluster]:
    """One worker; the tests start web processes."""
    with cluster({"raw": stdio()}, postgres) as found:
        found.worker()
        yield found


@pytest.fixture(scope="module")
def webs(many: Cluster) -> list[TestHub]:
    """Two web processes that reach the worker's server."""
    found = [many.web(), many.web()]
    for web in found:
        until(lambda web=web: "result" in web.call("raw-echo", {"text": "x"}), 60, "a server that answers")
    return found


@pytest.mark.redis
@pytest.mark.postgres
def test_calls_go_on_while_postgresql_restarts_and_nothing_is_lost(
    postgres: PrivatePostgres, webs: list[TestHub]
) -> None:
    first, second = webs
    made = 0
    for attempt in ("one", "two"):
        made += calls(first, 20) + calls(second, 20)
        until(recorded(postgres, made), 15, "the records before the outage")
        postgres.stop()
        gone = time.monotonic()
        while time.monotonic() - gone < 3:
            made += calls(first, 20) + calls(second, 20)
        assert first.health()["status"] == "unhealthy"
        postgres.start()
        until(first.is_healthy, 20, "a healthy hub")
        assert describe(first, attempt) == 200
        until(lambda text=attempt: all(shows(web, text) for web in webs), 10, "the change everywhere")
        until(recorded(postgres, made), 40, f"{made} records")


def recorded(server: PrivatePostgres, count: int) -> Callable[[], bool]:
    return lambda: postgres_records(server) == count


def postgres_records(server: PrivatePostgres) -> int:
    with psycopg.connect(server.url) as connection:
        found = connection.execute(RECORDS).fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.redis
@pytest.mark.postgres
def test_while_redis_is_away_the_hub_answers_and_changes_are_kept(many: Cluster, webs: list[TestHub]) -> None:
    first, second = webs
    many.redis.kill()
    gone = time.monotonic()
    try:
        assert "Redis" in first.call("raw-echo", {"text": "x"})["error"]["message"]
        assert "raw-echo" in second.tools()
        assert "Redis" in first.health()["message"]
        assert describe(first, "changed without Redis") == 200
        until(lambda: all(shows(web, "changed without Redis") for web in webs), 10, "a change that needs no Redis")
        until(lambda: time.monotonic() - gone > 10, 11)
    finally:
        many.redis.start()
    for web in webs:
        until(lambda web=web: "result" in web.call("raw-echo", {"text": "x"}), 15, "calls that work again")
    until(lambda: all(web.is_healthy() for web in webs), 10, "a healthy hub")
    assert describe(second, "changed with Redis") == 200
    until(lambda: shows(first, "changed with Redis"), 10, "changes that are told again")
