"""Children: the hub's side of the guardian. Starts programs with three pipes, and sees to it that they end.

Above: `stdio`. Below: the script `guardian`, one process per `Children`. Everything here is non-blocking: starting a
child never holds the event loop, however busy the machine is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcphub.gateway.errors import ConnectionLost
from mcphub.gateway.upstreams.descriptors import STARTED_WITH

_GUARDIAN = Path(__file__).with_name("guardian.py")
#: A packet must fit the socket's buffer whole; the kernel's default allows a little over 200 kB.
_LARGEST_MESSAGE = 160 * 1024
_GRACE = 0.5
_PATIENCE = 2.0


@dataclass(slots=True)
class Child:
    """A running program: the hub's ends of its pipes, and its exit status once it has one (negative: a signal)."""

    pid: int
    stdin: int
    stdout: int
    stderr: int
    exited: asyncio.Future[int] = field(repr=False)


class Children:
    """Starts and ends stdio children; see the module. One per supervisor, closed with it."""

    def __init__(self) -> None:
        self._guardian: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._starting: dict[int, asyncio.Future[tuple[int, asyncio.Future[int]]]] = {}
        self._running: dict[int, asyncio.Future[int]] = {}
        self._outbox: list[tuple[bytes, tuple[int, ...]]] = []
        self._count = 0

    async def spawn(self, argv: Sequence[str], env: Mapping[str, str], cwd: str) -> Child:
        """Start a program in a session of its own, with exactly the environment `env`.

        Raises:
            OSError: it could not be executed (not found, not executable, no such folder, too many open files).
            ConnectionLost: the guardian ended meanwhile.
        """
        loop = asyncio.get_running_loop()
        self._count += 1
        number = self._count
        request = {"spawn": number, "argv": list(argv), "env": dict(env), "cwd": cwd}
        packet = json.dumps(request).encode("utf-8", "surrogateescape")
        if len(packet) > _LARGEST_MESSAGE:
            raise OSError(f"the command and its environment are larger than {_LARGEST_MESSAGE} bytes")
        self._ensure_guardian()
        pipes = _Pipes()
        started: asyncio.Future[tuple[int, asyncio.Future[int]]] = loop.create_future()
        self._starting[number] = started
        self._outbox.append((packet, pipes.theirs))
        self._flush()
        try:
            pid, exited = await started
        except BaseException:
            # Cancelled before it was sent: its descriptors are about to be closed, and their numbers given to others.
            self._outbox = [entry for entry in self._outbox if entry[0] is not packet]
            pipes.close_ours()
            raise
        finally:
            pipes.close_theirs()
        stdin, stdout, stderr = pipes.ours
        return Child(pid, stdin, stdout, stderr, exited)

    def stop(self, child: Child) -> None:
        """Ask the whole tree of a child to end: SIGTERM after a short grace, SIGKILL two seconds later."""
        self._stop(child.pid, _GRACE, _PATIENCE)

    def kill(self, child: Child) -> None:
        """End the whole tree of a child at once."""
        self._stop(child.pid, 0.0, 0.0)

    async def aclose(self) -> None:
        """End the guardian and whatever it still has; returns when all of it is gone."""
        if self._guardian is None:
            return
        guardian, self._guardian = self._guardian, None
        for pid in self._running:
            self._stop(pid, 0.0, _PATIENCE)
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=_PATIENCE + 3)
        self._disconnect()
        # It ends by itself within milliseconds of the closed socket, but under load it may want its turn first.
        while guardian.poll() is None:  # noqa: ASYNC110 (a process has no event)
            await asyncio.sleep(0.005)

    def _stop(self, pid: int, grace: float, patience: float) -> None:
        if pid in self._running:
            message = {"stop": pid, "grace": grace, "patience": patience}
            self._outbox.append((json.dumps(message).encode(), ()))
            self._flush()

    def _ensure_guardian(self) -> None:
        if self._socket is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # -I and -S: nothing of the hub's environment or site-packages; a blocking start of two milliseconds, once.
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARDIAN), str(theirs.fileno()), str(STARTED_WITH)],
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env={},
        )
        theirs.close()
        ours.setblocking(False)
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._readable)

    def _flush(self) -> None:
        if self._socket is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_writer(self._socket.fileno())
        while self._outbox:
            packet, descriptors = self._outbox[0]
            try:
                socket.send_fds(self._socket, [packet], list(descriptors))
            except BlockingIOError:
                loop.add_writer(self._socket.fileno(), self._flush)
                return
            except OSError:
                self._disconnect()
                return
            del self._outbox[0]

    def _readable(self) -> None:
        while self._socket is not None:
            try:
                packet = self._socket.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self._disconnect()
                return
            self._heard(json.loads(packet))

    def _heard(self, message: dict[str, Any]) -> None:
        if "exited" in message:
            ended = self._running.pop(message["exited"], None)
            if ended is not None and not ended.done():
                ended.set_result(message["status"])
            return
        started = self._starting.pop(message["refused" if "refused" in message else "spawned"], None)
        if "refused" in message:
            if started is not None and not started.done():
                number = message["errno"]
                started.set_exception(OSError(number, os.strerror(number)))
            return
        pid = message["pid"]
        exited = self._running[pid] = asyncio.get_running_loop().create_future()
        if started is None or started.done():
            # Whoever asked has been cancelled meanwhile.
            self._stop(pid, 0.0, 0.0)
        else:
            started.set_result((pid, exited))

    def _disconnect(self) -> None:
        """The guardian is gone, or about to: its children are dead or dying, whatever was asked will not happen."""
        if self._socket is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._socket.fileno())
            loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None
        self._outbox.clear()
        for started in self._starting.values():
            if not started.done():
                started.set_exception(ConnectionLost("The guardian of the child processes ended."))
        self._starting.clear()
        for pid, exited in self._running.items():
            # Without its guardian a group has nobody else who would end what a dying leader leaves behind.
            if self._guardian is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, 9)
            if not exited.done():
                exited.set_result(-9)
        self._running.clear()
        if self._guardian is not None and self._guardian.poll() is None:
            self._guardian.kill()
            self._guardian.wait(timeout=1)
        self._guardian = None


class _Pipes:
    """Three pipes: our ends non-blocking, theirs blocking, none inherited by accident."""

    def __init__(self) -> None:
        opened: list[int] = []
        try:
            for _ in range(3):
                opened += os.pipe()
        except OSError:
            for descriptor in opened:
                os.close(descriptor)
            raise
        self.theirs = (opened[0], opened[3], opened[5])
        self.ours = (opened[1], opened[2], opened[4])
        for descriptor in self.ours:
            os.set_blocking(descriptor, False)

    def close_theirs(self) -> None:
        for descriptor in self.theirs:
            os.close(descriptor)

    def close_ours(self) -> None:
        for descriptor in self.ours:
            os.close(descriptor)
