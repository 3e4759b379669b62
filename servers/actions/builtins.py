"""Prompts and resources of the hub's own; admins only, as everyone is offered them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, TypeVar

from django.db import transaction

from mcphub.actor import Actor
from mcphub.changes import insert
from mcphub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from servers import checks, policies
from servers.actions.noting import note
from servers.models import BuiltinPrompt, BuiltinResource

Row = TypeVar("Row", BuiltinPrompt, BuiltinResource)

_PROMPT: Mapping[str, str] = {
    "name": "name",
    "title": "title",
    "description": "description",
    "template": "template",
    "arguments": "arguments",
    "enabled": "enabled",
}
_RESOURCE: Mapping[str, str] = {
    "uri": "uri",
    "name": "name",
    "description": "description",
    "mimeType": "mime_type",
    "content": "content",
    "enabled": "enabled",
}
_REQUIRED = {"prompt": ("name", "template"), "resource": ("uri", "content")}


@transaction.atomic
def add_prompt(*, actor: Actor, members: Mapping[str, Any], id: uuid.UUID | None = None) -> BuiltinPrompt:
    """Add a prompt; `members` has `name` and `template`, and whatever else the REST contract (section 10) names.

    Raises `InvalidInput`, `Conflict` (name taken), `NotAllowed`.
    """
    return _add("prompt", BuiltinPrompt(**({"id": id} if id else {})), members, actor)


@transaction.atomic
def change_prompt(id: uuid.UUID, *, actor: Actor, members: Mapping[str, Any]) -> BuiltinPrompt:
    """Change the members that were given; others are ignored. Raises as `add_prompt`, and `NotFound`."""
    return _change("prompt", _locked(BuiltinPrompt, id, actor), members, actor)


@transaction.atomic
def remove_prompt(id: uuid.UUID, *, actor: Actor) -> None:
    """Remove a prompt. Raises `NotFound`, `NotAllowed`."""
    _remove("prompt", _locked(BuiltinPrompt, id, actor), actor)


@transaction.atomic
def add_resource(*, actor: Actor, members: Mapping[str, Any], id: uuid.UUID | None = None) -> BuiltinResource:
    """Add a text resource; `members` has `uri` and `content`, and what else there is. Raises as `add_prompt`."""
    return _add("resource", BuiltinResource(**({"id": id} if id else {})), members, actor)


@transaction.atomic
def change_resource(id: uuid.UUID, *, actor: Actor, members: Mapping[str, Any]) -> BuiltinResource:
    """Change the members that were given; others are ignored. Raises as `add_prompt`, and `NotFound`."""
    return _change("resource", _locked(BuiltinResource, id, actor), members, actor)


@transaction.atomic
def remove_resource(id: uuid.UUID, *, actor: Actor) -> None:
    """Remove a resource. Raises `NotFound`, `NotAllowed`."""
    _remove("resource", _locked(BuiltinResource, id, actor), actor)


def told(row: BuiltinPrompt | BuiltinResource) -> dict[str, Any]:
    """The object of the REST contract; what is unset is absent."""
    columns = _PROMPT if isinstance(row, BuiltinPrompt) else _RESOURCE
    members = {name: getattr(row, column) for name, column in columns.items()}
    return {"id": str(row.pk), **{name: value for name, value in members.items() if value is not None}}


def _add(kind: str, row: Row, members: Mapping[str, Any], actor: Actor) -> Row:
    _require_admin(actor)
    for name in _REQUIRED[kind]:
        if not checks.trimmed(members.get(name)):
            raise InvalidInput(f"{name} is required.")
    _take(row, members)
    _require_free(row)
    insert(row)
    note(f"add_{kind}", actor, kind, row, None, told(row))
    return row


def _change(kind: str, row: Row, members: Mapping[str, Any], actor: Actor) -> Row:
    before = told(row)
    for name in _REQUIRED[kind]:
        if name in members and not checks.trimmed(members[name]):
            raise InvalidInput(f"{name} must not be empty.")
    _take(row, members)
    _require_free(row)
    row.save()
    note(f"change_{kind}", actor, kind, row, before, told(row))
    return row


def _remove(kind: str, row: BuiltinPrompt | BuiltinResource, actor: Actor) -> None:
    note(f"remove_{kind}", actor, kind, row, told(row), None)
    row.delete()


def _locked(model: type[Row], id: uuid.UUID, actor: Actor) -> Row:
    _require_admin(actor)
    row = model._default_manager.select_for_update().filter(pk=id).first()
    if row is None:
        raise NotFound()
    return row


def _require_admin(actor: Actor) -> None:
    if not policies.may_manage_settings(actor):
        raise NotAllowed("Only admins manage the hub's own prompts and resources.")


def _require_free(row: BuiltinPrompt | BuiltinResource) -> None:
    key = "name" if isinstance(row, BuiltinPrompt) else "uri"
    rows = type(row)._default_manager.exclude(pk=row.pk)
    if rows.filter(**{key: getattr(row, key)}).exists():
        raise Conflict(f"This {key} is taken.")


def _take(row: BuiltinPrompt | BuiltinResource, members: Mapping[str, Any]) -> None:
    columns = _PROMPT if isinstance(row, BuiltinPrompt) else _RESOURCE
    for name, value in members.items():
        if (column := columns.get(name)) is not None:
            setattr(row, column, _checked(name, value))


def _checked(name: str, value: Any) -> Any:
    if name == "enabled":
        return checks.boolean(name, value)
    if name == "arguments":
        return None if value is None else _arguments(value)
    if value is None and name in ("title", "description"):
        return None
    if name in ("template", "content"):
        checks.text(10_000_000)(name, value)
        return value  # blanks at the ends are content
    return checks.text({"description": 20_000, "uri": 2048}.get(name, 255))(name, value) or None


def _arguments(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > 100:
        raise InvalidInput("arguments must be a list of at most 100 objects.")
    for argument in value:
        if not isinstance(argument, Mapping) or not checks.trimmed(argument.get("name")):
            raise InvalidInput("Each argument is an object with a name.")
        for member, check in (("title", checks.text(255)), ("description", checks.text(20_000))):
            if argument.get(member) is not None:
                check(f"arguments.{member}", argument[member])
        if argument.get("required") is not None:
            checks.boolean("arguments.required", argument["required"])
        checks.storable("arguments", argument)
    return [dict(argument) for argument in value]
