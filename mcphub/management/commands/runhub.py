"""`manage.py runhub`: the whole hub in one process, the embedded default.

Migrations, first admin, import of `MCPHUB_SETTING_PATH` into an empty database, a Celery worker and beat as threads,
and uvicorn with uvloop and httptools. Whatever keeps it from starting is said in one line, exit status 1.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.utils import DatabaseError

from mcphub.errors import HubError
from mcphub.jobs import EmbeddedJobs
from mcphub.management.commands.preparehub import prepare
from mcphub.serving import CorkedProtocol

#: How long streams may stay open after a stop was asked for, in seconds.
GRACE = 5


class Command(BaseCommand):
    help = "Run the whole hub in this process: web, MCP, connections, jobs."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        try:
            require_writable(settings.MCPHUB_DATA_DIR)
            listener = listen(settings.HOST, settings.PORT)
            self.check(databases=None)
            prepare(self.stdout, self.stderr)
        except (HubError, DatabaseError) as refused:
            raise CommandError(str(refused).strip().splitlines()[0]) from None
        server = _Server(_configuration(), began, self.stdout)
        with EmbeddedJobs():
            server.run(sockets=[listener])
        if server.failed:
            sys.exit(1)


class _Server(uvicorn.Server):
    """Says in one line where the hub is, and remembers whether its start failed."""

    def __init__(self, config: uvicorn.Config, began: float, out: Any) -> None:
        super().__init__(config)
        self._began = began
        self._out = out

    @property
    def failed(self) -> bool:
        return not self.started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            took = time.monotonic() - self._began
            self._out.write(f"MCPHub is ready at {settings.PUBLIC_URL}{settings.BASE_PATH} ({took:.1f} s)")
            self._out.flush()


def _configuration() -> uvicorn.Config:
    return uvicorn.Config(
        "mcphub.asgi:application",
        loop="uvloop",
        http=CorkedProtocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=75,
        backlog=2048,
    )


def require_writable(folder: Path) -> None:
    """Make the data folder, private to this user, and prove that files can be written there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _probe(folder) as probe:
            probe.touch()
    except OSError as failure:
        raise CommandError(f"The data folder {folder} is not writable: {failure.strerror}.") from None


@contextlib.contextmanager
def _probe(folder: Path) -> Iterator[Path]:
    probe = folder / f".writable-{os.getpid()}"
    try:
        yield probe
    finally:
        probe.unlink(missing_ok=True)


def listen(host: str, port: int) -> socket.socket:
    """The listening socket, taken before anything else so that a port in use ends the start at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Bound is not yet taken: with SO_REUSEADDR a second bind succeeds until somebody listens.
        listener.listen(2048)
    except OSError as failure:
        listener.close()
        if failure.errno == errno.EADDRINUSE:
            raise CommandError(f"Port {port} on {host} is in use; set PORT to another one.") from None
        raise CommandError(f"Cannot listen on {host}:{port}: {failure.strerror}.") from None
    listener.set_inheritable(False)
    return listener
