"""How values reach an entry: from its source, from an admin, and back. The one place that knows what an edit is.

An edit is a row of its own that outlives every sync; the entry's column holds what counts, `upstream` what the source
says. Callers hold the entry's lock. Above: `actions`, `sync`. Below: `models`, `catalogue`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.utils import timezone

from registry.catalogue import PLATFORMS, authentication_of, category_for
from registry.documents.values import Document
from registry.models import Entry, FieldEdit

_NAME_LIMIT = 100
_PUBLISHER = "io.modelcontextprotocol.registry/publisher-provided"
#: What a sync writes of an entry.
SYNCED = [*Entry.EDITABLE, "transports", "availability", "upstream", "release", "updated_at"]


def lay(entry: Entry, fields: Mapping[str, Any], edited: Collection[str]) -> None:
    """Give an entry its source's values; edited fields keep the admin's."""
    entry.upstream = dict(fields)
    for field, value in fields.items():
        if field not in edited:
            setattr(entry, field, value)
    entry.updated_at = timezone.now()


def edit(entry: Entry, field: str, value: Any, by: str) -> None:
    """Put an admin's value over the source's. The source's own value again is no edit."""
    if value == entry.upstream.get(field):
        restore(entry, field)
        return
    FieldEdit.objects.update_or_create(
        entry=entry, field=field, defaults={"value": value, "edited_by": by, "edited_at": timezone.now()}
    )
    setattr(entry, field, value)


def restore(entry: Entry, field: str) -> None:
    """Take an edit back: the source's value counts again."""
    FieldEdit.objects.filter(entry=entry, field=field).delete()
    if field in entry.upstream:
        setattr(entry, field, entry.upstream[field])


def edited_fields(entries: Sequence[Entry]) -> dict[int, set[str]]:
    """The edited fields of some entries, by the entries' ids."""
    fields: dict[int, set[str]] = {}
    for pk, field in FieldEdit.objects.filter(entry__in=entries).values_list("entry_id", "field"):
        fields.setdefault(pk, set()).add(field)
    return fields


def described(document: Document, server: Mapping[str, Any]) -> dict[str, Any]:
    """The editable fields of an entry as a document gives them. `server` is the document's JSON, for its `_meta`."""
    told = _publisher(server)
    tags = [word for word in _texts(told.get("tags")) + _texts(told.get("keywords")) if len(word) <= 40]
    kinds = [package.registry for package in document.packages] + ["remote" for _ in document.remotes[:1]]
    tools = _tools(told.get("tools"))
    return {
        "title": (document.title or _title(document.name))[:200],
        "description": document.description[:2000],
        "website": document.website or document.repository,
        "repository": document.repository,
        "icon": "",
        "category": category_for([document.name, document.title, document.description, *tags]),
        "tags": list(dict.fromkeys(word.lower() for word in (*tags, *kinds)))[:30],
        "version": document.version,
        "tools": tools,
        "tools_count": len(tools),
        "authentication": authentication_of(document, document.website or document.repository),
        "rate_limit": {},
        "platforms": list(PLATFORMS),
    }


def slug_for(name: str, taken: Collection[str] = (), origin: str = "") -> str:
    """An entry's name for a server's: lower case, usable in a path, unlike those taken.

    `origin` tells apart what differs in nothing else: two sources, or two names that differ in case only.
    """
    slug = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).lstrip("._-")
    if slug and len(slug) <= _NAME_LIMIT and slug not in taken:
        return slug
    mark = hashlib.sha256(f"{origin} {name}".encode()).hexdigest()[:8]
    return f"{slug[: _NAME_LIMIT - 9] or 'server'}-{mark}"


def _tools(told: Any) -> list[dict[str, str]]:
    listed = told if isinstance(told, list) else []
    return [
        {"name": str(tool["name"])[:200], "description": str(tool.get("description") or "")[:1000]}
        for tool in listed[:500]
        if isinstance(tool, dict) and isinstance(tool.get("name"), str)
    ]


def _publisher(server: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = server.get("_meta")
    told = meta.get(_PUBLISHER) if isinstance(meta, dict) else None
    return told if isinstance(told, dict) else {}


def _texts(value: Any) -> list[str]:
    return [one.strip() for one in value if isinstance(one, str) and one.strip()] if isinstance(value, list) else []


def _title(name: str) -> str:
    """A name people can read: the last part, its separators as blanks."""
    words = re.sub(r"[-_.]+", " ", name.rpartition("/")[2]).split()
    return " ".join(word if word.isupper() else word.capitalize() for word in words) or name
