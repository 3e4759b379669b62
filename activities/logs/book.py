"""LogBook: the newest lines of this process and of those it hears from, in a bounded ring.

Readers hold a position in the ring and nothing else, so any number of them costs the writers nothing, and one that
stopped costs no memory: when it reads again and the ring has moved on, it is told how much it missed. A position that
survives the process is the `cursor`: how far each process's lines have been seen. It is the event id of the streams, so
a reader may go on at any process of the hub.

Implements `gateway.ports.LogSink`. Above: `relay`, the streams, the routes, `hub`. Below: `entries`, `floods`, secrecy.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from activities.logs.entries import EVERYTHING, Entry, Wanted
from activities.logs.floods import Floods
from mcphub.gateway.ports import Level, LogLine
from mcphub.secrecy import secrecy

#: Lines kept in each process.
CAPACITY = 10_000
#: Readers hear of new lines at most this often, in seconds, and of all that came meanwhile at once.
PULSE = 0.1
#: Longer messages are cut, in characters.
LONGEST = 8_192
_MOST_ORIGINS = 32

Cursor = str


@dataclass(slots=True)
class Kept:
    """An entry in the ring, the cursor that stands behind it, and its bytes on event streams once somebody reads it."""

    entry: Entry
    cursor: Cursor
    event: bytes | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What a reader gets: lines, where to read on, and how many lines it missed before them."""

    lines: list[Kept]
    position: int
    missed: int = 0


class LogBook:
    """See the module. `write` may be called from any thread; everything that waits belongs to the attached loop."""

    def __init__(self, capacity: int = CAPACITY, *, origin: str = "", floods: Floods | None = None) -> None:
        self.origin = origin or secrets.token_hex(4)
        self.capacity = capacity
        self._floods = floods or Floods()
        self._ring: deque[Kept] = deque(maxlen=capacity)
        # Re-entrant: a finalizer that runs inside may log as well.
        self._lock = threading.RLock()
        self._own = 0
        self._count = 0
        self._seen: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pulse_due = False
        self._news = asyncio.Event()
        #: told of each line of a server, where stdout wants them as well
        self.echo: Callable[..., None] | None = None
        #: told after each pulse, on the loop
        self.on_pulse: list[Callable[[], None]] = []

    # -- writing

    def write(self, line: LogLine, request: str = "") -> None:
        """Keep a line, secrets masked. Never blocks for long, never fails."""
        with self._lock:
            admitted = self._floods.admits(line.server, time.time())
        if admitted:
            # Hidden first and cut then, so that no half of a secret stays.
            hidden = secrecy.hide(line.message[: 2 * LONGEST].replace("\0", ""), line.server)
            hidden = hidden if len(hidden) <= LONGEST else hidden[:LONGEST] + "…"
            with self._lock:
                self._number(line.time, line.level, line.source, hidden, line.server, line.call, request)
            if self.echo is not None and line.source != "hub":
                self.echo(line.level, hidden, server=line.server, source=line.source, call=line.call)
        self._wake()

    def accept(self, entries: Iterable[Entry]) -> None:
        """Take lines of other processes; those that are known already are passed over."""
        with self._lock:
            for entry in entries:
                if entry.origin != self.origin and entry.number > self._seen.get(entry.origin, 0):
                    self._keep(entry)
        self._wake()

    def clear(self) -> None:
        """Forget all lines; the numbers go on, so that cursors stay right."""
        with self._lock:
            self._ring.clear()

    def _number(self, at: float, level: Level, source: str, message: str, server: str, call: str, request: str) -> None:
        self._own += 1
        self._keep(Entry(self.origin, self._own, at, level, source, message, server, call, request))

    def _keep(self, entry: Entry) -> None:
        self._seen[entry.origin] = entry.number
        if len(self._seen) > _MOST_ORIGINS:
            present = {kept.entry.origin for kept in self._ring} | {entry.origin, self.origin}
            self._seen = {origin: number for origin, number in self._seen.items() if origin in present}
        self._ring.append(Kept(entry, ".".join(f"{origin}-{number:x}" for origin, number in self._seen.items())))
        self._count += 1

    # -- reading

    @property
    def position(self) -> int:
        """Behind the newest line."""
        return self._count

    @property
    def left_out(self) -> int:
        """Lines of this process that were not kept because too many came at once."""
        return self._floods.dropped

    def lines(self, wanted: Wanted = EVERYTHING) -> list[Entry]:
        """The lines that are wanted, oldest first."""
        return [kept.entry for kept in self.newest(wanted, self.capacity).lines]

    def newest(self, wanted: Wanted, most: int) -> News:
        """The newest lines, for a reader that comes for the first time."""
        test = wanted.test()
        with self._lock:
            ring, position = list(self._ring), self._count
        return News([kept for kept in ring if test(kept.entry)][-most:], position)

    def after(self, cursor: Cursor, wanted: Wanted = EVERYTHING) -> News:
        """What a reader that has seen everything up to a cursor has not seen yet."""
        seen = read_cursor(cursor)
        test = wanted.test()
        with self._lock:
            ring, position = list(self._ring), self._count
        missed, lines = 0, []
        for kept in ring:
            entry, number = kept.entry, seen.get(kept.entry.origin, 0)
            if entry.number <= number:
                continue
            if number:  # of a process that is new to the reader, it missed nothing it could have had
                missed += entry.number - number - 1
            seen[entry.origin] = entry.number
            if test(entry):
                lines.append(kept)
        return News(lines, position, missed)

    def since(self, position: int, test: Callable[[Entry], bool], most: int = 1000) -> News:
        """Wanted lines behind a position; of more than `most` the newest, and the others count as missed."""
        with self._lock:
            new = self._count - position
            held = min(new, len(self._ring), most)
            # From the right end: a deque finds those at once, while islice would walk past the whole ring.
            fresh = [self._ring[-back] for back in range(held, 0, -1)]
            return News([kept for kept in fresh if test(kept.entry)], self._count, new - held)

    async def wait(self, position: int) -> None:
        """Return when there are lines behind a position."""
        while self._count <= position:
            await self._news.wait()

    # -- the pulse

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop that readers wait on."""
        self._loop = loop
        self._pulse_due = False
        self._news = asyncio.Event()
        self._wake()

    def detach(self) -> None:
        """The loop ends."""
        self._loop = None

    def _wake(self) -> None:
        loop = self._loop
        if loop is None or self._pulse_due:
            return
        self._pulse_due = True
        with contextlib.suppress(RuntimeError):  # the loop has just been closed
            loop.call_soon_threadsafe(loop.call_later, PULSE, self._pulse)

    def _pulse(self) -> None:
        self._pulse_due = False
        now = time.time()
        with self._lock:
            for server, count in self._floods.overdue(now):
                self._number(now, "warning", "hub", f"{count} lines were left out: too many came.", server, "", "")
            still_open = bool(self._floods.open)
        news, self._news = self._news, asyncio.Event()
        news.set()
        for hear in self.on_pulse:
            hear()
        if still_open:
            self._wake()


def read_cursor(cursor: Cursor) -> dict[str, int]:
    """How far each process's lines were seen; what cannot be read counts as nothing seen."""
    seen = {}
    for part in cursor.split("."):
        origin, _, number = part.rpartition("-")
        with contextlib.suppress(ValueError):
            if origin:
                seen[origin] = int(number, 16)
    return seen
