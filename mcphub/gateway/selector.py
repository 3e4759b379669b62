"""Which door was knocked on: the part of the URL that selects everything, a group, or a server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from mcphub.gateway.snapshot import Snapshot

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Selector:
    """A resolved route. `key` is the group's key or the server's name; "" for everything.

    `raw_names` asks a server route for the upstream's own names (`?names=raw` or the setting).
    """

    kind: Literal["all", "group", "server"]
    key: str = ""
    raw_names: bool = False


def resolve(snapshot: Snapshot, target: str, *, raw_names: bool | None = None) -> Selector | None:
    """Find what a path segment names: a group by name, a group by key (if it looks like one), a server by name.

    Returns None where nothing has that name. Group names count only while `group_name_route` is on. `raw_names` None
    takes the setting.
    """
    if not target:
        return Selector("all")
    if snapshot.switches.group_name_route and (group := snapshot.group_named(target)) is not None:
        return Selector("group", group.key)
    if _UUID.fullmatch(target) and target.lower() in snapshot.groups:
        return Selector("group", target.lower())
    if target in snapshot.servers:
        raw = snapshot.switches.server_route_names == "raw" if raw_names is None else raw_names
        return Selector("server", target, raw)
    return None
