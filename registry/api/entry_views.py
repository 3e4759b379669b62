"""Entries for people who install: search, ways with their questions, the plan, the installation; wishes; sources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.api.bodies import members
from mcphub.api.callers import actor_of
from mcphub.api.documents import ANY_OBJECT, FLAG, NUMBER, TEXT, array_of, object_of
from mcphub.api.envelope import reply
from mcphub.api.operations import Allow, operation
from mcphub.api.views import HubView
from mcphub.errors import InvalidInput
from registry import actions, policies, readings
from registry.api.queries import parameters, query_of
from registry.documents.values import Input
from registry.models import Entry, EntryRequest, Installation, Source
from registry.planning.ways import Way
from registry.search import find

_ENTRY = {"name": "time", "display_name": "Time", "installed": None, "may_install": True}
_WAY = {
    "id": "uvx:mcp-server-time", "label": "uvx mcp-server-time", "runner": "uvx", "transport": "stdio", "usable": True,
    "obstacle": "", "caution": "", "inputs": [],
}  # fmt: skip
_PLAN = {"way": "uvx:mcp-server-time", "command": "uvx mcp-server-time", "type": "stdio"}
_REQUEST = {
    "id": 1, "subject": "io.github.x/y", "reason": "For the report.", "state": "open", "answer": "", "username": "dana",
    "entry": None, "created_at": "2026-11-20T10:00:00Z",
}  # fmt: skip


class _Registry(HubView):
    tag = "Registry"


class Entries(_Registry):
    """GET /api/registry/entries."""

    @operation(
        "Search what can be installed",
        note="Admins find drafts and hidden entries as well; `status` narrows.",
        query=parameters(),
        data=array_of(ANY_OBJECT),
        members={"total": NUMBER, "is_exact": FLAG},
        example={"success": True, "data": [_ENTRY], "total": 1, "is_exact": True},
    )
    def get(self, request: Request) -> Response:
        actor = actor_of(request)
        query = query_of(request, most=200)
        found = find(replace(query, statuses=None) if actor.is_admin else query)
        entries = Entry.objects.visible_to(actor).select_related("source").in_bulk(found.ids)
        installed = readings.installations(actor, found.ids)
        rows = [_row(actor, entries[one], installed.get(one)) for one in found.ids if one in entries]
        return reply(rows, total=found.total, is_exact=found.is_exact)


class OneEntry(_Registry):
    """GET /api/registry/entries/{name}."""

    @operation(
        "Read an entry with the ways to install it here",
        data=ANY_OBJECT,
        example={"success": True, "data": _ENTRY | {"ways": [_WAY]}},
        refuses={404: "There is no such entry."},
    )
    def get(self, request: Request, name: str) -> Response:
        actor = actor_of(request)
        entry = _visible(request, name)
        installed = readings.installations(actor, [entry.pk]).get(entry.pk)
        ways = [_way(way) for way in actions.ways_for(entry)]
        return reply(readings.detailed(entry) | _row(actor, entry, installed) | {"ways": ways})


class PlanOf(_Registry):
    """POST /api/registry/entries/{name}/plan."""

    @operation(
        "Show the exact command an installation would store",
        body=object_of(way=TEXT, answers=ANY_OBJECT),
        sample={"way": "uvx:mcp-server-time", "answers": {}},
        data=ANY_OBJECT,
        example={"success": True, "data": _PLAN},
        refuses={404: "There is no such entry."},
        changes=False,
    )
    def post(self, request: Request, name: str) -> Response:
        way, answers, _ = _choice(request)
        chosen, plan = actions.plan_install(_visible(request, name), way, answers)
        return reply({"way": chosen.id, "command": plan.shown, "type": plan.config.get("type", chosen.transport)})


class Install(_Registry):
    """POST /api/registry/entries/{name}/install."""

    @operation(
        "Install an entry",
        body=object_of(way=TEXT, answers=ANY_OBJECT, server=TEXT),
        sample={"answers": {"--local-timezone": "Europe/Berlin"}},
        data=ANY_OBJECT,
        example={
            "success": True,
            "data": {"server": "time", "entry": "time", "version": "", "way": "uvx:mcp-server-time"},
        },
        status=201,
        refuses={404: "There is no such entry.", 409: "The server's name is taken."},
    )
    def post(self, request: Request, name: str) -> Response:
        way, answers, server = _choice(request)
        done = actions.install_entry(name, actor=actor_of(request), way=way, answers=answers, server_name=server)
        told = {"server": done.server.name, "entry": name, "version": done.version, "way": done.way}
        return reply(told, status=201)


class Requests(_Registry):
    """GET and POST /api/registry/requests."""

    @operation("List the wishes", data=array_of(ANY_OBJECT), example={"success": True, "data": [_REQUEST]})
    def get(self, request: Request) -> Response:
        actor = actor_of(request)
        rows = EntryRequest.objects.select_related("entry")
        return reply(
            [_request(row) for row in (rows if actor.is_admin else rows.filter(username=actor.username))[:500]]
        )

    @operation(
        "Ask that a server be offered",
        body=object_of(subject=TEXT, reason=TEXT),
        sample={"subject": "io.github.x/y", "reason": "For the report."},
        data=ANY_OBJECT,
        example={"success": True, "data": _REQUEST},
        status=201,
        refuses={409: "You have asked for it already."},
    )
    def post(self, request: Request) -> Response:
        body = members(request)
        subject, reason = body.get("subject"), body.get("reason", "")
        if not isinstance(subject, str) or not isinstance(reason, str):
            raise InvalidInput("subject and reason must be strings.", data={"field": "subject"})
        return reply(
            _request(actions.request_entry(actor=actor_of(request), subject=subject, reason=reason)), status=201
        )


class Decision(_Registry):
    """POST /api/registry/requests/{id}."""

    @operation(
        "Approve or refuse a wish",
        allow=Allow.ADMIN,
        body=object_of(approve=FLAG, answer=TEXT),
        sample={"approve": False, "answer": "We have a licence for another one."},
        data=ANY_OBJECT,
        example={"success": True, "data": _REQUEST | {"state": "refused"}},
        refuses={404: "There is no such wish.", 409: "It was decided already."},
    )
    def post(self, request: Request, id: str) -> Response:
        body = members(request)
        approve, answer = body.get("approve"), body.get("answer", "")
        if not isinstance(approve, bool) or not isinstance(answer, str):
            raise InvalidInput("approve must be true or false, answer a string.", data={"field": "approve"})
        number = int(id) if id.isdecimal() and len(id) < 18 else 0
        return reply(_request(actions.decide_request(number, actor=actor_of(request), approve=approve, answer=answer)))


class Sources(_Registry):
    """GET /api/registry/sources."""

    @operation(
        "List the sources with their health",
        allow=Allow.ADMIN,
        data=array_of(ANY_OBJECT),
        example={"success": True, "data": [{"slug": "official", "name": "Official MCP registry", "alarm": ""}]},
    )
    def get(self, request: Request) -> Response:
        return reply([_source(source) for source in Source.objects.all()])


class SyncNow(_Registry):
    """POST /api/registry/sources/{slug}/sync."""

    @operation(
        "Synchronise a source now",
        allow=Allow.ADMIN,
        body=object_of(kind=TEXT),
        sample={"kind": "delta"},
        example={"success": True, "message": "Queued."},
        status=202,
        refuses={404: "There is no such source."},
    )
    def post(self, request: Request, slug: str) -> Response:
        kind = members(request).get("kind", "delta")
        if kind not in ("delta", "full"):
            raise InvalidInput("kind must be delta or full.", data={"field": "kind"})
        actions.request_sync(slug, actor=actor_of(request), kind=kind)
        return reply(message="Queued.", status=202)


def _visible(request: Request, name: str) -> Entry:
    rows = Entry.objects.visible_to(actor_of(request)).select_related("source", "release")
    entry = rows.filter(name=name).first()
    if entry is None:
        raise actions.NoEntry
    return entry


def _choice(request: Request) -> tuple[str, dict[str, Any], str]:
    body = members(request)
    way, answers, server = body.get("way") or "", body.get("answers") or {}, body.get("server") or ""
    if not isinstance(way, str) or not isinstance(answers, dict) or not isinstance(server, str):
        raise InvalidInput("way and server must be strings, answers an object.")
    return way, answers, server


def _row(actor: Any, entry: Entry, installed: Installation | None) -> dict[str, Any]:
    told = readings.listed(entry) | {
        "upstream_name": entry.upstream_name,
        "availability": entry.availability,
        "transports": entry.transports,
        "may_install": policies.may_install(actor, entry),
        "installed": None,
    }
    if installed is not None:
        told["installed"] = {
            "server": installed.server.name,
            "version": installed.version,
            "newer_version": readings.newer_version(installed),
        }
    return told


def _way(way: Way) -> dict[str, Any]:
    return {
        "id": way.id,
        "label": way.label,
        "runner": way.runner,
        "transport": way.transport,
        "usable": way.is_usable,
        "obstacle": way.obstacle,
        "caution": way.caution,
        "inputs": [_input(one) for one in way.questions],
    }


def _input(one: Input) -> dict[str, Any]:
    return {
        "name": one.name,
        "description": one.description,
        "required": one.required,
        "secret": one.secret,
        "format": one.format,
        "default": one.default,
        "placeholder": one.placeholder,
        "choices": list(one.choices),
    }


def _request(row: EntryRequest) -> dict[str, Any]:
    return {
        "id": row.pk,
        "username": row.username,
        "subject": row.subject,
        "reason": row.reason,
        "state": row.state,
        "answer": row.answer,
        "entry": row.entry.name if row.entry else None,
        "created_at": row.created_at.isoformat(),
    }


def _source(source: Source) -> dict[str, Any]:
    return {
        "slug": source.slug,
        "name": source.name,
        "kind": source.kind,
        "url": source.url,
        "enabled": source.enabled,
        "succeeded_at": source.succeeded_at.isoformat() if source.succeeded_at else None,
        "failures": source.failures,
        "alarm": source.alarm,
        "running": bool(source.holder),
        "progress": {"kind": source.pass_kind, "pages": source.pass_pages, "rows": source.pass_rows},
    }
