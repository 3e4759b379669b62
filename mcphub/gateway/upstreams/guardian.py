"""The guardian: a tiny process that is the parent of every stdio child of one hub, and outlives the hub by a moment.

Run as a script by `children.Children` with one inherited socket; imports the standard library only, so that it starts
in some 20 ms and stays below 12 MB. It exists because no property of a process reaches its grandchildren when the
hub gets SIGKILL (`npx` starts `node`, and `PR_SET_PDEATHSIG` stops at `npx`): the guardian notices that the hub is
gone and kills every group it started, and, being a subreaper, whatever left its group as well. Should the guardian
itself be killed, its direct children die by their death signal, and the hub, who sees the socket close, starts over.

Messages are JSON, one per packet. From the hub: ``{"spawn": n, "argv", "env", "cwd"}`` with three descriptors;
``{"stop": pid, "grace": s, "patience": s}``: SIGTERM after `grace`, SIGKILL after `patience` more.
To the hub: ``{"spawned": n, "pid"}``, ``{"refused": n, "errno"}``, ``{"exited": pid, "status"}``.
Decision record: docs/decisions/0010-stdio-guardian.md.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LARGEST_MESSAGE = 1 << 20
#: Seconds between SIGTERM and SIGKILL when the hub died without stopping its children.
_LAST_PATIENCE = 1.0

_libc = ctypes.CDLL(None)


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass


def _signal_process(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except (ProcessLookupError, PermissionError):
        pass


def _parents() -> dict[int, tuple[int, str]]:
    """Every process's parent and start time (which tells a process from a later one with the same id)."""
    found: dict[int, tuple[int, str]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 (pathlib costs start-up time here)
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat") as file:  # noqa: PTH123
                    # The fields follow the command's closing parenthesis, and the command may contain anything.
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            found[int(name)] = (int(fields[1]), fields[19])
    return found


def _descendants(root: int) -> dict[int, str]:
    """All processes below `root`, with their start times."""
    parents = _parents()
    found: dict[int, str] = {}
    frontier = {root}
    while frontier:
        frontier = {child for child, (parent, _) in parents.items() if parent in frontier and child not in found}
        found.update((child, parents[child][1]) for child in frontier)
    return found


class Guardian:
    """Starts, stops and reaps; see the module."""

    def __init__(self, hub: socket.socket) -> None:
        self._hub = hub
        self._leaders: set[int] = set()
        #: when to send which signal to whom
        self._due: list[tuple[float, int, int]] = []
        #: members of a stopped child's tree, which may have left its group
        self._trees: dict[int, dict[int, str]] = {}

    def run(self) -> None:
        """Serve until the hub is gone, then end everything."""
        waker, wakened = socket.socketpair()
        waker.setblocking(False)
        wakened.setblocking(False)
        signal.set_wakeup_fd(wakened.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        watched = select.poll()
        watched.register(self._hub, select.POLLIN)
        watched.register(waker, select.POLLIN)
        parent = os.pidfd_open(os.getppid())
        # A process forked from the hub may hold a copy of the socket; the hub's own end must be noticed all the same.
        watched.register(parent, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in watched.poll(self._pause())}
            if parent in ready or (self._hub.fileno() in ready and not self._serve()):
                break
            if waker.fileno() in ready:
                waker.recv(4096)
            self._reap()
            self._signal_due()
        self._end_everything()

    def _pause(self) -> int | None:
        if not self._due:
            return None
        return max(0, int((min(self._due)[0] - time.monotonic()) * 1000) + 1)

    def _serve(self) -> bool:
        """Do what one message asks; False when the hub has closed its end."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._hub, _LARGEST_MESSAGE, 3, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            return False
        if not data:
            return False
        message = json.loads(data)
        if "spawn" in message:
            self._spawn(message, descriptors)
        elif message["stop"] in self._leaders:
            self._stop(message["stop"], message["grace"], message["patience"])
        return True

    def _tell(self, **message: Any) -> None:
        try:
            self._hub.send(json.dumps(message).encode())
        except OSError:
            pass  # the hub is going; the next poll says so

    def _spawn(self, message: dict[str, Any], descriptors: list[int]) -> None:
        # The child's end closes on exec; what arrives before is the reason why there was none.
        reason, alert = os.pipe()
        process = os.fork()
        if process == 0:
            _become(message, descriptors, alert)
        os.close(alert)
        for descriptor in descriptors:
            os.close(descriptor)
        failure = os.read(reason, 16)
        os.close(reason)
        if failure:
            os.waitpid(process, 0)
            self._tell(refused=message["spawn"], errno=int(failure))
        else:
            self._leaders.add(process)
            self._tell(spawned=message["spawn"], pid=process)

    def _stop(self, leader: int, grace: float, patience: float) -> None:
        now = time.monotonic()
        self._due += [(now + grace, signal.SIGTERM, leader), (now + grace + patience, signal.SIGKILL, leader)]

    def _signal_due(self) -> None:
        now = time.monotonic()
        for entry in sorted(self._due):
            when, number, leader = entry
            if when <= now:
                self._due.remove(entry)
                self._trees[leader] = self._trees.get(leader, {}) | _descendants(leader)
                _signal_group(leader, number)
                self._signal_tree(leader, number)

    def _signal_tree(self, leader: int, number: int) -> None:
        if tree := self._trees.get(leader):
            alive = _parents()
            for process, started in tree.items():
                if process in alive and alive[process][1] == started:
                    _signal_process(process, number)

    def _reap(self) -> None:
        """Collect whoever ended; a leader's group and tree end with it, before its id can be given to another."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            process = ended.si_pid
            if process in self._leaders:
                _signal_group(process, signal.SIGKILL)
                self._signal_tree(process, signal.SIGKILL)
            _, status = os.waitpid(process, 0)
            if process in self._leaders:
                self._leaders.remove(process)
                self._trees.pop(process, None)
                self._due = [entry for entry in self._due if entry[2] != process]
                self._tell(exited=process, status=os.waitstatus_to_exitcode(status))

    def _end_everything(self) -> None:
        for leader in self._leaders:
            _signal_group(leader, signal.SIGTERM)
        deadline = time.monotonic() + _LAST_PATIENCE
        while self._leaders and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.01)
        # Killing a parent hands its children to this subreaper, so this ends when the last descendant is reaped.
        while left := _descendants(os.getpid()):
            for process in left:
                _signal_process(process, signal.SIGKILL)
            self._reap()
            time.sleep(0.005)


def _become(message: dict[str, Any], descriptors: list[int], alert: int) -> NoReturn:
    """In the forked child: turn into the program, or report the errno and end."""
    try:
        os.setsid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
        signal.set_wakeup_fd(-1)
        # Python ignores these, and ignored signals stay ignored over exec.
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        if message["cwd"]:
            os.chdir(message["cwd"])
        os.execvpe(message["argv"][0], message["argv"], message["env"])  # noqa: S606 (no shell: that is the point)
    except OSError as error:
        os.write(alert, str(error.errno).encode())
    finally:
        os._exit(127)


def main() -> None:
    """Serve the socket whose descriptor is the first argument; the second is the children's limit of open files."""
    # A terminal's Ctrl-C and a service manager's SIGTERM are for the hub, which ends the children in order.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    hub = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(hub.fileno(), False)
    Guardian(hub).run()


if __name__ == "__main__":
    main()
