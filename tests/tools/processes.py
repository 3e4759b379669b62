"""Starting, awaiting and ending the processes that tests need.

Every process gets its own group, dies with the test run, and writes its output to a file, so that a full pipe can
never stop it. Nothing here waits for a time; everything waits for a condition and says which one did not come true.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURES = REPOSITORY / "tests" / "fixtures"

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_READY = re.compile(r"^READY (\S+)$", re.MULTILINE)

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float, what: str = "") -> T:
    """Return the first true value of `condition`; raise AssertionError naming `what` when there is none in time."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while True:
        if value := condition():
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def free_port() -> int:
    """A loopback port nobody listens on; for programs that cannot pick one themselves."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_open(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        # The state follows the command's closing parenthesis, and the command may contain anything.
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def kill_group(pid: int) -> None:
    """Kill the whole group that `pid` leads; a group that has gone already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends; runs between fork and exec."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Running:
    """A started process and the file its output goes to."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Process id, which is its group's id too."""
        return self.process.pid

    def output(self) -> str:
        """Everything printed so far, stdout and stderr together."""
        return self.log.read_text(errors="replace")

    def wait_for_output(self, pattern: str | re.Pattern[str], seconds: float = 20) -> re.Match[str]:
        """Wait until the output matches; a process that ends first fails at once, with what it said."""
        compiled = re.compile(pattern, re.MULTILINE) if isinstance(pattern, str) else pattern

        def found() -> re.Match[str] | None:
            # Asked before reading, so that last words are never missed.
            ended = self.process.poll()
            match = compiled.search(self.output())
            if match is None and ended is not None:
                raise AssertionError(f"{self.process.args!r} ended with {ended}: {self.output()[-2000:]}")
            return match

        match = until(found, seconds, f"output {compiled.pattern!r}")
        assert match is not None
        return match

    def wait_for_url(self, seconds: float = 20) -> str:
        """The address a fixture announces on its ``READY`` line."""
        return self.wait_for_output(_READY, seconds).group(1)

    def stop(self) -> None:
        """End the process and everything it started."""
        kill_group(self.pid)
        self.process.wait(timeout=20)
        self.log.unlink(missing_ok=True)


def start(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
) -> Running:
    """Start a program in its own process group; `env` is added to this process's environment.

    `user`: whom it shall run as, where this process may choose.

    Call it from a thread that lives as long as the program shall: the kernel's death signal follows the thread.
    """
    handle, name = tempfile.mkstemp(prefix="mcphub-test-", suffix=".log")
    with os.fdopen(handle, "wb") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_die_with_parent,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    return Running(process, Path(name))


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Running]:
    """A started program that is gone, with its whole group, when the block ends."""
    program = start(command, env=env, cwd=cwd)
    try:
        yield program
    finally:
        program.stop()


def fixture_command(name: str, *arguments: str) -> list[str]:
    """The command of a Python program in ``tests/fixtures``, e.g. ``fixture_command("raw_stdio", "--tools", "20")``."""
    return [sys.executable, str(FIXTURES / f"{name}.py"), *arguments]


@contextlib.contextmanager
def http_fixture(name: str, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of a freshly started HTTP fixture, e.g. ``http_fixture("raw_http", "--port", "0")``."""
    with running(fixture_command(name, *arguments), env=env) as program:
        yield program.wait_for_url()
