"""A list item of the registry API as received, read as far as the mirror needs. Pure. Below: `documents`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from registry.documents.reading import Unusable, identity

OFFICIAL = "io.modelcontextprotocol.registry/official"
#: A list item is a kilobyte or two; one beyond this is no description of a server.
LONGEST = 512 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One version of a server.

    Attributes:
        raw: the item's JSON text as received. digest: its SHA-256.
        is_latest: None where the registry does not say.
    """

    name: str
    version: str
    raw: str
    digest: str
    availability: str
    is_latest: bool | None
    published: datetime | None
    updated: datetime | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item that is no version of anything."""

    raw: str
    digest: str
    reason: str


def read_row(raw: bytes) -> Row | Rejected:
    """Read one list item."""
    digest = hashlib.sha256(raw).hexdigest()
    # Bytes that are no UTF-8 could not be stored; the digest is of what was received.
    text = raw.decode("utf-8", "replace").replace("\x00", "\ufffd")
    try:
        if len(raw) > LONGEST:
            raise Unusable(f"the item is larger than {LONGEST} bytes")
        item = json.loads(text)
        document = item.get("server") if isinstance(item, dict) else None
        if not isinstance(document, dict):
            raise Unusable("the item holds no server document")
        name, version = identity(document)
    except (ValueError, RecursionError) as problem:
        return Rejected(text[:LONGEST], digest, str(problem) or "the item is nested too deeply")
    official = _official(item)
    status = official.get("status") or document.get("status")
    flag = official.get("isLatest", official.get("is_latest"))
    return Row(
        name=name,
        version=version,
        raw=text,
        digest=digest,
        availability=status if status in ("deprecated", "deleted") else "active",
        is_latest=flag if isinstance(flag, bool) else None,
        published=_moment(official.get("publishedAt", official.get("published_at"))),
        updated=_moment(official.get("updatedAt", official.get("updated_at"))),
    )


def with_flag(raw: str, is_latest: bool) -> str:
    """A stored item with its `isLatest` as the mirror knows it; unchanged where it says so already or does not say."""
    item = json.loads(raw)
    official = _official(item)
    if official.get("isLatest", is_latest) == is_latest:
        return raw
    official["isLatest"] = is_latest
    return json.dumps(item, separators=(",", ":"))


def _official(item: Mapping[str, Any]) -> dict[str, Any]:
    """The registry's own metadata of an item, as it lies in it."""
    meta = item.get("_meta")
    official = meta.get(OFFICIAL) if isinstance(meta, dict) else None
    return official if isinstance(official, dict) else {}


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
