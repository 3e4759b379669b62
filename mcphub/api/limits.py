"""Rate limits per client address, counted in the Django cache and so shared by all processes (contract, section 2.4).

Windows are aligned to the clock: one counter a window and address, which the cache forgets by itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.core.cache import cache


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` requests in `window` seconds; 0 for no limit."""

    name: str
    most: int
    window: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How one client stands with a limit. `reset`: whole seconds until the window ends."""

    limit: Limit
    used: int
    reset: int

    @property
    def exceeded(self) -> bool:
        """Whether the request that was counted last is one too many."""
        return self.used > self.limit.most

    @property
    def headers(self) -> dict[str, str]:
        """The `RateLimit-*` headers, and `Retry-After` on refusal."""
        limit = self.limit
        told = {
            "RateLimit-Policy": f"{limit.most};w={limit.window}",
            "RateLimit-Limit": str(limit.most),
            "RateLimit-Remaining": str(max(0, limit.most - self.used)),
            "RateLimit-Reset": str(self.reset),
        }
        return told | {"Retry-After": str(self.reset)} if self.exceeded else told


def spend(limit: Limit, subject: str, cost: int = 1) -> Standing:
    """Count a request of `subject` (a client address) against a limit."""
    now = time.time()
    window = int(now // limit.window)
    reset = max(1, int((window + 1) * limit.window - now))
    key = f"limit:{limit.name}:{subject}:{window}"
    # `add` then `incr`: both are atomic, and the entry keeps the lifetime it was made with.
    if cache.add(key, cost, limit.window + 60):
        return Standing(limit, cost, reset)
    try:
        return Standing(limit, cache.incr(key, cost), reset)
    except ValueError:  # the cache dropped the entry between the two calls
        return Standing(limit, cost, reset)
