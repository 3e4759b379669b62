"""`manage.py runcluster`: a hub of many processes on this machine, to try and to develop: web processes, workers, beat.

Needs `DATABASE_URL` (PostgreSQL) and `REDIS_URL`. Web processes listen on `PORT` and the ports after it; all output
comes here, each line with its process's name. A process that ends is started again, so killing one is safe to try.
In production a process supervisor or containers do this (compose.yaml).
"""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from mcphub.management.commands.preparehub import prepare

#: Seconds before a process that ended is started again, and for one to end when asked to.
PAUSE = 1.0
GRACE = 30.0

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class Command(BaseCommand):
    help = "Run web processes, workers and beat on this machine (needs DATABASE_URL and REDIS_URL)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--web", type=int, default=2, help="web processes (default 2)")
        parser.add_argument("--workers", type=int, default=2, help="workers that hold connections (default 2)")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.DATABASE_URL and settings.REDIS_URL):
            raise CommandError("Set DATABASE_URL (postgresql://…) and REDIS_URL (redis://…) to run many processes.")
        prepare(self.stdout, self.stderr)
        for number in range(options["web"]):
            self.stdout.write(f"web-{number + 1}: http://{settings.HOST}:{settings.PORT + number}{settings.BASE_PATH}")
        asked = threading.Event()
        for wanted in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(wanted, lambda number, frame: asked.set())
        parts = [Part(name, command, self.stdout) for name, command in commands(**options).items()]
        asked.wait()
        for part in parts:
            part.stop()
        for part in parts:
            part.join()


class Part:
    """One process, started again when it ends by itself."""

    def __init__(self, name: str, command: list[str], out: OutputWrapper) -> None:
        self._name = name
        self._command = command
        self._out = out
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end."""
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()

    def join(self) -> None:
        """Wait for its end, and enforce it."""
        self._thread.join(GRACE)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            # A session of its own: Ctrl-C reaches this command only, which then asks each part once.
            self._process = subprocess.Popen(
                self._command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
            assert self._process.stdout is not None
            for line in self._process.stdout:
                self._out.write(f"{self._name} | {line.decode(errors='replace').rstrip()}")
            status = self._process.wait()
            if not self._stopping.is_set():
                self._out.write(f"{self._name} | ended with status {status}; starting it again")
                self._stopping.wait(PAUSE)


def _end_with_parent() -> None:
    """Between fork and exec: the kernel asks the part to end when this command is gone, however it went."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def commands(web: int, workers: int, **options: Any) -> dict[str, list[str]]:
    """The command of each process, by its name."""
    uvicorn = [sys.executable, "-m", "uvicorn", "mcphub.asgi:application", "--host", settings.HOST, "--no-access-log"]
    celery = [sys.executable, "-m", "celery", "-A", "mcphub"]
    parts = {f"web-{number + 1}": [*uvicorn, "--port", str(settings.PORT + number)] for number in range(web)}
    for number in range(1, workers + 1):
        parts[f"worker-{number}"] = [*celery, "worker", "-P", "threads", "-c", "4", "-n", f"worker-{number}@%h"]
    return parts | {"beat": [*celery, "beat"]}
