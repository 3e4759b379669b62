"""Activities at full size: `python -m benchmarks.activities [--calls N] [--database postgresql://…]`.

Generates calls in the database itself, asks every endpoint with many filters, prunes a million calls while others
write, and says how much room a call takes. A database that it makes for itself is dropped at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

DAYS = 90
#: How long writes are looked at before and after the pruning, in seconds.
ALONE = 30
_QUERIES = {
    "list": "/api/activities",
    "list, a server": "/api/activities?server=server-{server}",
    "list, a tool": "/api/activities?tool=tool-{tool}",
    "list, a rare tool": "/api/activities?tool=rare",
    "list, a user": "/api/activities?username=user-{user}",
    "list, a key": "/api/activities?keyName=key-{user}",
    "list, failed": "/api/activities?status=error",
    "list, user and server": "/api/activities?username=user-{user}&server=server-{server}",
    "list, group": "/api/activities?group=group-{group}",
    "list, from and to": "/api/activities?startDate={start}&endDate={end}",
    "list, a deep page": "/api/activities?page={page}&limit=100",
    "list, text": "/api/activities?text=refused",
    "stats": "/api/activities/stats",
    "stats, a server": "/api/activities/stats?server=server-{server}",
    "stats, user, from and to": "/api/activities/stats?username=user-{user}&startDate={start}&endDate={end}",
    "filters": "/api/activities/filters",
    "one": "/api/activities/{id}",
    "available": "/api/activities/available",
    "chart, 90 days": "/api/activities/series?startDate={first}",
    "chart, 90 days by server": "/api/activities/series?startDate={first}&by=server",
    "chart, 90 days by tool": "/api/activities/series?startDate={first}&by=tool",
    "chart, 90 days by user": "/api/activities/series?startDate={first}&by=user",
    "chart, 90 days by key": "/api/activities/series?startDate={first}&by=key",
    "chart, 90 days by group": "/api/activities/series?startDate={first}&by=group",
    "chart, a day": "/api/activities/series",
    "chart, an hour of a user": "/api/activities/series?username=user-{user}&startDate={hour}",
}


def run() -> None:
    """A million calls on SQLite."""
    main([])


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=1_000_000)
    options.add_argument("--database", default="", help="postgresql:// address of a server; SQLite where empty")
    options.add_argument("--rounds", type=int, default=30)
    chosen = options.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mcphub-bench-") as folder:
        name = f"mcphub_bench_{uuid.uuid4().hex[:8]}"
        os.environ |= {"MCPHUB_DATA_DIR": folder, "API_RATE_LIMIT": "0", "LOG_LEVEL": "ERROR", "REDIS_URL": ""}
        os.environ["DATABASE_URL"] = f"{chosen.database.rstrip('/')}/{name}" if chosen.database else ""
        os.environ["DJANGO_SETTINGS_MODULE"] = "mcphub.settings"
        if chosen.database:
            _server(chosen.database, f"CREATE DATABASE {name}")
        try:
            _measure(chosen.calls, chosen.rounds, Path(folder))
        finally:
            if chosen.database:
                from django.db import connections

                connections["default"].close_pool()
                _server(chosen.database, f"DROP DATABASE {name} WITH (FORCE)")


def _server(address: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(f"{address.rstrip('/')}/postgres", autocommit=True) as connection:
        connection.execute(statement)


def _measure(calls: int, rounds: int, folder: Path) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    _timed(f"generating {calls:,} calls", lambda: _generate(calls))
    _timed("summing them up", lambda: call_command("rebuildrollups"))
    _timed("statistics", _analyze)
    _report_size(calls, folder)
    _ask(rounds)
    _record()
    _prune(calls)


def _timed(what: str, work: Callable[[], Any]) -> None:
    began = time.perf_counter()
    work()
    print(f"{what}: {time.perf_counter() - began:.1f} s", flush=True)


def _generate(calls: int) -> None:
    from django.db import connection

    is_postgres = connection.vendor == "postgresql"
    series = "generate_series(1, %s) AS numbers(n)" if is_postgres else "numbers"
    chance = "random()" if is_postgres else "(abs(random()) / 9223372036854775807.0)"
    counted = (
        "" if is_postgres else "RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s),"
    )
    number = "CAST({} AS integer)"
    start = int(time.time() * 1000) - DAYS * 86_400_000
    user, tool = number.format("50 * r1 * r1 - 0.5"), number.format("10 * r3 * r3 - 0.5")
    # In parentheses as a whole: SQLite's || binds stronger than its %.
    server = f"(({user} * 3 + {number.format('5 * r2 - 0.5')}) %% 20)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO activities_callrecord (id, started, duration, method, server, item, status, door, route,
                "group", principal, username, key_id, key_name, address, request_size, response_size, error)
            WITH {counted} chances AS MATERIALIZED ( -- one user has one key and one group, so chances are taken once
                SELECT n, {chance} AS r1, {chance} AS r2, {chance} AS r3, {chance} AS r4, {chance} AS r5 FROM {series}
            )
            SELECT 'c0ffee1234.' || n, {start} + CAST({DAYS * 86_400_000.0} * n / {calls} AS bigint), r4 * r4 * 800,
                'tools/call', 'server-' || {server}, CASE WHEN n %% 700001 = 0 THEN 'rare' ELSE 'tool-' || {tool} END,
                CASE WHEN r5 < 0.04 THEN 'error' WHEN r5 < 0.05 THEN 'refused' ELSE 'ok' END, 'mcp',
                'group-' || ({user} %% 5), 'group-' || ({user} %% 5), 'user:user-' || {user}, 'user-' || {user},
                '9a7b1c3e-0000-4000-8000-0000000000' || (10 + {user}), 'key-' || {user}, '192.0.2.10', 300, 700,
                CASE WHEN r5 < 0.05 THEN 'It was refused by the upstream.' ELSE '' END
            FROM chances
            """,
            [calls],
        )


def _analyze() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
        # What was generated is still on its way to the disk, which is measured later.
        cursor.execute("CHECKPOINT" if connection.vendor == "postgresql" else "PRAGMA wal_checkpoint(TRUNCATE)")
    os.sync()


def _report_size(calls: int, folder: Path) -> None:
    from django.db import connection

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for table in ("activities_callrecord", "activities_callrollup"):
                cursor.execute("SELECT pg_relation_size(%s::text), pg_indexes_size(%s::text)", [table, table])
                rows, indexes = cursor.fetchone()
                print(f"{table}: {rows / calls:.0f} bytes a call, indexes {indexes / calls:.0f}")
    else:
        size = sum(file.stat().st_size for file in folder.glob("mcphub.sqlite3*"))
        print(f"database: {size / calls:.0f} bytes a call")


def _ask(rounds: int) -> None:
    from django.test import Client

    from accounts.models import User
    from accounts.tokens import issue

    headers = {}
    for name, is_admin in (("admin", True), ("user-7", False)):
        user, _ = User.objects.get_or_create(username=name, defaults={"is_admin": is_admin})
        headers[name] = {"x-auth-token": issue(user)}
    chance, client = random.Random(1), Client(headers={"host": "localhost"})
    _once(client, "/api/activities", headers["admin"])  # the first request loads the application
    for name, sent in headers.items():
        print(f"as {name}: milliseconds, median and p95")
        for what, path in _QUERIES.items():
            took = [_once(client, path.format(**_choice(chance)), sent) for _ in range(rounds)]
            p95 = sorted(took)[int(len(took) * 0.95)]
            print(
                f"  {what:32} {statistics.median(took):7.1f} {p95:7.1f} {'' if p95 < 200 else 'TOO SLOW'}", flush=True
            )


def _once(client: Any, path: str, headers: dict[str, str]) -> float:
    began = time.perf_counter()
    answer = client.get(path.replace("+", "%2B"), headers=headers)
    took = (time.perf_counter() - began) * 1000
    assert answer.status_code in (200, 404), (path, answer.status_code, answer.content[:300])
    json.loads(answer.content)
    return took


def _choice(chance: random.Random) -> dict[str, Any]:
    def moment(days: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86_400))

    days = chance.random() * (DAYS - 2)
    return {
        "server": chance.randrange(20), "tool": chance.randrange(10), "user": chance.randrange(50),
        "group": chance.randrange(5), "page": int(10 ** (chance.random() * 4)),
        "id": f"c0ffee1234.{chance.randrange(1, 10**4)}",
        "start": moment(days + 2 * chance.random()), "end": moment(days), "first": moment(DAYS), "hour": moment(1 / 24),
    }  # fmt: skip


def _record() -> None:
    """What storing costs, with the calls that are there already."""
    from activities.sink import store

    took = []
    for _ in range(10):
        batch = [_call() for _ in range(2_000)]
        began = time.perf_counter()
        store(batch)
        took.append(time.perf_counter() - began)
    print(f"storing: {2_000 / statistics.median(took):,.0f} calls/s in batches of 2,000")


def _call() -> Any:
    from mcphub.gateway.calls import CallRecord

    user = random.randrange(50)
    return CallRecord(
        id=uuid.uuid4().hex, started=time.time(), duration_ms=random.random() * 10, method="tools/call",
        server=f"server-{user % 20}", item=f"tool-{random.randrange(10)}", status="ok", username=f"user-{user}",
        key_id=f"key-{user}", key_name=f"key-{user}", input=b'{"text":"hello"}', output=b'{"content":[]}',
    )  # fmt: skip


def _prune(calls: int) -> None:
    """Remove a million calls while somebody writes, and look how long the writes take, and how long without that."""
    from django.db import connection

    from activities.retention import cutoff, prune_calls
    from activities.sink import store

    stop, waits = threading.Event(), []

    def write() -> None:
        while not stop.wait(0.02):
            batch = [_call() for _ in range(20)]
            began = time.perf_counter()
            store(batch)
            waits.append((time.perf_counter() - began) * 1000)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(ALONE)
    _report_waits("writes alone", waits)
    began = time.perf_counter()
    removed = prune_calls(cutoff(0), min(calls, 1_000_000))
    print(f"pruning {removed:,} calls: {time.perf_counter() - began:.1f} s")
    _report_waits("writes meanwhile", waits)
    time.sleep(ALONE)
    stop.set()
    writer.join()
    _report_waits("writes afterwards", waits)


def _report_waits(what: str, waits: list[float]) -> None:
    took = sorted(waits)
    waits.clear()
    print(f"  {what}: {len(took):,}, median {statistics.median(took):.1f} ms,"
          f" p99 {took[int(len(took) * 0.99)]:.1f}, longest {took[-1]:.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
