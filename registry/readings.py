"""What the registry's doors show: entries in the words of the registry API, and each user's state of them.

Above: the API, the pages. Below: `models`, `servers`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from mcphub.actor import Viewer
from registry.documents.versions import is_newer
from registry.models import Entry, Installation
from servers.models import DiscoveredItem, ItemOverride, Server, UserSwitch


def listed(entry: Entry) -> dict[str, Any]:
    """An entry as lists show it."""
    return {
        "name": entry.name,
        "display_name": entry.title,
        "description": entry.description,
        "version": entry.version,
        "tools_count": entry.tools_count,
        "category": entry.category,
        "tags": entry.tags,
        "url": entry.website,
        "icon": entry.icon,
        "source": entry.source.kind,
        "status": entry.status,
    }


def detailed(entry: Entry) -> dict[str, Any]:
    """An entry with everything the registry API tells of it."""
    return {
        **listed(entry),
        "tools": entry.tools,
        "authentication": entry.authentication or {"type": "none", "required": False},
        "rate_limit": entry.rate_limit,
        "supported_platforms": entry.platforms,
        "repository": entry.repository,
        "transports": entry.transports,
        "self_service": entry.self_service,
    }


def installations(viewer: Viewer, entries: Collection[int] | None = None) -> dict[int, Installation]:
    """For each entry the server made from it that the viewer may use, an own one before others'."""
    rows = Installation.objects.filter(server__in=Server.objects.visible_to(viewer), entry__isnull=False)
    if entries is not None:
        rows = rows.filter(entry__in=entries)
    found: dict[int, Installation] = {}
    for row in rows.select_related("server", "entry").order_by("installed_at", "pk"):
        assert row.entry_id is not None
        known = found.get(row.entry_id)
        if known is None or (row.server.owner == viewer.username != known.server.owner):
            found[row.entry_id] = row
    return found


def newer_version(installation: Installation) -> str:
    """The version that could replace an installed one; "" where there is none."""
    entry = installation.entry
    return entry.version if entry is not None and is_newer(entry.version, installation.version) else ""


def servers_by_entry(viewer: Viewer) -> dict[str, Server]:
    """The viewer's installed servers by the names of their entries."""
    return {row.entry_name: row.server for row in installations(viewer).values()}


def server_named(viewer: Viewer, name: str) -> Server | None:
    """The server the viewer means by a name: one made from the entry of that name, else the server called so."""
    rows = Installation.objects.filter(entry_name=name, server__in=Server.objects.visible_to(viewer))
    made = [row.server for row in rows.select_related("server").order_by("installed_at", "pk")]
    own = [server for server in made if server.owner == viewer.username]
    if made:
        return (own or made)[0]
    return Server.objects.visible_to(viewer).filter(name=name).first()


def switches(viewer: Viewer, servers: Iterable[Server]) -> dict[Any, bool]:
    """Whether each server is on for the viewer, by the server's id: the own switch, else the server's state."""
    rows = list(servers)
    chosen = UserSwitch.objects.filter(username=viewer.username or "", server__in=rows)
    own = dict(chosen.values_list("server_id", "enabled"))
    # A switch cannot turn on what its owner has turned off.
    return {server.pk: server.enabled and own.get(server.pk, True) for server in rows}


def switched_on(viewer: Viewer) -> list[str]:
    """Names of the entries whose servers are on for the viewer."""
    found = servers_by_entry(viewer)
    states = switches(viewer, found.values())
    return sorted(name for name, server in found.items() if states[server.pk])


def tool_rows(servers: Collection[Server]) -> list[tuple[Server, str, str, bool]]:
    """Every tool of some servers: (server, its own name, definition, whether it is enabled)."""
    by_id = {server.pk: server for server in servers}
    off = set(ItemOverride.objects.filter(server__in=by_id, kind="tool", enabled=False).values_list("server_id", "key"))
    items = DiscoveredItem.objects.filter(server__in=by_id, kind="tool", present=True)
    rows = items.order_by("server__position", "position").values_list("server_id", "key", "definition")
    return [(by_id[server], key, definition, (server, key) not in off) for server, key, definition in rows]


def tool_counts(servers: Collection[Server]) -> Counter[Any]:
    """How many tools of each server are enabled, by the server's id."""
    return Counter(server.pk for server, _, _, enabled in tool_rows(servers) if enabled)


def usable_tools(server: Server) -> int:
    """How many tools of a server can be used while it is on."""
    return tool_counts([server])[server.pk] if server.enabled else 0
