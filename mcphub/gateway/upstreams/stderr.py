"""A child's stderr: lines to the log book at a bounded rate, and the last words for whoever asks why it died.

Above: `stdio`. Below: a non-blocking descriptor. A flood is read slowly (the child waits for its own pipe) and only
counted, so it costs the event loop next to nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable

from mcphub.gateway.upstreams.allowance import Allowance

_CHUNK = 64 * 1024
#: Lines a second that reach the log book, and how many may come at once.
_RATE = 50.0
_BURST = 200.0
#: Seconds between two reads while the child says more than that.
_PAUSE = 0.005
#: Seconds after which lines that were not kept are counted in one line.
_REPORT_AFTER = 1.0
_LONGEST_LINE = 4096
_LAST_WORDS = 20


class StderrLog:
    """See the module. `say` takes one line."""

    def __init__(self, descriptor: int, say: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._last: deque[str] = deque(maxlen=_LAST_WORDS)
        self._allowance = Allowance(_RATE, _BURST)
        self._dropped = 0
        self._resume: asyncio.TimerHandle | None = None
        self._report: asyncio.TimerHandle | None = None
        self._closed = False
        self._loop.add_reader(descriptor, self._readable)

    @property
    def last_words(self) -> str:
        """The last lines, at most 2 kB."""
        return "\n".join(self._last)[-2048:]

    def close(self) -> None:
        """Take what is there already, then stop reading and close the descriptor."""
        if self._closed:
            return
        self._loop.remove_reader(self._descriptor)
        self._read()
        if self._rest:
            self._take([self._rest])
        self._report_dropped()
        self._closed = True
        for timer in (self._resume, self._report):
            if timer is not None:
                timer.cancel()
        os.close(self._descriptor)

    def _readable(self) -> None:
        self._loop.remove_reader(self._descriptor)
        if not self._read():
            return
        if self._dropped:
            self._resume = self._loop.call_later(_PAUSE, self._continue)
        else:
            self._loop.add_reader(self._descriptor, self._readable)

    def _continue(self) -> None:
        self._resume = None
        self._loop.add_reader(self._descriptor, self._readable)

    def _read(self) -> bool:
        """Read once; False at the end of the file."""
        try:
            chunk = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not chunk:
            return False
        if self._dropped and not self._allowance.take():
            # In the middle of a flood nothing is looked at but its end.
            self._drop(chunk.count(b"\n"))
            self._rest = b""
            self._remember(chunk[-_LONGEST_LINE:].split(b"\n"))
            return True
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        self._take(lines)
        return True

    def _take(self, lines: list[bytes]) -> None:
        allowed = self._allowance.take(len(lines))
        for line in lines[:allowed]:
            if text := self._clean(line):
                self._say(text)
        self._drop(len(lines) - allowed)
        self._remember(lines)

    def _drop(self, count: int) -> None:
        if count and self._report is None:
            self._report = self._loop.call_later(_REPORT_AFTER, self._report_dropped)
        self._dropped += count

    def _remember(self, lines: list[bytes]) -> None:
        self._last.extend(text for line in lines[-_LAST_WORDS:] if (text := self._clean(line)))

    def _clean(self, line: bytes) -> str:
        return line[:_LONGEST_LINE].decode("utf-8", "replace").rstrip()

    def _report_dropped(self) -> None:
        self._report = None
        if self._dropped:
            self._say(f"({self._dropped} more lines on stderr, not kept)")
            self._dropped = 0
