"""Routes of servers: list, read, add, change, switch, reload, remove (REST contract, section 5)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from mcphub import plane
from mcphub.api.bodies import members
from mcphub.api.callers import actor_of
from mcphub.api.documents import FLAG, NUMBER, TEXT, array_of, object_of
from mcphub.api.envelope import reply
from mcphub.api.operations import operation
from mcphub.api.pages import PaginationSerializer, page_asked, page_parameters, whole_parameter
from mcphub.errors import InvalidInput
from servers import actions, imports, lookups
from servers.actions import Outcome
from servers.api import shapes
from servers.api.noticed import Noticed
from servers.listing import detail, listed

_STDIO = {"type": "stdio", "command": "uvx", "args": ["time-server"]}
_TOOL = {
    "name": "time-now", "description": "Current time", "defaultDescription": "Current time",
    "hasDescriptionOverride": False, "inputSchema": {"type": "object"}, "enabled": True,
}  # fmt: skip
_TIME = {
    "name": "time", "version": "1.2.0", "owner": "admin", "visibility": "public", "status": "connected", "error": None,
    "tools": [_TOOL], "prompts": [], "resources": [], "createTime": 1790000000000, "enabled": True, "config": _STDIO,
}  # fmt: skip
_BATCH = {
    "success": True,
    "successCount": 1,
    "failureCount": 1,
    "results": [
        {"name": "time", "success": True},
        {"name": "b c", "success": False, "message": "A server name has 1 to 128 letters …"},
    ],
}
_NOT_FOUND = {404: "There is no such server, or the caller may not know of it."}
_NOT_MANAGED = {403: "The caller may use the server but not manage it.", **_NOT_FOUND}
_ENABLED = {"type": "object", "properties": {"enabled": FLAG}, "required": ["enabled"]}


class Servers(Noticed):
    """/api/servers."""

    tag = "Servers"

    @operation(
        "List servers",
        note="What the caller may see: everything for admins; else own, public and shared ones. With `limit`, a page "
        "of it (enabled ones first), and `allServers` beside it. How a server is reached is shown to those who manage "
        "it.",
        query=page_parameters(1000),
        data=array_of(shapes.LISTED),
        members={"pagination": PaginationSerializer},
        example={"success": True, "data": [_TIME]},
        refuses={400: "page or limit is no number, or out of bounds."},
    )
    def get(self, request: Request) -> Response:
        actor = actor_of(request)
        if not request.query_params.get("limit"):
            whole_parameter(request, "page", 1)  # refused where it is none, though it means nothing here
            return reply(listed(actor))
        page = page_asked(request, most=1000)
        everything = listed(actor)
        shown = sorted(everything, key=lambda server: not server["enabled"])[page.cut]
        return reply(shown, allServers=everything, pagination=page.among(len(everything)))

    @operation(
        "Add a server",
        note="Connects in the background. Only admins add servers that run commands on the hub's machine, or choose "
        "the owner.",
        body=object_of(name=TEXT, config=shapes.SENT_CONFIG),
        sample={"name": "time", "config": _STDIO},
        example={"success": True, "message": "The server was added."},
        refuses={
            400: "The name or the configuration breaks a rule.",
            403: "The configuration is for admins only, or the hub is in read-only mode.",
            409: "The name is taken.",
        },
    )
    def post(self, request: Request) -> Response:
        sent = members(request)
        actions.add_server(actor=actor_of(request), name=sent.get("name"), config=sent.get("config"))
        return reply(message="The server was added.")


class ServerBatch(Noticed):
    """/api/servers/batch."""

    tag = "Servers"

    @operation(
        "Add several servers",
        note="Each is judged on its own; one that is refused does not hold up the others.",
        body=object_of(servers=array_of({})),
        sample={"servers": [{"name": "time", "config": _STDIO}, {"name": "b c", "config": {"command": "x"}}]},
        whole=object_of(
            success=FLAG,
            data=object_of(success=FLAG, successCount=NUMBER, failureCount=NUMBER, results=array_of(shapes.OUTCOME)),
        ),
        example={"success": True, "data": _BATCH},
        also={207: "Some were refused.", 400: "All were refused (then with `data`), or servers is no list or empty."},
    )
    def post(self, request: Request) -> Response:
        counted = outcomes(actions.add_servers(actor=actor_of(request), servers=some(request, "servers")))
        return Response({"success": counted["success"], "data": counted}, status=batch_status(counted))


class OneServer(Noticed):
    """/api/servers/<name>."""

    tag = "Servers"

    @operation(
        "Show a server",
        note="With its whole configuration (secrets masked) for those who manage it; others get a safe part of it, "
        "marked `configRestricted`.",
        data=shapes.DETAILED,
        example={
            "success": True,
            "data": {
                "name": "time", "status": "connected", "tools": [_TOOL], "prompts": [], "resources": [],
                "config": {**_STDIO, "owner": "admin", "enabled": True, "visibility": "private"},
            },
        },
        refuses=_NOT_FOUND,
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        actor = actor_of(request)
        return reply(detail(actor, lookups.visible_server(actor, name)))

    @operation(
        "Change a server",
        note="What is left out stays as it is; null clears; a masked value that comes back keeps what is stored. "
        "`newName` renames: groups, keys and overrides follow. Reconnects only where something about the connection "
        "changed.",
        body={
            "type": "object",
            "properties": {"config": shapes.SENT_CONFIG, "newName": TEXT},
            "required": ["config"],
        },
        sample={"config": {**_STDIO, "args": ["time-server", "--utc"]}, "newName": "clock"},
        example={"success": True, "message": "The server was changed."},
        refuses={
            400: "The configuration or the new name breaks a rule.",
            409: "The new name is taken.",
            **_NOT_MANAGED,
        },
    )
    def put(self, request: Request, name: str) -> Response:
        sent = members(request)
        if not isinstance(sent.get("config"), Mapping) or not sent["config"]:
            raise InvalidInput("config must be an object with something to change.")
        actions.change_server(name, actor=actor_of(request), config=sent["config"], new_name=sent.get("newName"))
        return reply(message="The server was changed.")

    @operation(
        "Remove a server",
        note="Ends its connection, with all processes of a child, and takes it out of its groups.",
        example={"success": True, "message": "The server was removed."},
        refuses=_NOT_MANAGED,
    )
    def delete(self, request: Request, name: str) -> Response:
        actions.remove_server(name, actor=actor_of(request))
        return reply(message="The server was removed.")


class ServerSwitch(Noticed):
    """/api/servers/<name>/toggle."""

    tag = "Servers"

    @operation(
        "Switch a server on or off",
        body=_ENABLED,
        sample={"enabled": False},
        example={"success": True, "message": "The server is off."},
        refuses={400: "enabled is not true or false.", **_NOT_MANAGED},
    )
    def post(self, request: Request, name: str) -> Response:
        server = actions.toggle_server(name, actor=actor_of(request), enabled=members(request).get("enabled"))
        return reply(message=f"The server is {'on' if server.enabled else 'off'}.")


class ServerReload(Noticed):
    """/api/servers/<name>/reload."""

    tag = "Servers"

    @operation(
        "Reconnect a server",
        note="Answers when it is up again or has failed, after five seconds in any case; the list tells how it went. "
        "A server that is off stays so.",
        example={"success": True, "message": "The server is being reconnected."},
        refuses=_NOT_MANAGED,
    )
    def post(self, request: Request, name: str) -> Response:
        asked = time.time()
        server = actions.reload_server(name, actor=actor_of(request))
        if not server.enabled:
            return reply(message="The server is off.")
        plane.await_connection(name, asked)
        return reply(message="The server is being reconnected.")


class ServerReinstall(Noticed):
    """/api/servers/<name>/reinstall."""

    tag = "Servers"

    @operation(
        "Install a server's package again",
        note="For servers started by npx or uvx: forgets the cached package, then reconnects.",
        example={"success": True, "message": "The package is being installed again."},
        refuses={400: "The server is off, or not started by npx or uvx.", **_NOT_MANAGED},
    )
    def post(self, request: Request, name: str) -> Response:
        actions.reinstall_server(name, actor=actor_of(request))
        return reply(message="The package is being installed again.")


class ShareCandidates(Noticed):
    """/api/servers/<name>/share-candidates."""

    tag = "Servers"

    @operation(
        "List the users a server could be shared with",
        data=array_of(TEXT),
        example={"success": True, "data": ["bob", "dana"]},
        refuses=_NOT_MANAGED,
    )
    def get(self, request: Request, name: str) -> Response:
        server = lookups.managed_server(actor_of(request), name)
        names = User.objects.exclude(username=server.owner or "admin").values_list("username", flat=True)
        return reply(sorted(names))


class OAuthDisconnect(Noticed):
    """/api/servers/<name>/oauth/disconnect."""

    tag = "Servers"

    @operation(
        "Forget the tokens the hub has for a server",
        note="`scope`: `tokens` (default), or `all` to forget the registered client as well. Reconnects the server.",
        body={"type": "object", "properties": {"scope": {"enum": ["tokens", "all"]}}},
        sample={"scope": "all"},
        data=object_of(scope=TEXT, revoked=object_of(attempted=NUMBER, succeeded=NUMBER, failed=NUMBER)),
        example={
            "success": True,
            "message": "The tokens were forgotten.",
            "data": {"scope": "all", "revoked": {"attempted": 0, "succeeded": 0, "failed": 0}},
        },
        refuses={400: "scope is neither tokens nor all.", **_NOT_MANAGED},
    )
    def post(self, request: Request, name: str) -> Response:
        scope = members(request).get("scope", "tokens")
        actions.forget_tokens(name, actor=actor_of(request), scope=scope)
        revoked = {"attempted": 0, "succeeded": 0, "failed": 0}
        return reply({"scope": scope, "revoked": revoked}, "The tokens were forgotten.")


class ToolStats(Noticed):
    """/api/servers/openapi/tool-stats."""

    tag = "Servers"

    @operation(
        "Try an OpenAPI import",
        note="Reads the document and counts the tools it would give; nothing is stored. Addresses of internal "
        "networks are for admins.",
        body=object_of(config=shapes.SENT_CONFIG),
        sample={"config": {"openapi": {"url": "https://api.example/openapi.json"}}},
        data=object_of(toolCount=NUMBER, definitionsBytes=NUMBER, estimatedTokens=NUMBER),
        example={"success": True, "data": {"toolCount": 12, "definitionsBytes": 18211, "estimatedTokens": 4200}},
        refuses={400: "There is no document, or it cannot be fetched or read; the message says why."},
        changes=False,
    )
    def post(self, request: Request) -> Response:
        return reply(imports.openapi_stats(actor_of(request), members(request).get("config")))


def some(request: Request, name: str) -> list[Any]:
    """The list a batch sends. Raises `InvalidInput` where there is none or it is empty."""
    sent = members(request).get(name)
    if not isinstance(sent, list) or not sent:
        raise InvalidInput(f"{name} must be a list with at least one element.")
    return sent


def outcomes(told: list[Outcome], done: str = "") -> dict[str, Any]:
    """The counters and results of a batch; `done` is the message of those that worked."""
    results: list[dict[str, Any]] = []
    for one in told:
        message = done if one.refusal is None else one.refusal.message
        result = {"name": one.name, "success": one.refusal is None}
        results.append({**result, "message": message} if message else result)
    failed = sum(one.refusal is not None for one in told)
    return {
        "success": failed < len(told),
        "successCount": len(told) - failed,
        "failureCount": failed,
        "results": results,
    }


def batch_status(counted: Mapping[str, Any]) -> int:
    """200 where all worked, 400 where none did, else 207."""
    if not counted["success"]:
        return 400
    return 207 if counted["failureCount"] else 200
