"""Add, change, rename, switch, reload and remove servers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.actions import rename_in_keys
from mcphub.actor import Actor
from mcphub.bus import ReloadRequested
from mcphub.changes import announce, insert
from mcphub.errors import Conflict, HubError, InvalidInput, NotAllowed
from servers import config as rules
from servers import settings_reader
from servers.actions.items import bare_key
from servers.actions.noting import next_position, note_server
from servers.config import ITEM_MAPS
from servers.lookups import managed_server
from servers.models import ItemOverride, Server, UserSwitch
from servers.readings import config_of

#: Members of a configuration that are columns (or rows) of their own.
_COLUMNS = frozenset({"type", "description", "enabled", "owner", "visibility", "sharedWithUsers", *ITEM_MAPS})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item of a batch; `refusal` None where it worked."""

    name: str
    refusal: HubError | None = None


@transaction.atomic
def add_server(*, actor: Actor, name: object, config: object, id: uuid.UUID | None = None) -> Server:
    """Add a server from a configuration as the REST contract describes it.

    Raises `InvalidInput` (name, configuration), `NotAllowed` (a privileged one from someone who is no admin),
    `Conflict` (the name is taken).
    """
    name = rules.server_name(name)
    found = rules.created(config)
    if rules.is_privileged(found) and not actor.is_admin:
        raise NotAllowed("Only admins may add servers that run commands on the hub's machine.")
    if Server.objects.filter(name=name).exists():
        raise Conflict(f"There is a server named {name!r} already.")
    found["owner"] = (found.get("owner") if actor.is_admin else None) or actor.username
    return _create(name, found, actor, id)


@transaction.atomic
def import_server(*, actor: Actor, name: str, config: object) -> Server:
    """Add a server from a settings file: with its owner, under names that were legal once.

    Raises `InvalidInput`, `Conflict`.
    """
    if not name.strip() or len(name) > 255 or not name.isprintable() or name in rules.PROTOTYPE_NAMES:
        raise InvalidInput("This cannot be the name of a server.")
    found = rules.created(config)
    found.setdefault("owner", "admin")
    if Server.objects.filter(name=name).exists():
        raise Conflict("There is a server of this name already.")
    return _create(name, found, actor)


def _create(name: str, found: Mapping[str, Any], actor: Actor, id: uuid.UUID | None = None) -> Server:
    server = Server(name=name, position=next_position(Server.objects.all()), **({"id": id} if id else {}))
    _take(server, found)
    insert(server)
    _replace_overrides(server, found)
    note_server("add_server", server, actor, None, config_of(server))
    return server


def add_servers(*, actor: Actor, servers: Sequence[object]) -> list[Outcome]:
    """Add several, each on its own: one that is refused does not hold up the others."""
    outcomes = []
    for item in servers:
        given = item if isinstance(item, Mapping) else {}
        name = given.get("name")
        told = name if isinstance(name, str) and name else "unknown"
        try:
            add_server(actor=actor, name=name, config=given.get("config"))
            outcomes.append(Outcome(told))
        except HubError as refusal:
            outcomes.append(Outcome(told, refusal))
    return outcomes


@transaction.atomic
def change_server(name: str, *, actor: Actor, config: object, new_name: object = None) -> Server:
    """Lay a configuration over the stored one (see `config.merged`), and rename the server where asked.

    Raises `InvalidInput`, `NotFound`, `NotAllowed` (not the owner; a privileged connection changed by no admin),
    `Conflict` (the new name is taken).
    """
    server = managed_server(actor, name, lock=True)
    before = config_of(server)
    after = rules.merged(before, config)
    privileged = rules.is_privileged(after) or rules.is_privileged(before)
    if privileged and not actor.is_admin and rules.connection_differs(before, after):
        raise NotAllowed("Only admins may change how servers that run commands are started.")
    after["owner"] = after.get("owner", server.owner) if actor.is_admin else server.owner
    _take(server, after)
    if isinstance(config, Mapping) and any(kind in config for kind in ITEM_MAPS):
        _replace_overrides(server, after)
    if new_name is not None and new_name != name:
        _rename(server, rules.server_name(new_name))
    server.save()
    note_server("change_server", server, actor, {**before, "name": name}, {**config_of(server), "name": server.name})
    return server


@transaction.atomic
def toggle_server(name: str, *, actor: Actor, enabled: object) -> Server:
    """Connect a server, or keep it configured without a connection. Raises `InvalidInput`, `NotFound`, `NotAllowed`."""
    if not isinstance(enabled, bool):
        raise InvalidInput("enabled must be true or false.")
    server = managed_server(actor, name, lock=True)
    before = {"enabled": server.enabled}
    server.enabled = enabled
    server.save(update_fields=["enabled", "updated_at"])
    note_server("toggle_server", server, actor, before, {"enabled": enabled})
    return server


@transaction.atomic
def set_user_switch(server: Server, *, actor: Actor, enabled: bool) -> None:
    """Show or hide a server that the actor may use, for the actor alone."""
    known = UserSwitch.objects.filter(server=server, username=actor.username).first()
    if known is not None and known.enabled == enabled:
        return
    UserSwitch.objects.update_or_create(server=server, username=actor.username, defaults={"enabled": enabled})
    before = {"enabledForUser": True if known is None else known.enabled}
    note_server("set_user_switch", server, actor, before, {"enabledForUser": enabled})


@transaction.atomic
def reload_server(name: str, *, actor: Actor) -> Server:
    """Have the connection made anew, whatever state it is in. A disabled server stays as it is."""
    server = managed_server(actor, name, lock=True)
    if server.enabled:
        server.generation += 1
        server.save(update_fields=["generation", "updated_at"])
        announce(ReloadRequested(str(server.pk)))
        note_server("reload_server", server, actor, None, {"generation": server.generation})
    return server


@transaction.atomic
def move_server(name: str, *, actor: Actor, position: int) -> None:
    """Put a server at another place in the order clients see; admins only, as the order is everybody's."""
    if not actor.is_admin:
        raise NotAllowed("Only admins order the servers.")
    rows = list(Server.objects.select_for_update().order_by("position", "created_at"))
    moved = next((row for row in rows if row.name == name), None) or managed_server(actor, name)
    before = {"position": rows.index(moved)}
    rows.remove(moved)
    rows.insert(max(0, position), moved)
    for place, row in enumerate(rows):
        row.position = place
    Server.objects.bulk_update(rows, ["position"])
    note_server("move_server", moved, actor, before, {"position": rows.index(moved)})


@transaction.atomic
def remove_server(name: str, *, actor: Actor) -> None:
    """Remove a server with what is known of it; it leaves its groups. Raises `NotFound`, `NotAllowed`."""
    server = managed_server(actor, name, lock=True)
    note_server("remove_server", server, actor, config_of(server), None)
    server.delete()


def _take(server: Server, found: Mapping[str, Any]) -> None:
    server.transport = found["type"]
    server.description = found.get("description", "")
    server.enabled = found.get("enabled", True)
    server.owner = found["owner"]
    server.visibility = found.get("visibility", "private")
    server.shared_with = found.get("sharedWithUsers", [])
    server.config = {name: value for name, value in found.items() if name not in _COLUMNS}


def _replace_overrides(server: Server, found: Mapping[str, Any]) -> None:
    server.overrides.all().delete()
    if not any(found.get(name) for name in ITEM_MAPS):
        return
    separator = settings_reader.effective()["nameSeparator"]
    rows = {
        (kind, key): ItemOverride(
            server=server, kind=kind, key=key, enabled=entry["enabled"], description=entry.get("description")
        )
        for name, kind in ITEM_MAPS.items()
        for key, entry in (
            (bare_key(server, kind, key, separator), entry) for key, entry in found.get(name, {}).items()
        )
    }
    ItemOverride.objects.bulk_create(rows.values())


def _rename(server: Server, name: str) -> None:
    if Server.objects.exclude(pk=server.pk).filter(name=name).exists():
        raise Conflict(f"There is a server named {name!r} already.")
    # Groups refer to the row and overrides to the upstream's own names; only keys list servers by name.
    rename_in_keys("allowed_servers", server.name, name)
    server.name = name
