"""Who should have a server, and which of several states to show: pure functions. Above: `directory.redis`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

Placement = Literal["one", "every"]
#: The members of `gateway.ports.UpstreamState`.
State = Mapping[str, Any]

#: A server in one of these states loses nothing by moving to another worker.
MOVABLE = frozenset({"retrying", "oauth_required", "disconnected", "sleeping"})

_GOODNESS = {
    state: rank
    for rank, state in enumerate(("disconnected", "oauth_required", "retrying", "sleeping", "connecting", "connected"))
}


def chosen(server: str, workers: Iterable[str]) -> str | None:
    """The worker that should have the server, by rendezvous hashing; None when there are no workers.

    A worker that comes or goes changes the choice for its own share only, and all processes choose alike without
    talking to each other.
    """

    def weight(worker: str) -> bytes:
        return hashlib.blake2b(f"{server} {worker}".encode(), digest_size=8).digest()

    return max(workers, key=weight, default=None)


def telling(states: Mapping[str, State], holders: Collection[str]) -> State | None:
    """Of the states that several workers told of one server, the one to believe: a holder's, then the best, the newest.

    Without a known holder the newest counts: a new holder's first word may come before the news that it is the holder.
    """
    believed = [state for worker, state in states.items() if worker in holders]
    if believed:
        return max(believed, key=lambda state: (_GOODNESS.get(state.get("state", ""), -1), state.get("since", 0.0)))
    return max(states.values(), key=lambda state: state.get("since", 0.0), default=None)
