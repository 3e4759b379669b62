"""An allowance that fills with time: how much of what may come in floods is let through. Pure but for the clock.

Above: `stderr`, `duplex`.
"""

from __future__ import annotations

import time


class Allowance:
    """Lets `rate` things a second through, and `burst` at once."""

    __slots__ = ("_burst", "_filled_at", "_left", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._filled_at = time.monotonic()

    def take(self, wanted: int = 1) -> int:
        """How many of `wanted` things may pass now; they count as passed."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now
        given = min(wanted, int(self._left))
        self._left -= given
        return given
