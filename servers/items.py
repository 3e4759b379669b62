"""Tools, prompts and resources of a server as its page shows them. Read from the snapshot; one query tells changes.

Above: the dashboard's views. Below: `cost`, `toolforms`, the gateway's values.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from mcphub.gateway.snapshot import Offer, ServerSpec
from servers.cost import cost_of
from servers.models import DiscoveredItem
from servers.toolforms import Field, fields_of, fields_of_prompt

#: The tabs that list items.
SHOWN = ("tools", "prompts", "resources")
_HINTS = {
    "readOnlyHint": (True, "reads only"),
    "destructiveHint": (True, "may destroy"),
    "idempotentHint": (True, "idempotent"),
    "openWorldHint": (True, "reaches out"),
}


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item.

    Attributes:
        key: the upstream's own name or URI; `exposed` what clients call it.
        description: as clients see it; `original` the upstream's; `described` where they differ by decision.
        changed: when the upstream changed its definition since it was first seen; None where it never did.
        hints: what it says of itself. tokens: what its definition costs a model.
    """

    kind: str
    key: str
    exposed: str
    title: str
    description: str
    original: str
    described: bool
    enabled: bool
    tokens: int
    definition: dict[str, Any]
    hints: Sequence[str] = ()
    changed: datetime | None = None

    @property
    def switchable(self) -> bool:
        """Templates follow their resources."""
        return self.kind != "template"

    @property
    def identity(self) -> str:
        """What a form of it sends besides its fields, as JSON."""
        return msgspec.json.encode({"kind": self.kind, "key": self.key}).decode()

    @property
    def switch_values(self) -> str:
        """What its switch sends, as JSON."""
        told = {"kind": self.kind, "key": self.key, "do": "switch", "enabled": "false" if self.enabled else "true"}
        return msgspec.json.encode(told).decode()

    @property
    def anchor(self) -> str:
        """A name for its elements on a page."""
        return hashlib.sha256(f"{self.kind} {self.key}".encode()).hexdigest()[:12]

    @property
    def fields(self) -> list[Field]:
        """The form of its arguments."""
        if self.kind == "tool":
            return fields_of(self.definition.get("inputSchema"))
        return fields_of_prompt(self.definition.get("arguments")) if self.kind == "prompt" else []

    @property
    def schema(self) -> str:
        """Its definition, to be read."""
        return msgspec.json.format(msgspec.json.encode(self.definition), indent=2).decode()

    @property
    def example(self) -> dict[str, Any]:
        """Arguments to begin with in the JSON view."""
        example: dict[str, Any] = {}
        for field in self.fields:
            if field.value or field.required:
                try:
                    example[field.name] = msgspec.json.decode(field.value)
                except msgspec.DecodeError:
                    example[field.name] = field.value
        return example


def item_views(spec: ServerSpec, part: str, separator: str) -> list[ItemView]:
    """All items of one tab."""
    offers: tuple[Offer, ...] = getattr(spec, part)
    if part == "resources":
        offers += spec.templates
    moments = _changes(spec)
    return [item_view(spec, offer, separator, moments.get((offer.item.kind, offer.item.key))) for offer in offers]


def item_view(spec: ServerSpec, offer: Offer, separator: str, changed: datetime | None = None) -> ItemView:
    """One item."""
    item = offer.item
    members = _members(item.definition)
    own = members.get("description")
    original = own if isinstance(own, str) else ""
    exposed = f"{spec.name}{separator}{item.key}" if item.kind in ("tool", "prompt") else item.key
    annotations = members.get("annotations")
    title = members.get("title") or (annotations.get("title") if isinstance(annotations, dict) else None)
    return ItemView(
        item.kind,
        item.key,
        exposed,
        str(title or (members.get("name") if item.kind in ("resource", "template") else "") or ""),
        original if offer.description is None else offer.description,
        original,
        offer.description is not None,
        offer.enabled,
        cost_of(offer, exposed),
        members,
        [
            word
            for name, (value, word) in _HINTS.items()
            if isinstance(annotations, dict) and annotations.get(name) is value
        ],
        changed,
    )


def _changes(spec: ServerSpec) -> dict[tuple[str, str], datetime]:
    rows = DiscoveredItem.objects.filter(server__id=spec.key, present=True).exclude(previous="")
    return {(kind, key): moment for kind, key, moment in rows.values_list("kind", "key", "changed_at")}


@functools.lru_cache(maxsize=20_000)
def _members(definition: bytes) -> dict[str, Any]:
    found = msgspec.json.decode(definition)
    return found if isinstance(found, dict) else {}
