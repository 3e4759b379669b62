"""Sources: registries that are mirrored, added, changed, told that a loss is right, asked now, removed."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from mcphub.actor import Actor
from mcphub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from mcphub.gateway.errors import ForbiddenAddress
from mcphub.gateway.upstreams import egress
from registry import queue, schedules
from registry.actions.noting import catalogue_changed, note
from registry.models import Entry, Source
from registry.search import remove

#: The official registry, known from the start; an admin may switch it off.
OFFICIAL = ("official", "Official MCP registry", "https://registry.modelcontextprotocol.io/v0.1")
_CHANGEABLE = frozenset({"name", "url", "headers", "enabled", "approves", "pace_ms", "position"})


@transaction.atomic
def ensure_sources(*, actor: Actor) -> None:
    """Make the official registry's row and all schedules at the first start; later they are the admins' to remove."""
    slug, name, url = OFFICIAL
    if not Source.objects.exists():
        add_source(actor=actor, slug=slug, name=name, url=url)
        schedules.ensure_copy()


@transaction.atomic
def add_source(*, actor: Actor, slug: str, name: str, url: str, **known: Any) -> Source:
    """Add a registry that speaks the official API. Raises `InvalidInput`, `NotAllowed`, `Conflict`."""
    _require_admin(actor)
    if Source.objects.filter(slug=slug).exists():
        raise Conflict(f"There is a source {slug!r} already.")
    source = Source(slug=slug, kind=Source.Kind.REGISTRY)
    _set(source, {"name": name, "url": url, **known})
    source.save(force_insert=True)
    schedules.ensure(source)
    note("add_source", actor, "source", slug, after={"name": name, "url": url})
    return source


@transaction.atomic
def change_source(slug: str, *, actor: Actor, **changes: Any) -> Source:
    """Change a source. Another address starts with a full pass. Raises `InvalidInput`, `NotAllowed`, `NotFound`."""
    _require_admin(actor)
    source = _locked(slug)
    before = {name: getattr(source, name, None) for name in changes if name != "headers"}
    moved = "url" in changes and changes["url"] != source.url
    _set(source, changes)
    if moved:
        source.watermark, source.pass_kind = None, ""
    # Only what was changed: a run that works on this source writes its progress to the same row.
    source.save(update_fields=[*changes, *(("watermark", "pass_kind") if moved else ())])
    note("change_source", actor, "source", slug, before=before, after={name: changes[name] for name in before})
    return source


@transaction.atomic
def remove_source(slug: str, *, actor: Actor) -> None:
    """Remove a registry with its mirror and entries; servers made from them stay."""
    _require_admin(actor)
    source = _locked(slug)
    if source.kind != Source.Kind.REGISTRY:
        raise InvalidInput("Only registries can be removed; switch this source off instead.")
    ids = list(Entry.objects.filter(source=source).values_list("pk", flat=True))
    for start in range(0, len(ids), 500):
        remove(ids[start : start + 500])
    schedules.remove(slug)
    source.delete()
    note("remove_source", actor, "source", slug, before={"name": source.name, "url": source.url})
    catalogue_changed()


@transaction.atomic
def accept_reset(slug: str, *, actor: Actor) -> None:
    """Say that a registry's loss of data is right: the next full pass, asked for at once, marks what is gone."""
    _require_admin(actor)
    source = _locked(slug)
    Source.objects.filter(pk=source.pk).update(reset_accepted=True)
    queue.later("registry.tasks.sync_source", source=slug, kind="full", asked_by=actor.username)
    note("accept_reset", actor, "source", slug)


@transaction.atomic
def request_sync(slug: str, *, actor: Actor, kind: str = "delta") -> None:
    """Have a source synchronised now, in a job. Raises `NotAllowed`, `NotFound`, `InvalidInput`."""
    _require_admin(actor)
    source = _locked(slug)
    if source.kind != Source.Kind.REGISTRY or not source.enabled:
        raise InvalidInput(f"{source.name} is no enabled registry.")
    queue.later("registry.tasks.sync_source", source=slug, kind=kind, asked_by=actor.username)
    note("request_sync", actor, "source", slug, after={"kind": kind})


def _locked(slug: str) -> Source:
    source = Source.objects.select_for_update().filter(slug=slug).first()
    if source is None:
        raise NotFound("There is no such source.")
    return source


def _require_admin(actor: Actor) -> None:
    if not actor.is_admin:
        raise NotAllowed("Only admins may change sources.")


def _set(source: Source, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if name not in _CHANGEABLE:
            raise InvalidInput(f"{name} of a source cannot be set.")
        setattr(source, name, value)
    source.url = source.url.strip().rstrip("/")
    try:
        egress.check_url(source.url, trusted=True)
        source.clean_fields(exclude=["headers"])
    except ForbiddenAddress as problem:
        raise InvalidInput(problem.message, data={"field": "url"}) from None
    except ValidationError as problem:
        field, texts = next(iter(problem.message_dict.items()))
        raise InvalidInput(f"{field}: {texts[0]}", data={"field": field}) from None
    headers = source.headers
    if not isinstance(headers, dict) or not all(isinstance(one, str) for pair in headers.items() for one in pair):
        raise InvalidInput("headers must be an object of texts.", data={"field": "headers"})
