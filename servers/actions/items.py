"""Switch and describe single tools, prompts and resources. Items need not exist (yet)."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from mcphub.actor import Actor
from mcphub.errors import InvalidInput
from mcphub.texts import is_storable
from servers import settings_reader
from servers.actions.noting import note_server
from servers.config import item_key
from servers.lookups import managed_server
from servers.models import DiscoveredItem, ItemOverride, Kind, Server

_LENGTH = 100_000

Members = Mapping[str, object]


@transaction.atomic
def set_item_enabled(server: str, kind: str, key: object, *, actor: Actor, enabled: object) -> None:
    """Offer an item or hide it, wherever it is listed or called. Its description override stays.

    Args:
        kind: tool, prompt or resource. key: the upstream's own name or URI, or the name with the server's prefix.
    Raises `InvalidInput`, `NotFound`, `NotAllowed`.
    """
    if not isinstance(enabled, bool):
        raise InvalidInput("enabled must be true or false.")
    row, found = _override(server, kind, key, actor)
    before = {"enabled": found.enabled}
    found.enabled = enabled
    found.save()
    _note("set_item_enabled", row, found, actor, before, {"enabled": enabled})


@transaction.atomic
def describe_item(server: str, kind: str, key: object, *, actor: Actor, description: object) -> None:
    """Show another description than the upstream's; an empty one counts. Raises as `set_item_enabled`."""
    if not isinstance(description, str) or len(description) > _LENGTH or not is_storable(description):
        raise InvalidInput(f"The description must be a text of at most {_LENGTH} characters.")
    row, found = _override(server, kind, key, actor)
    before = {"description": found.description}
    found.description = description
    found.save()
    _note("describe_item", row, found, actor, before, {"description": description})


@transaction.atomic
def reset_item(server: str, kind: str, key: object, *, actor: Actor) -> str:
    """Show the upstream's description again; returns it ("" where the item is unknown). Raises as `describe_item`."""
    row, found = _override(server, kind, key, actor)
    before = {"description": found.description}
    found.description = None
    if found.enabled and found.pk is not None:
        found.delete()
    elif not found.enabled:
        found.save()
    _note("reset_item", row, found, actor, before, {"description": None})
    return upstream_description(row, found.kind, found.key)


def upstream_description(server: Server, kind: str, key: str) -> str:
    """The description the upstream gave an item; "" where it gave none or the item is unknown."""
    item = DiscoveredItem.objects.filter(server=server, kind=kind, key=key).first()
    return "" if item is None else item.described()


def bare_key(server: Server, kind: str, key: object, separator: str | None = None) -> str:
    """The upstream's own name for an item that may have been given with the server's prefix.

    A name the upstream offers is taken as it is; else the prefix of this server is removed.
    """
    given = item_key(key)
    if kind == Kind.RESOURCE:
        return given
    if separator is None:
        separator = settings_reader.effective()["nameSeparator"]
    prefix = f"{server.name}{separator}"
    if not given.startswith(prefix) or given == prefix:
        return given
    if server.pk is not None and DiscoveredItem.objects.filter(server=server, kind=kind, key=given).exists():
        return given
    return given.removeprefix(prefix)


def _override(name: str, kind: str, key: object, actor: Actor) -> tuple[Server, ItemOverride]:
    if kind not in (Kind.TOOL, Kind.PROMPT, Kind.RESOURCE):
        raise InvalidInput("Only tools, prompts and resources can be switched and described.")
    server = managed_server(actor, name, lock=True)
    bare = bare_key(server, kind, key)
    found = ItemOverride.objects.filter(server=server, kind=kind, key=bare).first()
    return server, found or ItemOverride(server=server, kind=kind, key=bare)


def _note(action: str, server: Server, override: ItemOverride, actor: Actor, before: Members, after: Members) -> None:
    item = f"{override.kind} {override.key}"
    note_server(action, server, actor, {item: before}, {item: after})
