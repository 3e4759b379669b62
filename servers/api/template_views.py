"""Routes of templates (REST contract, section 11)."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.api.bodies import members
from mcphub.api.callers import actor_of
from mcphub.api.documents import ANY_OBJECT, FLAG, NUMBER, TEXT, array_of, component, object_of
from mcphub.api.envelope import reply
from mcphub.api.limits import Limit
from mcphub.api.operations import operation
from mcphub.api.views import WINDOW
from mcphub.errors import InvalidInput
from servers import lookups, templates
from servers.api.noticed import Noticed

_TEMPLATE = component(
    "Template",
    {
        "type": "object",
        "properties": {
            "version": TEXT,
            "name": TEXT,
            "description": TEXT,
            "createdAt": TEXT,
            "servers": {**ANY_OBJECT, "description": "By name, a ServerConfig in which every secret is a variable."},
            "groups": array_of(ANY_OBJECT),
            "requiredEnvVars": array_of(TEXT),
        },
        "required": ["version", "name", "createdAt", "servers", "groups", "requiredEnvVars"],
    },
)
_TEAM = {
    "version": "1.0", "name": "team", "createdAt": "2026-09-01T10:00:00.000Z",
    "servers": {"search": {"type": "stdio", "command": "npx", "env": {"SEARCH_API_KEY": "${SEARCH_API_KEY}"}}},
    "groups": [
        {"name": "dev", "servers": [{"name": "search", "tools": "all", "prompts": "all", "resources": "all"}]}
    ],
    "requiredEnvVars": ["SEARCH_API_KEY"],
}  # fmt: skip
_RESULT = object_of(
    success=FLAG,
    serversCreated=NUMBER,
    serversSkipped=NUMBER,
    groupsCreated=NUMBER,
    groupsSkipped=NUMBER,
    requiredEnvVars=array_of(TEXT),
    details=array_of(object_of(type=TEXT, name=TEXT, action={"enum": ["created", "skipped", "failed"]})),
)
_IMPORTED = {
    "success": True, "serversCreated": 1, "serversSkipped": 0, "groupsCreated": 1, "groupsSkipped": 0,
    "requiredEnvVars": ["SEARCH_API_KEY"],
    "details": [
        {"type": "server", "name": "search", "action": "created"},
        {"type": "group", "name": "dev", "action": "created"},
    ],
}  # fmt: skip
_LIMIT = Limit("templates", 200, WINDOW)


class _Templates(Noticed):
    tag = "Templates"

    def limits(self) -> tuple[Limit, ...]:
        return (_LIMIT,)


class TemplateExport(_Templates):
    """POST /api/templates/export."""

    @operation(
        "Export groups and their servers as a template",
        note="Secrets become variables (`${NAME}`), in environments, headers, arguments and addresses. Only what the "
        "caller may see is exported; without `groupIds` all of that.",
        body={
            "type": "object",
            "properties": {
                "name": TEXT,
                "description": TEXT,
                "groupIds": array_of(TEXT),
                "includeDisabledServers": {**FLAG, "default": False},
            },
            "required": ["name"],
        },
        sample={"name": "team", "groupIds": ["0d1e5c7a-7d0a-4a57-8c5e-0d6c1e0b9a11"]},
        data=_TEMPLATE,
        example={"success": True, "data": _TEAM},
        refuses={400: "There is no name, or groupIds is no list."},
    )
    def post(self, request: Request) -> Response:
        sent = members(request)
        name, keys, description = sent.get("name"), sent.get("groupIds") or [], sent.get("description") or ""
        if not isinstance(name, str) or not name.strip():
            raise InvalidInput("name is required.")
        if not isinstance(keys, list) or not isinstance(description, str):
            raise InvalidInput("groupIds must be a list of ids, description a text.")
        disabled = sent.get("includeDisabledServers") is True
        return reply(
            templates.export_groups(
                actor_of(request), name=name, description=description, keys=keys, with_disabled=disabled
            )
        )


class GroupExport(_Templates):
    """GET /api/templates/export/groups/<id>."""

    @operation(
        "Export one group as a template",
        note="By id or name, with its enabled servers.",
        query=(OpenApiParameter("name", str, description="Of the template."),),
        data=_TEMPLATE,
        example={"success": True, "data": _TEAM},
        refuses={404: "There is no such group, or the caller may not know of it."},
    )
    def get(self, request: Request, id: str) -> Response:
        actor = actor_of(request)
        group = lookups.visible_group(actor, id)
        return reply(templates.export_group(actor, group, request.query_params.get("name", "")))


class TemplateImport(_Templates):
    """POST /api/templates/import."""

    @operation(
        "Import a template",
        note="What exists is skipped, the rest becomes the caller's own; each item is judged as if it were added by "
        "hand. `requiredEnvVars` lists the variables to set before it works.",
        body=ANY_OBJECT,
        sample=_TEAM,
        whole=object_of(success=FLAG, data=_RESULT, message=TEXT),
        example={"success": True, "message": "1 server and 1 group were created.", "data": _IMPORTED},
        refuses={400: "It is no template, or nothing of it was created; `data` says why."},
    )
    def post(self, request: Request) -> Response:
        try:
            imported = templates.import_template(actor_of(request), members(request))
        except InvalidInput as refusal:
            imported = templates.Imported()
            imported.note("server", "", "failed", refusal.message)
        data = _told(imported)
        created = f"{_some(data['serversCreated'], 'server')} and {_some(data['groupsCreated'], 'group')} were created."
        body: dict[str, Any] = {"success": imported.worked, "data": data, "message": created}
        return Response(body, status=200 if imported.worked else 400)


def _told(imported: templates.Imported) -> dict[str, Any]:
    return {
        "success": imported.worked,
        "serversCreated": imported.count("server", "created"),
        "serversSkipped": imported.count("server", "skipped"),
        "groupsCreated": imported.count("group", "created"),
        "groupsSkipped": imported.count("group", "skipped"),
        "requiredEnvVars": sorted(imported.required),
        "details": imported.details,
    }


def _some(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
