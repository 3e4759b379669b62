"""Entries: the shipped ones loaded, own ones made, any of them edited, switched or removed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from mcphub.actor import Actor
from mcphub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from registry import catalogue
from registry.actions.noting import catalogue_changed, note
from registry.documents.reading import read
from registry.entries import described, edit, edited_fields, lay, restore
from registry.fields import checked
from registry.models import Availability, Entry, Source, Status, Tombstone
from registry.search import put, remove

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


class AlreadyExists(Conflict):
    """The name of a new entry is taken."""

    code = "already_exists"
    sentence = "There is an entry of that name already."


class NoEntry(NotFound):
    """No entry of that name that the caller may see."""

    code = "server_not_found"
    sentence = "There is no such server in the registry."


@transaction.atomic
def load_catalogue(*, actor: Actor) -> int:
    """Load the shipped catalogue; returns how many entries are new or different. Admins' edits stay."""
    source, _ = Source.objects.get_or_create(
        slug="builtin", defaults={"name": "Built-in catalogue", "kind": Source.Kind.BUILTIN, "approves": True}
    )
    stored = {entry.upstream_name: entry for entry in Entry.objects.select_for_update().filter(source=source)}
    removed = set(Tombstone.objects.filter(source=source).values_list("upstream_name", flat=True))
    edited = edited_fields(list(stored.values()))
    touched = []
    for category, item in catalogue.built_in():
        if item["name"] in removed:
            continue
        entry = stored.pop(item["name"], None) or Entry(
            source=source,
            upstream_name=item["name"],
            published_name=f"mcphub.builtin/{item['name']}",
            status=Status.APPROVED,
        )
        if _shipped(entry, category, item, edited.get(entry.pk, set())):
            touched.append(entry)
    for entry in stored.values():
        # Shipped before and no longer: servers made from it may still point here.
        if entry.availability != Availability.MISSING:
            entry.availability = Availability.MISSING
            touched.append(entry)
    for entry in touched:
        entry.save()
    put(touched)
    if touched:
        note("load_catalogue", actor, "source", source.slug, after={"entries": len(touched)})
        catalogue_changed()
    return len(touched)


@transaction.atomic
def create_entry(*, actor: Actor, name: str, **fields: Any) -> Entry:
    """Make an entry of the hub's own. Raises `InvalidInput`, `NotAllowed`, `AlreadyExists`."""
    _require_admin(actor)
    if not NAME.fullmatch(name):
        raise InvalidInput(
            "name must have 1 to 100 lower-case letters, digits, dots, underscores and hyphens.", data={"field": "name"}
        )
    if Entry.objects.filter(name=name).exists():
        raise AlreadyExists
    source, _ = Source.objects.get_or_create(
        slug="custom", defaults={"name": "Made here", "kind": Source.Kind.CUSTOM, "approves": True}
    )
    entry = Entry(
        source=source,
        name=name,
        upstream_name=name,
        published_name=f"mcphub.custom/{name}",
        status=Status.APPROVED,
        platforms=list(catalogue.PLATFORMS),
    )
    for field, value in checked(fields).items():
        setattr(entry, field, value)
    entry.title = entry.title or name
    entry.upstream = {}
    entry.transports = _transports(entry)
    entry.save(force_insert=True)
    put([entry])
    note("create_entry", actor, "entry", name, after=_told(fields))
    catalogue_changed()
    return entry


@transaction.atomic
def change_entry(name: str, *, actor: Actor, **fields: Any) -> Entry:
    """Change fields of an entry; those of synced entries become edits.

    Raises `InvalidInput`, `NotAllowed`, `NoEntry`.
    """
    _require_admin(actor)
    entry = _locked(name)
    before = {field: getattr(entry, field, None) for field in fields}
    for field, value in checked(fields).items():
        if field in Entry.EDITABLE and entry.source.kind != Source.Kind.CUSTOM:
            edit(entry, field, value, actor.username)
        else:
            setattr(entry, field, value)
    entry.transports = _transports(entry)
    entry.save()
    put([entry])
    note("change_entry", actor, "entry", name, before=_told(before), after=_told(fields))
    catalogue_changed()
    return entry


@transaction.atomic
def restore_fields(name: str, *, actor: Actor, fields: Sequence[str]) -> Entry:
    """Take edits back, so that the source's values count again."""
    _require_admin(actor)
    entry = _locked(name)
    for field in fields:
        if field in Entry.EDITABLE:
            restore(entry, field)
    entry.save()
    put([entry])
    note("restore_fields", actor, "entry", name, after={"fields": list(fields)})
    catalogue_changed()
    return entry


@transaction.atomic
def set_status(names: Sequence[str], *, actor: Actor, status: str) -> int:
    """Approve, hide or deprecate many entries; returns how many changed."""
    _require_admin(actor)
    if status not in Status.values:
        raise InvalidInput(f"status must be one of {', '.join(Status.values)}.", data={"field": "status"})
    count = 0
    for start in range(0, len(names), 500):
        rows = Entry.objects.select_for_update(of=("self",)).select_related("source", "release")
        entries = list(rows.filter(name__in=names[start : start + 500]).exclude(status=status))
        Entry.objects.filter(pk__in=[entry.pk for entry in entries]).update(status=status)
        for entry in entries:
            entry.status = status
            note("set_status", actor, "entry", entry.name, after={"status": status})
        put(entries)
        count += len(entries)
    if count:
        catalogue_changed()
    return count


@transaction.atomic
def delete_entry(name: str, *, actor: Actor) -> None:
    """Remove an entry for good; servers made from it stay. Raises `NotAllowed`, `NoEntry`."""
    _require_admin(actor)
    entry = _locked(name)
    if entry.source.kind != Source.Kind.CUSTOM:
        Tombstone.objects.get_or_create(
            source=entry.source, upstream_name=entry.upstream_name, defaults={"removed_by": actor.username}
        )
    remove([entry.pk])
    entry.delete()
    note("delete_entry", actor, "entry", name, before={"name": name})
    catalogue_changed()


def _locked(name: str) -> Entry:
    entry = Entry.objects.select_for_update(of=("self",)).select_related("source").filter(name=name).first()
    if entry is None:
        raise NoEntry
    return entry


def _require_admin(actor: Actor) -> None:
    if not actor.is_admin:
        raise NotAllowed("Only admins may change the registry.")


def _shipped(entry: Entry, category: str, item: Mapping[str, Any], edited: set[str]) -> bool:
    """Bring an entry up to its shipped form; whether anything of it changed."""
    shipped = catalogue.document_of(item)
    document = read(shipped)
    fields = described(document, shipped) | {
        "title": item["title"],
        "website": item["website"],
        "repository": item.get("repository", ""),
        "icon": item["icon"],
        "category": category,
        "tags": list(item["tags"]),
        "version": "",
        "tools": item.get("tools", []),
        "tools_count": len(item.get("tools", [])),
        "authentication": catalogue.authentication_of(
            document, item.get("setupUrl", ""), item.get("authentication", "")
        ),
        "platforms": item.get("platforms", list(catalogue.PLATFORMS)),
    }
    rest = {
        "document": {"packages": shipped["packages"], "remotes": shipped["remotes"]},
        "author": item.get("author", ""),
        "license": item.get("license", ""),
        "official": item.get("official", False),
        "examples": item.get("examples", []),
        "transports": list(document.transports),
        "availability": Availability.ACTIVE,
    }
    if entry.pk and entry.upstream == fields and all(getattr(entry, name) == value for name, value in rest.items()):
        return False
    if not entry.name:
        entry.name = item["name"] if not Entry.objects.filter(name=item["name"]).exists() else f"{item['name']}-builtin"
    lay(entry, fields, edited)
    for name, value in rest.items():
        setattr(entry, name, value)
    return True


def _transports(entry: Entry) -> list[str]:
    if entry.config:
        return [str(entry.config.get("type", "stdio"))]
    return list(entry.read().transports) if entry.release or entry.document else entry.transports


def _told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a change for the audit; configurations are encrypted and stay out of it."""
    return {name: value for name, value in fields.items() if name != "config"}
