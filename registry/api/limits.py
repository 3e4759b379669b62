"""Requests per minute by plan: a sliding window of one minute in the Django cache, shared by every process with Redis.

The window is sixty counters of one second each. A request takes a number from the present second's counter, which is
atomic, and adds what the others hold; so of many requests at once exactly as many pass as the plan allows.
Above: the registry API. Below: the cache.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.core.cache import cache

from accounts.models import User
from mcphub.errors import TooManyRequests

WINDOW = 60
#: Requests a minute; what an enterprise account may is a number of its own.
PLANS = {"free": 10, "pro": 100}
#: Told to those without a limit, as the headers must hold a number.
UNLIMITED = 1_000_000


class PlanExceeded(TooManyRequests):
    """The plan's requests of this minute are used up."""

    code = "rate_limited"

    def __init__(self, standing: Standing) -> None:
        super().__init__(f"Your plan allows {standing.limit} requests a minute.", retry_after=standing.retry_after)
        told = {"limit": standing.limit, "window_seconds": WINDOW, "retry_after": standing.retry_after}
        self.data = {**(self.data or {}), **told}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands: `used` includes this request, `reset` is when the window begins to empty (unix seconds)."""

    limit: int
    used: int
    reset: int
    retry_after: int

    @property
    def exceeded(self) -> bool:
        """Whether this request is one too many."""
        return self.used > self.limit

    @property
    def headers(self) -> dict[str, str]:
        """The `X-RateLimit-*` headers."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "X-RateLimit-Reset": str(self.reset),
        }


def plan_limit(username: str) -> int:
    """Requests a minute of a user; the free plan's for anyone unknown."""
    found = User.objects.filter(username=username).values_list("plan", "plan_limit").first() if username else None
    plan, own = found or (User.Plan.FREE, None)
    if plan == User.Plan.ENTERPRISE:
        return own or PLANS["pro"]
    return PLANS.get(plan, PLANS["free"])


def unlimited() -> Standing:
    """The standing of those who are not limited."""
    return Standing(UNLIMITED, 0, int(time.time()) + WINDOW, 0)


def spend(subject: str, limit: int) -> Standing:
    """Count a request. One that is refused does not count."""
    now = time.time()
    second = int(now)
    key = _key(subject, second)
    # `add` then `incr`: both are atomic, and the entry keeps the lifetime it was made with.
    ticket = 1 if cache.add(key, 1, WINDOW + 2) else _counted(key)
    others = cache.get_many([_key(subject, second - age) for age in range(1, WINDOW)])
    used = ticket + sum(others.values())
    oldest = min((int(name.rpartition(":")[2]) for name in others), default=second)
    reset = oldest + WINDOW
    standing = Standing(limit, used, reset, max(1, reset - second))
    if standing.exceeded:
        cache.decr(key)
    return standing


def _key(subject: str, second: int) -> str:
    return f"plan:{subject}:{second}"


def _counted(key: str) -> int:
    try:
        return int(cache.incr(key))
    except ValueError:  # the cache dropped the entry between the two calls
        return 1
