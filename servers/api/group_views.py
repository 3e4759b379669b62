"""Routes of groups and their members (REST contract, section 7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.actor import Actor
from mcphub.api.bodies import members
from mcphub.api.callers import actor_of
from mcphub.api.documents import FLAG, NUMBER, TEXT, array_of, object_of
from mcphub.api.envelope import reply
from mcphub.api.operations import operation
from mcphub.errors import InvalidInput, NotFound
from servers import actions, lookups, policies, readings, settings_reader
from servers.api import shapes
from servers.api.noticed import Noticed
from servers.api.server_views import batch_status, outcomes, some
from servers.models import Group, GroupMember

_MEMBER = {"name": "time", "tools": "all", "prompts": "all", "resources": "all"}
_DEV = {
    "id": "0d1e5c7a-7d0a-4a57-8c5e-0d6c1e0b9a11", "name": "dev", "description": "", "servers": [_MEMBER],
    "owner": "admin", "visibility": "private",
}  # fmt: skip
_ONE = {"success": True, "data": _DEV}
_NOT_FOUND = {404: "There is no such group, or the caller may not know of it."}
_NOT_MANAGED = {404: "There is no such group, or the caller may not change it."}
_INVALID = "A member is malformed, the name is taken, or two members would show their items under the same name."
_BY_NAME = "Names work in place of ids, unless `routing.enableGroupNameRoute` is off."


class Groups(Noticed):
    """/api/groups."""

    tag = "Groups"

    @operation(
        "List groups",
        note="What the caller may see. Members that the caller may not see are left out.",
        data=array_of(shapes.GROUP),
        example={"success": True, "data": [_DEV]},
    )
    def get(self, request: Request) -> Response:
        actor = actor_of(request)
        groups = list(Group.objects.visible_to(actor))
        found: dict[Any, list[GroupMember]] = {group.pk: [] for group in groups}
        for row in readings.member_rows().filter(group__in=groups):
            found[row.group_id].append(row)
        return reply([_shown(group, actor, found[group.pk]) for group in groups])

    @operation(
        "Add a group",
        note="Servers that do not exist, or that the caller may not see, are left out.",
        body=shapes.SENT_GROUP,
        sample={"name": "dev", "servers": ["time", {"name": "files", "alias": "fs", "tools": ["read_text"]}]},
        data=shapes.GROUP,
        status=201,
        example={**_ONE, "message": "The group was added."},
        refuses={400: _INVALID},
    )
    def post(self, request: Request) -> Response:
        actor = actor_of(request)
        sent = members(request)
        given = {name: sent.get(name) for name in actions.CHANGEABLE - {"name"}}
        if given["servers"] is not None and not isinstance(given["servers"], list):
            given["servers"] = []  # taken as empty here, as documented
        group = actions.add_group(actor=actor, name=sent.get("name"), **given)
        return reply(_shown(group, actor), "The group was added.", status=201)


class GroupBatch(Noticed):
    """/api/groups/batch."""

    tag = "Groups"

    @operation(
        "Add several groups",
        note="Each is judged on its own.",
        body=object_of(groups=array_of({})),
        sample={"groups": [{"name": "a"}, {"name": "dev"}]},
        whole=object_of(success=FLAG, successCount=NUMBER, failureCount=NUMBER, results=array_of(shapes.OUTCOME)),
        example={
            "success": True,
            "successCount": 1,
            "failureCount": 1,
            "results": [
                {"name": "a", "success": True, "message": "The group was added."},
                {"name": "dev", "success": False, "message": "There is a group named 'dev' already."},
            ],
        },
        also={207: "Some were refused.", 400: "All were refused (then with `results`), or groups is no list or empty."},
    )
    def post(self, request: Request) -> Response:
        told = actions.add_groups(actor=actor_of(request), groups=some(request, "groups"))
        counted = outcomes(told, "The group was added.")
        return Response(counted, status=batch_status(counted))


class OneGroup(Noticed):
    """/api/groups/<id>."""

    tag = "Groups"

    @operation("Show a group", note=_BY_NAME, data=shapes.GROUP, example=_ONE, refuses=_NOT_FOUND)
    def get(self, request: Request, id: str) -> Response:
        actor = actor_of(request)
        return reply(_shown(visible(actor, id), actor))

    @operation(
        "Change a group",
        note="What is left out stays; members that the caller may not see stay, too.",
        body=shapes.SENT_GROUP,
        sample={"description": "team tools"},
        data=shapes.GROUP,
        example={**_ONE, "message": "The group was changed."},
        refuses={400: f"There is nothing to change. {_INVALID}", **_NOT_MANAGED},
    )
    def put(self, request: Request, id: str) -> Response:
        sent = members(request)
        changes = {name: sent[name] for name in actions.CHANGEABLE & sent.keys()}
        return _changed(actor_of(request), actions.change_group(id, actor=actor_of(request), **changes))

    @operation(
        "Remove a group",
        note="Its servers stay.",
        example={"success": True, "message": "The group was removed."},
        refuses=_NOT_MANAGED,
    )
    def delete(self, request: Request, id: str) -> Response:
        actions.remove_group(id, actor=actor_of(request))
        return reply(message="The group was removed.")


class GroupServers(Noticed):
    """/api/groups/<id>/servers."""

    tag = "Groups"

    @operation(
        "List a group's members",
        note=_BY_NAME,
        data=array_of(shapes.MEMBER),
        example={"success": True, "data": [_MEMBER]},
        refuses=_NOT_FOUND,
    )
    def get(self, request: Request, id: str) -> Response:
        actor = actor_of(request)
        return reply(_shown(visible(actor, id), actor)["servers"])

    @operation(
        "Put a server into a group",
        note="With everything selected. Nothing happens where it is in already.",
        body=object_of(serverName=TEXT),
        sample={"serverName": "time"},
        data=shapes.GROUP,
        example={**_ONE, "message": "The group was changed."},
        refuses={400: "serverName is no name.", 404: "There is no such group or server."},
    )
    def post(self, request: Request, id: str) -> Response:
        actor = actor_of(request)
        return _changed(actor, actions.add_member(id, actor=actor, server=members(request).get("serverName")))


class GroupServerBatch(Noticed):
    """/api/groups/<id>/servers/batch."""

    tag = "Groups"

    @operation(
        "Replace a group's members",
        body=object_of(servers=shapes.SENT_MEMBERS),
        sample={"servers": ["time", {"name": "files", "alias": "fs"}]},
        data=shapes.GROUP,
        example={**_ONE, "message": "The group was changed."},
        refuses={400: _INVALID, **_NOT_MANAGED},
    )
    def put(self, request: Request, id: str) -> Response:
        actor = actor_of(request)
        return _changed(actor, actions.set_members(id, actor=actor, servers=members(request).get("servers")))


class GroupServer(Noticed):
    """/api/groups/<id>/servers/<server>."""

    tag = "Groups"

    @operation(
        "Take a server out of a group",
        note="Nothing happens where it is not in.",
        data=shapes.GROUP,
        example={"success": True, "data": _DEV | {"servers": []}, "message": "The group was changed."},
        refuses=_NOT_MANAGED,
    )
    def delete(self, request: Request, id: str, server: str) -> Response:
        actor = actor_of(request)
        return _changed(actor, actions.remove_member(id, actor=actor, server=server))


class ServerConfigs(Noticed):
    """/api/groups/<id>/server-configs."""

    tag = "Groups"

    @operation(
        "List a group's members, or nothing for an unknown group",
        note=_BY_NAME,
        data=array_of(shapes.MEMBER),
        example={"success": True, "data": [_MEMBER]},
    )
    def get(self, request: Request, id: str) -> Response:
        actor = actor_of(request)
        try:
            return reply(_shown(visible(actor, id), actor)["servers"])
        except NotFound:
            return reply([])


class ServerConfig(Noticed):
    """/api/groups/<id>/server-configs/<server>."""

    tag = "Groups"

    @operation(
        "Show a member of a group",
        note=f"By the server's own name. {_BY_NAME}",
        data=shapes.MEMBER,
        example={"success": True, "data": _MEMBER},
        refuses={404: "There is no such group, or the server is not in it."},
    )
    def get(self, request: Request, id: str, server: str) -> Response:
        actor = actor_of(request)
        for member in _shown(visible(actor, id), actor)["servers"]:
            if member["name"] == server:
                return reply(member)
        raise NotFound("This server is not in the group.")


class MemberTools(Noticed):
    """/api/groups/<id>/server-configs/<server>/tools."""

    tag = "Groups"

    @operation(
        "Select a member's tools",
        note="`all`, or names as the upstream has them.",
        body={"type": "object", "properties": {"tools": {"type": ["string", "array"]}}, "required": ["tools"]},
        sample={"tools": ["now", "zones"]},
        data=shapes.GROUP,
        example={**_ONE, "message": "The group was changed."},
        refuses={400: "tools is neither `all` nor a list of names.", 404: "There is no such group or member."},
    )
    def put(self, request: Request, id: str, server: str) -> Response:
        actor = actor_of(request)
        tools = members(request).get("tools")
        if tools is None:
            raise InvalidInput('tools must be "all" or a list of names.')
        return _changed(actor, actions.change_member(id, actor=actor, server=server, tools=tools))


def visible(actor: Actor, key: str) -> Group:
    """The group with that id or, while group names are routes, that name. Raises `NotFound`."""
    named = lookups.identity(key) is None
    by_name = named and settings_reader.effective()["routing"]["enableGroupNameRoute"]
    return lookups.visible_group(actor, key, by_name=by_name)


def _changed(actor: Actor, group: Group) -> Response:
    return reply(_shown(group, actor), "The group was changed.")


def _shown(group: Group, actor: Actor, rows: Iterable[GroupMember] | None = None) -> dict[str, Any]:
    found = readings.member_rows().filter(group=group) if rows is None else rows
    return readings.group_of(group, [row for row in found if policies.may_see(actor, row.server)])
