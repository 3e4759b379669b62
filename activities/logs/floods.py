"""Floods: how many lines a second one server may write into the log book, and what is told of the rest.

A program that writes 20,000 lines a second must cost the hub, the other processes and the readers next to nothing.
Above: `book`, which calls it under its lock. Below: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Lines a second of one server that are kept for long, and how many may come at once.
RATE = 100.0
BURST = 500.0
#: A gap is announced at the latest this many seconds after it began.
ANNOUNCE_AFTER = 1.0


@dataclass(slots=True)
class _Bucket:
    allowance: float
    filled: float
    dropped: int = 0
    dropping_since: float = 0.0


class Floods:
    """See the module. Times are epoch seconds, handed in."""

    def __init__(self, rate: float = RATE, burst: float = BURST) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: dict[str, _Bucket] = {}
        #: servers with lines that were left out and not told of yet
        self.open: set[str] = set()
        #: lines left out since the start
        self.dropped = 0

    def admits(self, server: str, now: float) -> bool:
        """Count one line of a server ("" for the hub's own) and tell whether it is kept."""
        bucket = self._buckets.get(server)
        if bucket is None:
            bucket = self._buckets[server] = _Bucket(self._burst, now)
        elif now > bucket.filled:
            bucket.allowance = min(self._burst, bucket.allowance + (now - bucket.filled) * self._rate)
            bucket.filled = now
        if bucket.allowance >= 1.0:
            bucket.allowance -= 1.0
            return True
        if not bucket.dropped:
            bucket.dropping_since = now
            self.open.add(server)
        bucket.dropped += 1
        self.dropped += 1
        return False

    def overdue(self, now: float) -> list[tuple[str, int]]:
        """Gaps that are to be announced now: server and number of lines. Each is returned once."""
        if not self.open:
            return []
        found = []
        for server in tuple(self.open):
            bucket = self._buckets[server]
            if now - bucket.dropping_since >= ANNOUNCE_AFTER:
                found.append((server, bucket.dropped))
                bucket.dropped = 0
                self.open.discard(server)
        return found
