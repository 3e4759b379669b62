"""How items, lists and the hub's own identity look on the wire. Pure; works on JSON opened one level.

Definitions pass through as the upstream sent them; only what the hub owns is replaced. Above: `catalog`, `methods`.
Below: `jsonrpc`, the values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from mcphub.gateway import jsonrpc
from mcphub.gateway.envelope import SERVER_KEY, UI_EXTENSION, UI_MIME
from mcphub.gateway.inventory import Inventory, Kind
from mcphub.gateway.jsonrpc import Members
from mcphub.gateway.snapshot import BuiltinPrompt, BuiltinResource, Offer
from mcphub.version import VERSION

if TYPE_CHECKING:
    from mcphub.gateway.catalog import Catalog

_EMPTY_TEXT = Raw(b'""')
_EMPTY_LIST = Raw(b"[]")
_MEMBER = {"tools": "tools", "prompts": "prompts", "resources": "resources", "templates": "resourceTemplates"}


def list_result(listing: str, items: Iterable[bytes], *, server_info: bytes | None, ttl_ms: int) -> bytes:
    """A whole list result; with `server_info` in the form of 2026-07-28."""
    body = b'"%s":[%s]' % (_MEMBER[listing].encode(), b",".join(items))
    return b"{" + body + b"}" if server_info is None else complete(body, server_info, ttl_ms)


def complete(body: bytes, server_info: bytes, ttl_ms: int | None = None) -> bytes:
    """A result of 2026-07-28 from the inside of an object; `ttl_ms` where the method needs cache hints.

    Whatever the hub answers depends on who asks, so it is never `public`.
    """
    hints = b"" if ttl_ms is None else b',"ttlMs":%d,"cacheScope":"private"' % ttl_ms
    separator = b"," if body else b""
    return b'{"resultType":"complete"%s%s%s,"_meta":{"%s":%s}}' % (
        separator,
        body,
        hints,
        SERVER_KEY.encode(),
        server_info,
    )


def item(kind: Kind, offer: Offer, name: str, *, verbatim: bool, modern: bool, apps: bool) -> bytes:
    """One item as this client sees it. `verbatim` (the upstream's own names) changes nothing that need not change."""
    definition = offer.item.definition
    hide_ui = kind == "tool" and not apps and b'"ui' in definition
    drop_schema = kind == "tool" and not modern and _has_other_schema(definition)
    keeps_name = verbatim or kind in ("resource", "template")
    if keeps_name and offer.description is None and not hide_ui and not drop_schema:
        return definition
    members = jsonrpc.members(definition)
    if not keeps_name:
        members["name"] = Raw(jsonrpc.dumps(name))
        _fill(kind, members, offer.item.key)
    if offer.description is not None and (offer.description or kind == "tool"):
        members["description"] = Raw(jsonrpc.dumps(offer.description))
    if hide_ui:
        _strip_ui(members)
    if drop_schema:
        del members["outputSchema"]
    return jsonrpc.dumps(members)


def _fill(kind: Kind, members: Members, own_name: str) -> None:
    members.setdefault("description", _EMPTY_TEXT)
    if kind == "prompt":
        members.setdefault("title", Raw(jsonrpc.dumps(own_name)))
        members.setdefault("arguments", _EMPTY_LIST)


def _strip_ui(members: Members) -> None:
    if "_meta" not in members:
        return
    meta = jsonrpc.members(members["_meta"])
    meta.pop("ui", None)
    meta.pop("ui/resourceUri", None)
    if meta:
        members["_meta"] = Raw(jsonrpc.dumps(meta))
    else:
        del members["_meta"]


def _has_other_schema(definition: bytes) -> bool:
    """Whether a tool promises structured content that is no object, which clients refused before 2026-07-28."""
    if b'"outputSchema"' not in definition:
        return False
    schema = jsonrpc.loads(definition).get("outputSchema", {})
    return not isinstance(schema, dict) or schema.get("type", "object") != "object"


def is_app_only(definition: bytes) -> bool:
    """Whether a tool is meant for an app's page and not for the model (`_meta.ui.visibility`)."""
    if b'"visibility"' not in definition:
        return False
    try:
        visibility = jsonrpc.loads(definition)["_meta"]["ui"]["visibility"]
    except (KeyError, TypeError):
        return False
    return isinstance(visibility, list) and "model" not in visibility


def builtin_prompt(prompt: BuiltinPrompt) -> bytes:
    """A prompt of the hub's own."""
    members = jsonrpc.members(prompt.definition)
    members["name"] = Raw(jsonrpc.dumps(prompt.name))
    _fill("prompt", members, prompt.name)
    return jsonrpc.dumps(members)


def builtin_resource(resource: BuiltinResource) -> bytes:
    """A resource of the hub's own."""
    members = jsonrpc.members(resource.definition)
    members["uri"] = Raw(jsonrpc.dumps(resource.uri))
    members.setdefault("name", members["uri"])
    members.setdefault("description", _EMPTY_TEXT)
    members["mimeType"] = Raw(jsonrpc.dumps(resource.mime_type))
    return jsonrpc.dumps(members)


def server_info(catalog: Catalog) -> bytes:
    """See `Catalog.server_info`. Under its own names an upstream keeps its identity; else it goes by the hub's name."""
    if not catalog.single:
        name = f"mcphub_{catalog.group}_group" if catalog.group else "mcphub"
        return jsonrpc.dumps({"name": name, "version": VERSION})
    server = catalog.sources[0].server
    members = _object(server.inventory.server_info)
    if not catalog.raw or "name" not in members:
        members["name"] = Raw(jsonrpc.dumps(server.name))
    members.setdefault("version", Raw(jsonrpc.dumps(VERSION)))
    return jsonrpc.dumps(members)


def capabilities(inventories: Sequence[Inventory]) -> dict[str, Any]:
    """The hub's capabilities in front of these upstreams.

    Lists can change by the hub's own configuration, logging is the hub's, the rest needs an upstream that has it.
    """
    declared = [_object(inventory.capabilities) for inventory in inventories]
    resources: dict[str, Any] = {"listChanged": True}
    if any(b'"subscribe":true' in bytes(found.get("resources", b"")).replace(b" ", b"") for found in declared):
        resources["subscribe"] = True
    offered: dict[str, Any] = {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        "resources": resources,
        "logging": {},
        "extensions": {UI_EXTENSION: {"mimeTypes": [UI_MIME]}},
    }
    if any("completions" in found for found in declared):
        offered["completions"] = {}
    return offered


def _object(raw: bytes) -> Members:
    try:
        return msgspec.json.decode(raw, type=dict[str, Raw])
    except msgspec.DecodeError:
        return {}
