"""Who may enter which door, and which servers they see behind it. Pure functions over frozen values.

Two questions, as the REST contract has them (2.6 and 4.5): what a bearer key covers (`admits`), and what a user may
see (`may_see`). Whoever fails the second is told that the target does not exist. Above: `app`, `catalog`.
"""

from __future__ import annotations

from mcphub.gateway.principal import Principal
from mcphub.gateway.selector import Selector
from mcphub.gateway.snapshot import GroupSpec, ServerSpec, Snapshot


def admits(principal: Principal, selector: Selector, snapshot: Snapshot) -> bool:
    """Whether the principal's key covers this door.

    A group is covered when it is listed itself, or when every one of its servers is (an empty group never is): a key
    for one server must not open its neighbours.
    """
    if principal.access == "all":
        return True
    by_server = principal.access in ("servers", "custom")
    if selector.kind == "server":
        return by_server and selector.key in principal.servers
    if selector.kind == "group":
        group = snapshot.groups[selector.key]
        if principal.access in ("groups", "custom") and not principal.groups.isdisjoint((group.name, group.key)):
            return True
        return by_server and bool(group.members) and all(m.server in principal.servers for m in group.members)
    return False


def may_see(principal: Principal, item: ServerSpec | GroupSpec) -> bool:
    """Whether the principal may know of a server or group. Anonymous callers know the public ones only."""
    if principal.is_admin or principal.unrestricted or item.visibility == "public":
        return True
    if principal.username is None:
        return False
    if item.visibility == "group" and principal.username in item.shared_with:
        return True
    return principal.username == (item.owner or "admin")


def may_enter(principal: Principal, selector: Selector, snapshot: Snapshot) -> bool:
    """Whether the principal may know that this door exists.

    Groups stored before groups had a visibility are open to whoever knows them; their servers are filtered still.
    """
    if selector.kind == "server":
        return may_see(principal, snapshot.servers[selector.key])
    if selector.kind == "group":
        group = snapshot.groups[selector.key]
        return group.visibility is None or may_see(principal, group)
    return True
