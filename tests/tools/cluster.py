"""A hub of many processes on this machine: a PostgreSQL database and a Redis of its own, web processes, workers.

Tests and benchmarks start, kill, pause and replace its parts. Everything listens on loopback and is gone at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from tests.tools.hub import TestHub, hub_environment, settings_for
from tests.tools.processes import REPOSITORY, Running, free_port, port_open, start, until

POSTGRES = os.environ.get("TEST_POSTGRES") or "postgresql://postgres@127.0.0.1:5432"


def need_redis_server() -> None:
    """Skip the test where the program is not installed."""
    if shutil.which("redis-server") is None:
        pytest.skip("needs the program redis-server")


def postgres_server(url: str) -> psycopg.Connection[Any]:
    """A connection to a running PostgreSQL; skips the test where there is none."""
    try:
        return psycopg.connect(url, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as failure:
        pytest.skip(f"needs PostgreSQL at {url}: {failure}")


class PrivateRedis:
    """A redis-server of one test, which may stop and start it. It keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._running: Running | None = None

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._running = start([*command, "--dir", str(self._folder)])
        until(self._answers, 10, "the private redis-server to answer")

    def kill(self) -> None:
        """Kill it; what it held is gone."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    def client(self) -> redis.Redis:
        """A plain client of it."""
        return redis.Redis.from_url(self.url, socket_timeout=5)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class PrivatePostgres:
    """A PostgreSQL cluster of one test, which may stop and start it. Needs the programs that `programs` finds."""

    @staticmethod
    def programs() -> Path | None:
        """The folder with initdb and postgres; None where they are not installed."""
        found = shutil.which("initdb")
        folders = [Path(found).resolve().parent] if found else []
        folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        return next((folder for folder in folders if (folder / "postgres").exists()), None)

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._folder = Path(tempfile.mkdtemp(prefix="mcphub-postgres-"))
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._folder, self._user, self._user)
        made = self._run(
            "initdb", "-D", "data", "-U", "postgres", "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8"
        )
        assert made.process.wait(timeout=60) == 0, made.output()
        self._running: Running | None = None

    def start(self) -> None:
        """Start it and wait until it answers; what was committed before it was stopped is there."""
        options = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=60"]
        self._running = self._run(
            "postgres", "-D", "data", "-p", str(self.port), *(f"-c{option}" for option in options)
        )
        until(self._answers, 30, "the private PostgreSQL to answer")

    def stop(self) -> None:
        """End it at once, as a crash would: connections break, transactions under way are gone."""
        if self._running is not None:
            self._running.process.send_signal(signal.SIGQUIT)
            self._running.process.wait(timeout=20)
            self._running.stop()
            self._running = None

    def remove(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> Running:
        folder = self.programs()
        assert folder is not None
        return start([folder / program, *arguments], cwd=self._folder, user=self._user)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class Cluster:
    """See the module. Use `cluster()`."""

    def __init__(self, folder: Path, redis_server: PrivateRedis, database_url: str) -> None:
        self.redis = redis_server
        self.key = "mcphub_" + secrets.token_hex(32)
        self._folder = folder
        self._addresses = {"REDIS_URL": redis_server.url, "DATABASE_URL": database_url}
        self._processes: list[Running] = []

    def install(self, servers: Mapping[str, Any]) -> None:
        """Make the tables, one key and these servers."""
        (self._folder / "mcp_settings.json").write_text(json.dumps(settings_for(servers, self.key)))
        self.manage("preparehub")

    def manage(self, *arguments: str) -> None:
        """Run a management command to its end."""
        command = self._start(str(REPOSITORY / "manage.py"), *arguments)
        code = command.process.wait(timeout=120)
        assert code == 0, command.output()[-3000:]

    def web(self) -> TestHub:
        """Start a web process and wait until it serves."""
        port = free_port()
        command = ["-m", "uvicorn", "mcphub.asgi:application", "--host", "127.0.0.1", "--port", str(port)]
        process = self._start(*command, "--no-access-log", port=port)
        found = TestHub(f"http://127.0.0.1:{port}", process, self.key, self._folder / "data")
        process.wait_for_output("Uvicorn running on", 60)  # only now it listens
        return found

    def whole(self) -> tuple[Running, list[TestHub]]:
        """Start `manage.py runcluster`: two web processes, two workers and beat in one; returns at once."""
        port = next(port for port in iter(free_port, 0) if not port_open(port + 1))
        process = self._start(str(REPOSITORY / "manage.py"), "runcluster", port=port)
        webs = [TestHub(f"http://127.0.0.1:{port + n}", process, self.key, self._folder / "data") for n in range(2)]
        return process, webs

    def worker(self, *options: str) -> Running:
        """Start a worker; returns at once."""
        name = f"worker-{len(self._processes)}@%h"
        given = options or ("--concurrency", "2", "--loglevel", "info", "--without-mingle", "--hostname", name)
        return self._start("-m", "celery", "-A", "mcphub", "worker", *given)

    def worker_name(self, worker: Running) -> str:
        """The name under which a worker holds servers; "" while it has not joined."""
        with self.redis.client() as client:
            names: list[bytes] = client.zrange("mcphub:workers", 0, -1)  # type: ignore[assignment]
        return next((name.decode() for name in names if f"-{worker.pid}-" in name.decode()), "")

    def held_by(self, worker: Running) -> set[str]:
        """Keys of the servers that a worker holds, as Redis has it."""
        name = self.worker_name(worker)
        with self.redis.client() as client:
            leases: dict[bytes, bytes] = client.hgetall("mcphub:leases")  # type: ignore[assignment]
        return {key.decode() for key, lease in leases.items() if name and lease.decode().endswith(f" {name}")}

    def stop(self) -> None:
        """Kill everything."""
        for process in self._processes:
            process.stop()

    def _start(self, *arguments: str, port: int = 0) -> Running:
        environment = hub_environment(self._folder, port or free_port()) | self._addresses
        process = start([sys.executable, *arguments], env=environment, cwd=self._folder)
        self._processes.append(process)
        return process


@contextlib.contextmanager
def cluster(servers: Mapping[str, Any], database: PrivatePostgres | None = None) -> Iterator[Cluster]:
    """A database with these servers and a Redis; no process of the hub yet.

    `database`: a running PostgreSQL to use instead of a new database on this machine's.
    """
    need_redis_server()
    folder = Path(tempfile.mkdtemp(prefix="mcphub-cluster-"))
    redis_server = PrivateRedis(folder)
    with _database() if database is None else contextlib.nullcontext(database.url) as database_url:
        redis_server.start()
        found = Cluster(folder, redis_server, database_url)
        try:
            found.install(servers)
            yield found
        finally:
            found.stop()
            redis_server.kill()
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _database() -> Iterator[str]:
    """The address of an empty database, dropped afterwards."""
    name = f"mcphub_cluster_{secrets.token_hex(4)}"
    with postgres_server(f"{POSTGRES}/postgres") as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{POSTGRES}/{name}"
        finally:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
