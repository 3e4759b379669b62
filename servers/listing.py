"""Servers as the API lists and shows them: rows and sheets from the database, connection states from the hub.

Above: the API, the dashboard. Below: `sheets`, `readings`, `mcphub.plane`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcphub import plane
from mcphub.actor import Viewer
from servers import policies, readings, settings_reader
from servers.models import Server
from servers.sheets import SHEETS, Sheet

#: What a list reads of a row; everything else is on its sheet.
_ROW = ("name", "revision", "enabled", "owner", "visibility", "shared_with", "position", "created_at")
_STATUS = {"connected": "connected", "connecting": "connecting", "oauth_required": "oauth_required"}
_TOLD = {
    "state": "state", "reason": "reason", "attempt": "attempt", "since": "since", "connectedAt": "connected_at",
    "nextAttempt": "next_attempt",
}  # fmt: skip
_TIMES = frozenset({"since", "connected_at", "next_attempt"})
#: What those who may only use a server are told of its troubles.
_AWAY = "The server is not connected."


def listed(viewer: Viewer) -> list[dict[str, Any]]:
    """Every server the viewer may see, in the stored order, as the contract's list item (4.4)."""
    rows = list(Server.objects.visible_to(viewer).only(*_ROW))
    sheets = SHEETS.of(rows, separator())
    states = plane.states()
    return [
        _item(row, sheets[row.pk], states.get(str(row.pk), {}), readable=policies.may_read_config(viewer, row))
        for row in rows
        if row.pk in sheets
    ]


def detail(viewer: Viewer, server: Server) -> dict[str, Any]:
    """One server with its configuration (contract 5.2): whole for those who may read it, else the safe part."""
    readable = policies.may_read_config(viewer, server)
    overrides = list(server.overrides.all())
    config = readings.shown(server, overrides) if readable else readings.safe(server, overrides)
    known = set(server.items.values_list("key", flat=True))
    item = _item(server, SHEETS.of([server], separator())[server.pk], plane.states().get(str(server.pk), {}), readable)
    return item | {"config": readings.with_prefixes(config, server, separator(), known)}


def separator() -> str:
    """What stands between a server's name and its items' names."""
    return str(settings_reader.effective()["nameSeparator"])


def status_of(server: Server, state: Mapping[str, Any]) -> str:
    """The contract's word for how a server stands; one that is on and not known yet is about to connect."""
    if not server.enabled:
        return "disconnected"
    return _STATUS.get(str(state.get("state", "connecting")), "disconnected")


def _item(server: Server, sheet: Sheet, state: Mapping[str, Any], readable: bool) -> dict[str, Any]:
    status = status_of(server, state)
    item: dict[str, Any] = {"name": server.name}
    item |= {name: value for name in ("version", "instructions") if (value := getattr(sheet, name)) is not None}
    item |= {
        "owner": server.owner,
        "visibility": server.visibility,
        "status": status,
        "error": _error(state, readable) if server.enabled and status != "connected" else None,
        "tools": sheet.tools,
        "prompts": sheet.prompts,
        "resources": sheet.resources,
        "createTime": round(server.created_at.timestamp() * 1000),
        "enabled": server.enabled,
    }
    oauth: dict[str, Any] = dict(sheet.oauth)
    if readable and state.get("authorization_url"):
        oauth["authorizationUrl"] = state["authorization_url"]
    if oauth:
        item["oauth"] = oauth
    if readable:
        return item | {"config": sheet.config, "connection": _connection(server, state)}
    restricted = {name: sheet.config[name] for name in ("type", "description") if name in sheet.config}
    return item | {"config": {**restricted, "configRestricted": True}}


def _error(state: Mapping[str, Any], readable: bool) -> str | None:
    reason = str(state.get("reason") or "")
    return (reason if readable else _AWAY) if reason else None


def _connection(server: Server, state: Mapping[str, Any]) -> dict[str, Any]:
    if not server.enabled:
        return {"state": "disconnected", "reason": ""}
    if not state:
        return {"state": "connecting", "reason": ""}
    told = {name: state.get(member) for name, member in _TOLD.items() if member in state}
    return {
        name: round(value * 1000) if _TOLD[name] in _TIMES and isinstance(value, int | float) else value
        for name, value in told.items()
    }
