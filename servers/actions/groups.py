"""Add, change and remove groups, and choose their members."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction

from accounts.actions import rename_in_keys
from mcphub.actor import Actor
from mcphub.changes import insert
from mcphub.errors import HubError, InvalidInput, NotFound
from mcphub.texts import findable, is_storable
from servers import checks, policies
from servers.actions.noting import next_position, note
from servers.actions.servers import Outcome
from servers.config import ITEM_MAPS, VISIBILITIES
from servers.lookups import managed_group
from servers.models import Group, GroupMember, Server, Visibility
from servers.readings import group_of

#: What `change_group` accepts.
CHANGEABLE = frozenset({"name", "description", "servers", "visibility", "sharedWithUsers"})
_MEMBERS = 10_000


@transaction.atomic
def add_group(*, actor: Actor, name: object, id: uuid.UUID | None = None, **members: Any) -> Group:
    """Add a group owned by the actor.

    Args:
        members: `description`, `servers` (names, or objects of the REST contract 7.1), `visibility`, `sharedWithUsers`;
            None counts as not given.
    Servers that do not exist or that the actor cannot see are left out. Raises `InvalidInput`.
    """
    group = Group(name=_free_name(name), owner=actor.username, position=next_position(Group.objects.all()))
    if id is not None:
        group.pk = id
    _take(group, {key: value for key, value in members.items() if value is not None})
    insert(group)
    if members.get("servers") is not None:
        _replace_members(group, members["servers"], actor)
    note("add_group", actor, "group", group, None, group_of(group))
    return group


@transaction.atomic
def import_group(*, actor: Actor, id: uuid.UUID | None, given: Mapping[str, Any]) -> Group:
    """Add a group from a settings file: with its owner, and without a visibility where the file has none.

    Raises `InvalidInput`.
    """
    owner = given.get("owner")
    group = Group(
        name=_free_name(given.get("name")),
        owner=owner if isinstance(owner, str) and owner else "admin",
        visibility=None,
        position=next_position(Group.objects.all()),
        **({"id": id} if id else {}),
    )
    _take(group, {key: given[key] for key in ("description", "visibility", "sharedWithUsers") if given.get(key)})
    insert(group)
    _replace_members(group, given.get("servers") or [], actor)
    note("add_group", actor, "group", group, None, group_of(group))
    return group


def add_groups(*, actor: Actor, groups: Sequence[object]) -> list[Outcome]:
    """Add several, each on its own: one that is refused does not hold up the others."""
    outcomes = []
    for item in groups:
        given = dict(item) if isinstance(item, Mapping) else {}
        name = given.pop("name", None)
        told = name if isinstance(name, str) and name else "unknown"
        try:
            add_group(actor=actor, name=name, **{key: given[key] for key in CHANGEABLE & given.keys() - {"name"}})
            outcomes.append(Outcome(told))
        except HubError as refusal:
            outcomes.append(Outcome(told, refusal))
    return outcomes


@transaction.atomic
def change_group(key: str, *, actor: Actor, **changes: Any) -> Group:
    """Change what was given (see `CHANGEABLE`; `description` None clears it).

    Members that the actor cannot see stay. Raises `InvalidInput` (also where nothing was given), `NotFound`.
    """
    if not changes or changes.keys() - CHANGEABLE:
        raise InvalidInput(f"Of a group one can change {', '.join(sorted(CHANGEABLE))}.")
    group = managed_group(actor, key, lock=True)
    before = group_of(group)
    if "name" in changes:
        name = _free_name(changes["name"], other_than=group)
        rename_in_keys("allowed_groups", group.name, name)
        group.name = name
    _take(group, changes)
    group.save()
    if "servers" in changes:
        _replace_members(group, changes["servers"], actor)
    note("change_group", actor, "group", group, before, group_of(group))
    return group


@transaction.atomic
def remove_group(key: str, *, actor: Actor) -> None:
    """Remove a group; its servers stay. Raises `NotFound`."""
    group = managed_group(actor, key, lock=True)
    before = group_of(group)
    note("remove_group", actor, "group", group, before, None)
    group.delete()


@transaction.atomic
def add_member(key: str, *, actor: Actor, server: object) -> Group:
    """Put a server into a group with everything selected; nothing happens where it is in already.

    Raises `InvalidInput`, `NotFound` (group or server, or either may not be known to the actor).
    """
    group = managed_group(actor, key, lock=True)
    before = group_of(group)
    if not isinstance(server, str) or not server:
        raise InvalidInput("serverName is required.")
    row = Server.objects.visible_to(actor).filter(name=findable(server)).first()
    if row is None:
        raise NotFound(f"There is no server named {server!r}.")
    if not group.members.filter(server=row).exists():
        GroupMember.objects.create(group=group, server=row, position=next_position(group.members.all()))
        _require_distinct(group)
    note("add_member", actor, "group", group, before, group_of(group))
    return group


@transaction.atomic
def remove_member(key: str, *, actor: Actor, server: str) -> Group:
    """Take a server out of a group; nothing happens where it is not in. Raises `NotFound` (group)."""
    group = managed_group(actor, key, lock=True)
    before = group_of(group)
    group.members.filter(server__name=findable(server)).delete()
    note("remove_member", actor, "group", group, before, group_of(group))
    return group


@transaction.atomic
def set_members(key: str, *, actor: Actor, servers: object) -> Group:
    """Replace the members. Raises `InvalidInput`, `NotFound`."""
    return change_group(key, actor=actor, servers=servers)


@transaction.atomic
def change_member(key: str, *, actor: Actor, server: str, **changes: Any) -> Group:
    """Change a member's `alias`, `tools`, `prompts`, `resources` or `pinnedTools`.

    Raises `InvalidInput`, `NotFound`.
    """
    group = managed_group(actor, key, lock=True)
    before = group_of(group)
    member = group.members.select_related("server").filter(server__name=findable(server)).first()
    if member is None or not policies.may_see(actor, member.server):
        raise NotFound("This server is not in the group.")
    _take_member(member, changes)
    member.save()
    _require_distinct(group)
    note("change_member", actor, "group", group, before, group_of(group))
    return group


def visible_members(viewer: Actor, group: Group) -> Iterable[GroupMember]:
    """The members whose servers the viewer may see; the others are neither shown nor lost."""
    return [row for row in group.members.select_related("server") if policies.may_see(viewer, row.server)]


def parse_members(servers: object) -> list[dict[str, Any]]:
    """Members in any documented form, checked and as objects. Raises `InvalidInput`."""
    if not isinstance(servers, list) or len(servers) > _MEMBERS:
        raise InvalidInput(f"servers must be a list of at most {_MEMBERS} members.")
    return [_parsed(item) for item in servers]


def _take(group: Group, given: Mapping[str, Any]) -> None:
    if "description" in given:
        description = given["description"]
        group.description = None if description is None else checks.text(20_000)("description", description)
    if "visibility" in given:
        group.visibility = checks.one_of(VISIBILITIES)("visibility", given["visibility"])
    if "sharedWithUsers" in given:
        names = given["sharedWithUsers"]
        if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
            raise InvalidInput("sharedWithUsers must be a list of user names.")
        group.shared_with = checks.texts(10_000)("sharedWithUsers", names)
    if group.visibility != Visibility.GROUP:
        group.shared_with = []


def _free_name(name: object, other_than: Group | None = None) -> str:
    text = name.strip() if isinstance(name, str) else ""
    if not text or len(text) > 255 or not text.isprintable():
        raise InvalidInput("A group needs a name of at most 255 printable characters.")
    taken = Group.objects.filter(name=text)
    if other_than is not None:
        taken = taken.exclude(pk=other_than.pk)
    if taken.exists():
        raise InvalidInput(f"There is a group named {text!r} already.")
    return text


def _replace_members(group: Group, servers: object, actor: Actor) -> None:
    given = parse_members(servers)
    seen = Server.objects.visible_to(actor).in_bulk([findable(item["name"]) for item in given], field_name="name")
    rows: dict[uuid.UUID, GroupMember] = {}
    for item in given:
        if (server := seen.get(item["name"])) is not None:
            row = GroupMember(group=group, server=server, position=len(rows))
            _take_member(row, item)
            rows[server.pk] = row
    old = list(group.members.select_related("server"))
    hidden = [row for row in old if not policies.may_see(actor, row.server)]
    group.members.exclude(pk__in=[row.pk for row in hidden]).delete()
    GroupMember.objects.bulk_create(rows.values())
    _require_distinct(group)


def _require_distinct(group: Group) -> None:
    names = [row.alias or row.server.name for row in group.members.select_related("server")]
    if len(set(names)) < len(names):
        raise InvalidInput("Two members of the group would show their items under the same name; give one an alias.")


def _parsed(item: object) -> dict[str, Any]:
    if isinstance(item, str) and item:
        return {"name": item}
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str) or not item["name"]:
        raise InvalidInput("A member is the name of a server, or an object with one.")
    _take_member(GroupMember(), item)  # refuses what cannot be stored, whether or not the server exists
    return dict(item)


def _take_member(member: GroupMember, given: Mapping[str, Any]) -> None:
    if given.get("alias") is not None:
        member.alias = checks.text(128)("alias", given["alias"])
    for name in ITEM_MAPS:
        if given.get(name) is not None:
            setattr(member, name, _selection(name, given[name]))
    if given.get("pinnedTools") is not None:
        pinned = checks.texts(_MEMBERS)("pinnedTools", given["pinnedTools"])
        if member.tools is not None and not set(pinned) <= set(member.tools):
            raise InvalidInput("Pinned tools must be among the selected tools.")
        member.pinned = pinned


def _selection(name: str, value: object) -> list[str] | None:
    if value == "all":
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) and is_storable(each) for each in value):
        raise InvalidInput(f'{name} must be "all" or a list of names.')
    return list(dict.fromkeys(value))
