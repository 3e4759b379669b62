"""The mirror in the words of the registry it mirrors, and the curated catalogue as a registry of its own.

Both answer as the official API does: order, cursor, limits. A source that was never synchronised is asked directly,
so that a fresh hub can be browsed at once. Above: the API. Below: `models`, `sync.client`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.db.models import Q

from mcphub.actor import Viewer
from mcphub.errors import InvalidInput, NotFound
from registry.models import Entry, Source, Version
from registry.sync.rows import OFFICIAL, with_flag
from registry.web import Answer, Unreachable, Web

LIMIT, MOST = 30, 100
#: The hub's own word beside the official metadata.
OWN = "io.mcphub.registry/curation"


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a list. `version`: "", "latest" or an exact one."""

    cursor: str = ""
    limit: int = LIMIT
    search: str = ""
    since: datetime | None = None
    version: str = ""
    deleted: bool = False

    @property
    def place(self) -> tuple[str, str]:
        """Name and version of the last item before this page. Raises `InvalidInput`."""
        name, colon, version = self.cursor.partition(":")
        if not colon:
            raise InvalidInput("The cursor is not one of this list.", data={"field": "cursor"})
        return name, version


@dataclass(frozen=True, slots=True)
class Listed:
    """A page: items as JSON texts, and the cursor of the next page ("" at the end)."""

    items: list[str]
    cursor: str = ""

    def body(self) -> dict[str, Any]:
        """The page as the API answers it; the items pass through as they are."""
        metadata: dict[str, Any] = {"count": len(self.items)}
        if self.cursor:
            metadata["nextCursor"] = self.cursor
        return {"servers": [msgspec.Raw(item.encode()) for item in self.items], "metadata": metadata}


def default_source(slug: str = "") -> Source:
    """The registry that is browsed: the one asked for, else the first enabled. Raises `NotFound`."""
    rows = Source.objects.filter(kind=Source.Kind.REGISTRY, enabled=True)
    source = rows.filter(slug=slug).first() if slug else rows.first()
    if source is None:
        raise NotFound("No registry is enabled.")
    return source


# -- the mirror ------------------------------------------------------------------------------------------------------


def mirror_page(source: Source, asked: Asked) -> dict[str, Any]:
    """A page of a mirrored registry, or of the registry itself where it was never mirrored."""
    if source.watermark is None and not source.versions.exists():
        told = {"limit": str(asked.limit), "cursor": asked.cursor, "search": asked.search, "version": asked.version}
        return _page(_live(source, "servers", {name: value for name, value in told.items() if value}))
    rows = Version.objects.filter(source=source).listed(deleted=asked.deleted or asked.since is not None)
    if asked.since is not None:
        rows = rows.filter(updated_at__gt=asked.since)
    if asked.version == "latest":
        rows = rows.filter(is_latest=True)
    elif asked.version:
        rows = rows.filter(version=asked.version)
    if asked.cursor:
        rows = rows.after(*asked.place)
    rows = rows.order_by("name", "version")
    found = _searched(source, rows, asked) if asked.search else list(rows[: asked.limit])
    cursor = f"{found[-1].name}:{found[-1].version}" if len(found) == asked.limit else ""
    return Listed([_item(row) for row in found], cursor).body()


def mirror_versions(source: Source, name: str, *, deleted: bool = False) -> dict[str, Any]:
    """All versions of a name, newest publication first. Raises `NotFound`."""
    rows = Version.objects.filter(source=source, name=name).listed(deleted=deleted)
    found = list(rows.order_by("-published_at", "-pk"))
    if not found and source.watermark is None:
        return _page(_live(source, "servers", {}, name, "versions"))
    if not found:
        raise NotFound("There is no such server in the registry.")
    return Listed([_item(row) for row in found]).body()


def mirror_version(source: Source, name: str, version: str, *, deleted: bool = False) -> msgspec.Raw:
    """One version of a name, or its latest. Raises `NotFound`."""
    rows = Version.objects.filter(source=source, name=name).listed(deleted=deleted)
    found = rows.filter(is_latest=True).first() if version == "latest" else rows.filter(version=version).first()
    if found is None and source.watermark is None:
        return msgspec.Raw(msgspec.json.encode(_live(source, "servers", {}, name, "versions", version)))
    if found is None:
        raise NotFound("There is no such version in the registry.")
    return msgspec.Raw(_item(found).encode())


def _searched(source: Source, rows: Any, asked: Asked) -> list[Version]:
    """The page of versions whose name holds a text. Names are found first: there are far fewer of them."""
    names = Entry.objects.filter(source=source, upstream_name__icontains=asked.search).order_by("upstream_name")
    if asked.cursor:
        names = names.filter(upstream_name__gte=asked.place[0])
    found: list[Version] = []
    while len(found) < asked.limit:
        batch = list(names.values_list("upstream_name", flat=True)[:MOST])
        found += rows.filter(name__in=batch)[: asked.limit - len(found)]
        if len(batch) < MOST:
            break
        names = names.filter(upstream_name__gt=batch[-1])
    return found


def _item(row: Version) -> str:
    return with_flag(row.raw, row.is_latest)


def _live(source: Source, *path: Any) -> Any:
    segments = [one for one in path if isinstance(one, str)]
    params = next((one for one in path if isinstance(one, dict)), {})
    url = "/".join([source.url, *(_quoted(one) for one in segments)])
    with Web(source.headers) as web:
        answer = web.get(url, params)
    if answer.status == 404:
        raise NotFound("There is no such server in the registry.")
    _require_success(answer)
    return answer.json()


def _page(told: Any) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise Unreachable("The registry's list has another form than expected.")
    return told


def _require_success(answer: Answer) -> None:
    if answer.status != 200:
        reason = answer.reason()
        raise Unreachable(f"The registry answered {answer.status}{f': {reason}' if reason else '.'}")


def _quoted(segment: str) -> str:
    return segment.replace("%", "%25").replace("/", "%2F").replace("+", "%2B").replace("?", "%3F").replace("#", "%23")


# -- the curated catalogue -------------------------------------------------------------------------------------------


def curated_page(viewer: Viewer | None, asked: Asked) -> dict[str, Any]:
    """A page of what the viewer may install, each server with the version that stands for it."""
    rows = Entry.objects.installable_by(viewer).select_related("source", "release")
    if asked.since is not None:
        rows = rows.filter(updated_at__gt=asked.since)
    if asked.search:
        rows = rows.filter(Q(published_name__icontains=asked.search) | Q(title__icontains=asked.search))
    if asked.version not in ("", "latest"):
        rows = rows.filter(version=asked.version)
    if asked.cursor:
        rows = rows.filter(published_name__gt=asked.place[0])
    found = _once(rows.order_by("published_name", "source__position", "pk")[: asked.limit * 2], asked.limit)
    cursor = f"{found[-1].published_name}:{published_version(found[-1])}" if len(found) == asked.limit else ""
    return Listed([_published(entry) for entry in found], cursor).body()


def curated_versions(viewer: Viewer | None, name: str) -> dict[str, Any]:
    """The versions of a server that the viewer may install: the mirror's, else the one it has. Raises `NotFound`."""
    entry = _curated(viewer, name)
    if entry.release is None:
        return Listed([_published(entry)]).body()
    rows = Version.objects.filter(source=entry.source_id, name=entry.upstream_name).listed()
    return Listed([_with_own(_item(row), entry) for row in rows.order_by("-published_at", "-pk")]).body()


def curated_version(viewer: Viewer | None, name: str, version: str) -> msgspec.Raw:
    """One version of a server that the viewer may install. Raises `NotFound`."""
    entry = _curated(viewer, name)
    if version in ("latest", published_version(entry)):
        return msgspec.Raw(_published(entry).encode())
    row = Version.objects.filter(source=entry.source_id, name=entry.upstream_name, version=version).listed().first()
    if row is None:
        raise NotFound("There is no such version in this registry.")
    return msgspec.Raw(_with_own(_item(row), entry).encode())


def published_version(entry: Entry) -> str:
    """The version a curated entry is published under; shipped entries follow their packages and have a fixed one."""
    return entry.version or "1.0.0"


def _curated(viewer: Viewer | None, name: str) -> Entry:
    rows = Entry.objects.installable_by(viewer).select_related("source", "release").filter(published_name=name)
    entry = rows.order_by("source__position", "pk").first()
    if entry is None:
        raise NotFound("There is no such server in this registry.")
    return entry


def _once(entries: Iterable[Entry], limit: int) -> list[Entry]:
    """Each name once: where two sources have it, the one that comes first."""
    found: dict[str, Entry] = {}
    for entry in entries:
        if len(found) == limit and entry.published_name not in found:
            break
        found.setdefault(entry.published_name, entry)
    return list(found.values())


def _published(entry: Entry) -> str:
    if entry.release is not None:
        return _with_own(_item(entry.release), entry)
    stamps = {"publishedAt": entry.created_at.isoformat(), "updatedAt": entry.updated_at.isoformat()}
    status = "deprecated" if entry.status == "deprecated" else "active"
    document = {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": entry.published_name,
        "title": entry.title[:100],
        "description": entry.description[:100] or entry.title[:100],
        "version": published_version(entry),
        **({"websiteUrl": entry.website} if entry.website else {}),
        **({"repository": {"url": entry.repository, "source": "git"}} if entry.repository else {}),
        **{name: entry.document[name] for name in ("packages", "remotes") if entry.document.get(name)},
    }
    official = {"status": status, **stamps, "isLatest": True}
    return _with_own(json.dumps({"server": document, "_meta": {OFFICIAL: official}}, ensure_ascii=False), entry)


def _with_own(item: str, entry: Entry) -> str:
    """An item with the hub's own metadata beside the registry's, which stays as it is."""
    told = json.loads(item)
    meta = told.get("_meta") if isinstance(told.get("_meta"), dict) else {}
    own = {"name": entry.name, "status": entry.status, "category": entry.category, "tags": entry.tags}
    return json.dumps({**told, "_meta": {**meta, OWN: own}}, ensure_ascii=False, separators=(",", ":"))
