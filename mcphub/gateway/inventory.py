"""What one upstream offers now: its lists as received, each item with a fingerprint. Frozen values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Kind = Literal["tool", "prompt", "resource", "template"]

_canonical = msgspec.json.Encoder(order="deterministic")

#: The members whose change could change what a model or a person is led to do (SHA-256 over them, sorted keys).
_FINGERPRINTED = (
    "name", "uri", "uriTemplate", "title", "description", "inputSchema", "outputSchema", "annotations", "arguments",
    "mimeType",
)  # fmt: skip


def fingerprint(definition: dict[str, Any]) -> str:
    """SHA-256 (hex) of an item's meaningful members in canonical JSON, `_meta.ui` included."""
    material = {key: definition[key] for key in _FINGERPRINTED if key in definition}
    meta = definition.get("_meta")
    if isinstance(meta, dict) and "ui" in meta:
        material["_meta.ui"] = meta["ui"]
    return hashlib.sha256(_canonical.encode(material)).hexdigest()


@dataclass(frozen=True, slots=True)
class Item:
    """One tool, prompt, resource or resource template of an upstream.

    Attributes:
        key: its identity at the upstream: the name of a tool or prompt, the URI of a resource, a template's pattern.
        definition: the object as the upstream sent it (JSON bytes, unknown members included).
        fingerprint: see `fingerprint`.
    """

    kind: Kind
    key: str
    definition: bytes
    fingerprint: str

    @classmethod
    def of(cls, kind: Kind, raw: bytes) -> Item:
        """Read an item from its JSON. Raises `ValueError` when it is no object or lacks its identity."""
        definition = msgspec.json.decode(raw)
        member = {"tool": "name", "prompt": "name", "resource": "uri", "template": "uriTemplate"}[kind]
        if not isinstance(definition, dict) or not isinstance(definition.get(member), str):
            raise ValueError(f"a {kind} without a {member}")
        return cls(kind, definition[member], bytes(raw), fingerprint(definition))


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything an upstream told of itself: identity, protocol revision, capabilities, and all pages of its lists.

    Attributes:
        revision: protocol revision in use with the upstream, e.g. "2025-11-25"; "" for OpenAPI services.
        server_info: its `serverInfo` object, JSON bytes.
        capabilities: its `capabilities` object, JSON bytes.
        ttl_ms: the smallest freshness it promised for its lists; None where it promised none.
    """

    revision: str = ""
    server_info: bytes = b"{}"
    capabilities: bytes = b"{}"
    instructions: str | None = None
    tools: tuple[Item, ...] = ()
    prompts: tuple[Item, ...] = ()
    resources: tuple[Item, ...] = ()
    templates: tuple[Item, ...] = ()
    ttl_ms: int | None = field(default=None, compare=False)

    def items(self) -> tuple[Item, ...]:
        """All items, in the upstream's order."""
        return self.tools + self.prompts + self.resources + self.templates
