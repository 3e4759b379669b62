"""What changes while somebody looks at the dashboard, as server-sent events: topics of which pages reload their parts.

    event: changed    {"topics": ["servers", "server:<key>", "server-list", "groups", "calls"], "counts": {…}}
                      ("everything" where the page is older than the stream)
    event: refused    the viewer may not look any more

States and snapshot are compared in memory, once a second for each reader; nothing is asked of the database but, once a
minute, whether the viewer is still who they were. Above: the views. Below: `attention`, `mcphub.plane`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

from mcphub import plane
from mcphub.actor import Actor
from mcphub.web.mark import mark
from servers import attention

#: Seconds between two looks, of silence until a sign of life, and until the viewer's rights are looked at again.
LOOK, HEARTBEAT, RECHECK = 1.0, 15.0, 60.0
#: More changed servers than these are told as one: a page then loads its list once.
_MOST = 20

_encode = msgspec.json.Encoder().encode


@dataclasses.dataclass(frozen=True, slots=True)
class _Look:
    """What was there at one moment: by server what tells a change, what groups there are, how many calls were kept."""

    servers: dict[str, Any]
    groups: Any
    calls: int


async def events(viewer: Actor, seen: str, still_there: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    """The body of a stream, until the reader goes or `still_there` says no. `seen`: the mark of the reader's page."""
    yield b"retry: 2000\n\n"
    if seen and seen != mark():
        yield _event("changed", {"topics": ["everything"], "counts": _counts(viewer)})
    before, spoken, checked = _look(viewer), time.monotonic(), time.monotonic()
    while plane.current() is not None:
        await asyncio.sleep(LOOK)
        now = time.monotonic()
        if now - checked > RECHECK:
            checked = now
            if not await still_there():
                yield _event("refused", {})
                return
        after = _look(viewer)
        if topics := _differences(before, after):
            yield _event("changed", {"topics": topics, "counts": _counts(viewer)})
            before, spoken = after, now
        elif now - spoken > HEARTBEAT:
            yield b": still here\n\n"
            spoken = now


def _look(viewer: Actor) -> _Look:
    hub = plane.current()
    if hub is None:
        return _Look({}, (), 0)
    # Specs are compared by identity: a snapshot shares those that did not change.
    servers = {each.spec.key: (id(each.spec), each.standing) for each in attention.seen_by(viewer)}
    groups = tuple(attention.groups_seen_by(viewer))
    return _Look(servers, groups, hub.recorder.stored)


def _differences(before: _Look, after: _Look) -> list[str]:
    topics = []
    keys = before.servers.keys() | after.servers.keys()
    changed = [key for key in keys if before.servers.get(key) != after.servers.get(key)]
    if changed:
        topics.append("servers")
        if before.servers.keys() != after.servers.keys() or len(changed) > _MOST:
            topics.append("server-list")
        topics += [f"server:{key}" for key in changed]
    if before.groups != after.groups:
        topics.append("groups")
    if before.calls != after.calls:
        topics.append("calls")
    return topics


def _counts(viewer: Actor) -> dict[str, Any]:
    counted = {"servers": attention.count_needs(viewer), "groups": attention.count_groups(viewer)}
    return {name: dataclasses.asdict(count) for name, count in counted.items() if count is not None}


def _event(name: str, body: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _encode(body))
