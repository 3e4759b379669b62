"""What servers and groups cost in a model's context, as someone sees them (contract, section 14).

From the snapshot and the connection states alone: no queries. What is not connected costs nothing, as clients get
nothing from it. Above: the API, the dashboard. Below: `cost`, `mcphub.plane`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mcphub import plane
from mcphub.gateway.access import may_see
from mcphub.gateway.principal import Principal
from mcphub.gateway.snapshot import Member, Offer, ServerSpec, Snapshot
from servers.cost import cost_of, server_costs, total

#: A sleeping server's tools are listed, and a call wakes it.
_UP = frozenset({"connected", "sleeping"})


def of_servers(principal: Principal) -> list[dict[str, Any]]:
    """Every server the principal may see, with its items."""
    snapshot, up_now = plane.require().snapshot, _up_now()
    result = []
    for server in snapshot.servers.values():
        if not may_see(principal, server):
            continue
        up = server.enabled and server.key in up_now
        costs = server_costs(server, snapshot.switches.separator) if up else []
        result.append(
            {
                "name": server.name,
                "connected": up,
                "exposed": total(costs, enabled_only=True),
                "gross": total(costs),
                "items": [asdict(one) for one in costs],
            }
        )
    return result


def of_groups(principal: Principal) -> list[dict[str, Any]]:
    """Every group the principal may see: what its members show through its route, and what they have."""
    snapshot, up_now = plane.require().snapshot, _up_now()
    result = []
    for group in snapshot.groups.values():
        if not may_see(principal, group):
            continue
        known = [(member, snapshot.servers[member.server]) for member in group.members]
        members = [(member, server) for member, server in known if may_see(principal, server)]
        connected = [(member, server) for member, server in members if server.enabled and server.key in up_now]
        sums = [_member_costs(snapshot, member, server) for member, server in connected]
        result.append(
            {
                "id": group.key,
                "name": group.name,
                "connectedCount": len(connected),
                "totalCount": len(members),
                "direct": {"exposed": sum(shown for shown, _ in sums), "gross": sum(gross for _, gross in sums)},
                "smartRouting": None,
            }
        )
    return result


def _up_now() -> set[str]:
    return {key for key, state in plane.states().items() if state.get("state") in _UP}


def _member_costs(snapshot: Snapshot, member: Member, server: ServerSpec) -> tuple[int, int]:
    """What a member shows through the group, and what it has."""
    prefix = (member.alias or server.name) + snapshot.switches.separator
    shown = gross = 0
    for offers, chosen, before in (
        (server.tools, member.tools, prefix),
        (server.prompts, member.prompts, prefix),
        (server.resources, member.resources, ""),
    ):
        for offer in offers:
            cost = cost_of(offer, before + offer.item.key)
            gross += cost
            shown += cost if _is_shown(offer, chosen) else 0
    return shown, gross


def _is_shown(offer: Offer, chosen: frozenset[str] | None) -> bool:
    return offer.enabled and (chosen is None or offer.item.key in chosen)
