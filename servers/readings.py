"""Servers and groups as the objects of the REST contract. Above: the API, exports, audit. Below: `config`, `models`.

`config_of` is complete and plain: for storing and exporting. Whatever people read goes through `shown_config`
(owners, admins) or `safe_config` (everyone else who may use the server).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import QuerySet

from servers.config import ITEM_MAPS, shown_config
from servers.models import Group, GroupMember, ItemOverride, Server

_SAFE = ("description", "type", "visibility", "owner", "enabled", *ITEM_MAPS)


def config_of(server: Server, overrides: Iterable[ItemOverride] | None = None) -> dict[str, Any]:
    """The whole configuration, secrets in plain; per-item maps by the upstream's own names."""
    rows = server.overrides.all() if overrides is None else overrides
    result: dict[str, Any] = {
        "type": server.transport,
        **server.config,
        "enabled": server.enabled,
        "owner": server.owner,
        "visibility": server.visibility,
        **{name: {} for name in ITEM_MAPS},
    }
    if server.description:
        result["description"] = server.description
    if server.shared_with:
        result["sharedWithUsers"] = list(server.shared_with)
    maps = {kind: result[name] for name, kind in ITEM_MAPS.items()}
    for row in rows:
        entry = {"enabled": row.enabled}
        maps[row.kind][row.key] = entry if row.description is None else {**entry, "description": row.description}
    return result


def shown(server: Server, overrides: Iterable[ItemOverride] | None = None) -> dict[str, Any]:
    """The configuration for those who may read it: secrets masked."""
    return shown_config(config_of(server, overrides))


def safe(server: Server, overrides: Iterable[ItemOverride] | None = None) -> dict[str, Any]:
    """What those who may only use a server see of its configuration; unknown members are withheld."""
    whole = config_of(server, overrides)
    return {"name": server.name, **{name: whole[name] for name in _SAFE if name in whole}, "configRestricted": True}


def with_prefixes(config: dict[str, Any], server: Server, separator: str, known: Collection[str]) -> dict[str, Any]:
    """A configuration whose maps of tools and prompts are keyed by exposed names, as the contract shows them.

    Args:
        known: the upstream's own names of the items it offers; keys of anything else stay as they are.
    """
    result = dict(config)
    for name in ("tools", "prompts"):
        result[name] = {
            f"{server.name}{separator}{key}" if key in known else key: value for key, value in config[name].items()
        }
    return result


def member_of(member: GroupMember) -> dict[str, Any]:
    """A group's member."""
    result: dict[str, Any] = {"name": member.server.name}
    if member.alias:
        result["alias"] = member.alias
    for name in ITEM_MAPS:
        selection = getattr(member, name)
        result[name] = "all" if selection is None else list(selection)
    if member.pinned is not None:
        result["pinnedTools"] = list(member.pinned)
    return result


def member_rows() -> QuerySet[GroupMember]:
    """Members with what readings and policies need of their servers: nothing that would have to be decrypted."""
    needed = ("name", "owner", "visibility", "shared_with")
    return GroupMember.objects.select_related("server").only(
        "group_id", "alias", *ITEM_MAPS, "pinned", "position", *(f"server__{name}" for name in needed)
    )


def group_of(group: Group, members: Iterable[GroupMember] | None = None) -> dict[str, Any]:
    """A group with its members (those given, or all)."""
    rows = member_rows().filter(group=group) if members is None else members
    result: dict[str, Any] = {"id": str(group.pk), "name": group.name}
    if group.description is not None:
        result["description"] = group.description
    result |= {"servers": [member_of(row) for row in rows], "owner": group.owner}
    if group.visibility is not None:
        result["visibility"] = group.visibility
    if group.visibility == "group":
        result["sharedWithUsers"] = list(group.shared_with)
    return result
