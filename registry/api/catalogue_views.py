"""The registry API: installed servers with each user's switches, the catalogue, its curation, devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from kombu.exceptions import OperationalError
from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.api.bodies import members
from mcphub.api.callers import actor_of
from mcphub.api.documents import FLAG, NUMBER, TEXT, array_of, object_of
from mcphub.api.operations import Allow, operation
from mcphub.errors import HubError, InvalidInput
from registry import actions, queue, readings, supabase
from registry.api.base import RegistryView, required
from registry.api.queries import flag_of, parameters, query_of
from registry.models import Entry, UserSelection
from registry.search import Query, find
from servers.models import Server

_LISTED = {
    "name": "github", "display_name": "GitHub", "description": "Repositories, issues, pull requests.", "version": "",
    "tools_count": 6, "category": "version-control", "tags": ["git"], "url": "https://github.com", "icon": "🐙",
    "source": "builtin", "status": "approved",
}  # fmt: skip
_DETAILED = _LISTED | {
    "tools": [{"name": "get_me", "description": "Details of the signed-in user"}],
    "authentication": {"type": "token", "required": True, "env_var": "GITHUB_PERSONAL_ACCESS_TOKEN"},
    "rate_limit": {"requests_per_hour": 60},
    "supported_platforms": ["linux", "macos", "windows"],
    "repository": "https://github.com/github/github-mcp-server",
    "transports": ["stdio"],
    "self_service": False,
}
_STATED = {
    "name": "time", "display_name": "Time", "description": "The current time.", "url": "https://modelcontextprotocol.io",
    "enabled": True, "installed": True, "tools_count": 2, "icon": "🕰️", "category": "development",
}  # fmt: skip
_SELECTION = {"enabled_servers": ["time"], "enabled_packs": [], "updated_at": "2026-11-20T10:00:00Z", "version": 7}
_OBJECT = {"type": "object", "additionalProperties": True}
_ENTRY_BODY = {
    "type": "object",
    "properties": {
        "name": TEXT, "display_name": TEXT, "description": TEXT, "url": TEXT, "icon": TEXT, "category": TEXT,
        "tools_count": NUMBER, "version": TEXT, "tags": array_of(TEXT), "tools": array_of(_OBJECT),
        "authentication": _OBJECT, "rate_limit": _OBJECT, "supported_platforms": array_of(TEXT), "config": _OBJECT,
        "status": TEXT, "self_service": FLAG,
    },
}  # fmt: skip
#: What the API calls the fields of an entry.
_FIELDS = {
    "display_name": "title", "url": "website", "supported_platforms": "platforms",
    **{name: name for name in ("description", "icon", "category", "tools_count", "version", "tags", "tools",
                               "authentication", "rate_limit", "config", "repository", "status", "self_service")},
}  # fmt: skip


class McpServers(RegistryView):
    """GET /mcp_servers."""

    @operation(
        "List every catalogue entry with your state of it",
        query=parameters("installed", "enabled"),
        whole=object_of(servers=array_of(_OBJECT), total=NUMBER, enabled_count=NUMBER),
        example={"servers": [_STATED], "total": 1, "enabled_count": 1},
    )
    def get(self, request: Request) -> Response:
        actor = actor_of(request)
        installed = readings.installations(actor)
        on = readings.switches(actor, [row.server for row in installed.values()])
        enabled = {entry: on[row.server_id] for entry, row in installed.items()}
        query = _stated(query_of(request), request, enabled)
        found = find(query)
        entries = Entry.objects.in_bulk(found.ids)
        counts = readings.tool_counts([installed[one].server for one in found.ids if one in installed])
        switched_on = tuple(entry for entry, state in enabled.items() if state)
        narrowed = switched_on if query.ids is None else tuple(set(switched_on).intersection(query.ids))
        return Response(
            {
                "servers": [
                    _with_state(entries[one], installed.get(one), enabled.get(one, False), counts)
                    for one in found.ids
                    if one in entries
                ],
                "total": found.total,
                "enabled_count": find(replace(query, ids=narrowed, limit=1, offset=0)).total,
            }
        )


def _stated(query: Query, request: Request, enabled: Mapping[int, bool]) -> Query:
    """A query narrowed by `installed` and `enabled`."""
    installed, on = flag_of(request, "installed"), flag_of(request, "enabled")
    ids: set[int] | None = None
    without: set[int] = set()
    for wanted, among in ((installed, set(enabled)), (on, {entry for entry, state in enabled.items() if state})):
        if wanted is True:
            ids = among if ids is None else ids & among
        elif wanted is False:
            without |= among
    return replace(query, ids=None if ids is None else tuple(ids), without=tuple(without))


def _with_state(entry: Entry, row: Any, enabled: bool, counts: Mapping[Any, int]) -> dict[str, Any]:
    told = {
        "name": entry.name,
        "display_name": entry.title,
        "description": entry.description,
        "url": entry.website,
        "enabled": enabled,
        "installed": row is not None,
        "tools_count": counts.get(row.server_id, 0) if row is not None else entry.tools_count,
        "icon": entry.icon,
        "category": entry.category,
    }
    if row is not None:
        told |= {"server": row.server.name, "installed_version": row.version}
        told |= {"newer_version": newer} if (newer := readings.newer_version(row)) else {}
    return told


class Toggle(RegistryView):
    """POST /mcp_servers/toggle."""

    @operation(
        "Switch a server on or off for yourself",
        note="One that is not installed yet is installed first, where you may; `answers` holds the values it needs.",
        body=object_of(server=TEXT, enabled=FLAG),
        sample={"server": "time", "enabled": True},
        whole=object_of(server=TEXT, enabled=FLAG, status=TEXT, tools_enabled=NUMBER),
        example={"server": "time", "enabled": True, "status": "activated", "tools_enabled": 2},
        refuses={404: "There is no such server.", 403: "It would have to be installed, and you may not."},
    )
    def post(self, request: Request) -> Response:
        asked = required(request, server=str, enabled=bool)
        answers = members(request).get("answers") or {}
        if not isinstance(answers, dict):
            raise InvalidInput("answers must be an object.", data={"field": "answers"})
        done = actions.switch_server(
            asked["server"], actor=actor_of(request), enabled=asked["enabled"], answers=answers
        )
        status = "activated" if done.enabled else "deactivated"
        return Response({"server": done.name, "enabled": done.enabled, "status": status, "tools_enabled": done.tools})


class InstalledTools(RegistryView):
    """GET /tools/installed."""

    @operation(
        "List the tools of the servers installed for you",
        whole=object_of(tools=array_of(_OBJECT), total=NUMBER),
        example={
            "tools": [{"name": "get_current_time", "server": "time", "description": "…", "enabled": True}],
            "total": 1,
        },
    )
    def get(self, request: Request) -> Response:
        actor = actor_of(request)
        named = {server.pk: name for name, server in readings.servers_by_entry(actor).items()}
        servers = list(Server.objects.filter(pk__in=named))
        on = readings.switches(actor, servers)
        tools = [
            {
                "name": key,
                "server": named[server.pk],
                "description": str(msgspec.json.decode(definition).get("description") or ""),
                "enabled": enabled and on[server.pk],
            }
            for server, key, definition, enabled in readings.tool_rows(servers)
        ]
        return Response({"tools": tools, "total": len(tools)})


class Catalogue(RegistryView):
    """GET /mcp_registry."""

    @operation(
        "List the catalogue",
        allow=Allow.ANYONE,
        query=parameters(),
        whole=object_of(servers=array_of(_OBJECT), total=NUMBER),
        example={"servers": [_LISTED], "total": 1},
    )
    def get(self, request: Request) -> Response:
        found = find(query_of(request))
        entries = Entry.objects.select_related("source").in_bulk(found.ids)
        servers = [readings.listed(entries[one]) for one in found.ids if one in entries]
        return Response({"servers": servers, "total": found.total})


class CatalogueEntry(RegistryView):
    """GET /mcp_registry/{name}."""

    @operation(
        "Read one entry of the catalogue",
        allow=Allow.ANYONE,
        whole=_OBJECT,
        example=_DETAILED,
        refuses={404: "There is no such server."},
    )
    def get(self, request: Request, name: str) -> Response:
        return Response(readings.detailed(_offered(name)))


class Curation(RegistryView):
    """POST /admin/mcp_registry."""

    @operation(
        "Make a catalogue entry",
        allow=Allow.ADMIN,
        body=_ENTRY_BODY,
        sample={"name": "acme", "display_name": "Acme", "category": "custom", "config": {"command": "acme-mcp"}},
        whole=_OBJECT,
        example=_DETAILED,
        status=201,
        refuses={409: "The name is taken."},
    )
    def post(self, request: Request) -> Response:
        asked = required(request, name=str, display_name=str)
        entry = actions.create_entry(actor=actor_of(request), name=asked["name"], **_fields(request))
        return Response(readings.detailed(entry), status=201)


class CuratedEntry(RegistryView):
    """PATCH and DELETE /admin/mcp_registry/{name}."""

    @operation(
        "Change a catalogue entry",
        allow=Allow.ADMIN,
        note="What is changed of an entry that is synced stays changed, whatever its source says later.",
        body=_ENTRY_BODY,
        sample={"description": "Our own words."},
        whole=_OBJECT,
        example=_DETAILED,
        refuses={404: "There is no such server."},
    )
    def patch(self, request: Request, name: str) -> Response:
        return Response(readings.detailed(actions.change_entry(name, actor=actor_of(request), **_fields(request))))

    @operation(
        "Remove a catalogue entry",
        allow=Allow.ADMIN,
        note="Servers installed from it stay and keep working.",
        whole={},
        status=204,
        refuses={404: "There is no such server."},
    )
    def delete(self, request: Request, name: str) -> Response:
        actions.delete_entry(name, actor=actor_of(request))
        return Response(status=204)


def _fields(request: Request) -> dict[str, Any]:
    body = members(request)
    return {field: body[member] for member, field in _FIELDS.items() if body.get(member) is not None}


class SupabaseCopy(RegistryView):
    """POST /admin/mcp_registry/sync-to-supabase."""

    @operation(
        "Copy the catalogue to Supabase",
        allow=Allow.ADMIN,
        whole=object_of(status=TEXT, synced_count=NUMBER, timestamp=TEXT),
        example={"status": "success", "synced_count": 126, "timestamp": "2026-11-20T10:00:00Z"},
        refuses={502: "Supabase refused, or could not be reached."},
    )
    def post(self, request: Request) -> Response:
        pushed = supabase.push()
        stamp = pushed.at.isoformat().replace("+00:00", "Z")
        return Response({"status": "success", "synced_count": pushed.count, "timestamp": stamp})


class UserServers(RegistryView):
    """GET and POST /user-servers/servers."""

    @operation("Read what you have switched on", whole=_OBJECT, example=_SELECTION)
    def get(self, request: Request) -> Response:
        actor = actor_of(request)
        selection = UserSelection.objects.filter(username=actor.username).first()
        if selection is None:
            selection = UserSelection(username=actor.username, servers=readings.switched_on(actor))
        return Response(_selected(selection))

    @operation(
        "Replace what you have switched on",
        body=object_of(enabled_servers=array_of(TEXT)),
        sample={"enabled_servers": ["time"], "version": 6},
        whole=_OBJECT,
        example=_SELECTION | {"applied": ["time"], "skipped": [{"server": "nope", "reason": "not_found"}]},
        refuses={409: "`version` is not the stored one."},
    )
    def post(self, request: Request) -> Response:
        body = members(request)
        names = body.get("enabled_servers", body.get("installed_servers"))
        if names is None:
            raise InvalidInput("Missing: enabled_servers.", data={"missing_fields": ["enabled_servers"]})
        packs, version = body.get("enabled_packs"), body.get("version")
        for field, value in (("enabled_servers", names), ("enabled_packs", packs)):
            if value is not None and (not isinstance(value, list) or not all(isinstance(one, str) for one in value)):
                raise InvalidInput(f"{field} must be a list of strings.", data={"field": field})
        if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
            raise InvalidInput("version must be a whole number.", data={"field": "version"})
        done = actions.set_selection(actor=actor_of(request), servers=names, packs=packs, version=version)
        skipped = [{"server": name, "reason": reason} for name, reason in done.skipped]
        return Response(_selected(done.selection) | {"applied": done.applied, "skipped": skipped})


class QueueAway(HubError):
    """The queue of jobs cannot be reached."""

    code = "queue_away"
    http_status = 503
    sentence = "The job could not be queued; try again."


class SyncTrigger(RegistryView):
    """POST /user-servers/sync-trigger."""

    @operation(
        "Apply what you have switched on again, in a job",
        whole=object_of(status=TEXT, task_id=TEXT),
        example={"status": "queued", "task_id": "0b0c…"},
        status=202,
    )
    def post(self, request: Request) -> Response:
        try:
            task = queue.now("registry.tasks.reapply_selection", username=actor_of(request).username)
        except (OperationalError, OSError):
            raise QueueAway from None
        return Response({"status": "queued", "task_id": task}, status=202)


def _selected(selection: UserSelection) -> dict[str, Any]:
    return {
        "enabled_servers": selection.servers,
        "enabled_packs": selection.packs,
        "updated_at": selection.updated_at.isoformat().replace("+00:00", "Z"),
        "version": selection.version,
    }


def _offered(name: str) -> Entry:
    entry = Entry.objects.offered().select_related("source").filter(name=name).first()
    if entry is None:
        raise actions.NoEntry
    return entry
