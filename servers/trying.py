"""Using one item of a server from the dashboard, as the viewer: through the same gateway as any client's call.

Above: the dashboard's views. Below: `mcphub.plane`, `mcphub.bridge`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mcphub import plane
from mcphub.actor import Actor
from mcphub.bridge import on_loop
from mcphub.errors import HubError
from mcphub.gateway.errors import RpcError
from mcphub.gateway.selector import Selector
from mcphub.web.doors import principal_of

_METHODS = {"tool": "tools/call", "prompt": "prompts/get", "resource": "resources/read"}
#: Longer results are shown cut, in characters.
LONGEST = 200_000


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a result: text, an image or sound as a data address, or JSON."""

    kind: str
    text: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to. `failed` where it was refused or the tool itself said so; `raw` is the answer as JSON."""

    blocks: list[Block] = field(default_factory=list)
    failed: bool = False
    reason: str = ""
    raw: str = ""
    milliseconds: float = 0.0
    size: int = 0


def use(viewer: Actor, server: str, kind: str, key: str, arguments: Mapping[str, Any]) -> Outcome:
    """Call a tool, get a prompt or read a resource, by the upstream's own name of it."""
    params: dict[str, Any] = {"uri": key} if kind == "resource" else {"name": key, "arguments": dict(arguments)}
    gateway, began = plane.require().gateway, time.monotonic()
    try:
        raw = bytes(
            on_loop(gateway.dispatch(principal_of(viewer), Selector("server", server, True), _METHODS[kind], params))
        )
    except (HubError, RpcError) as refused:
        message = getattr(refused, "message", "") or str(refused)
        return Outcome(failed=True, reason=message, milliseconds=(time.monotonic() - began) * 1000)
    took = (time.monotonic() - began) * 1000
    result = msgspec.json.decode(raw)
    failed = isinstance(result, dict) and result.get("isError") is True
    shown = msgspec.json.format(raw, indent=2).decode()[:LONGEST]
    return Outcome(_blocks(result), failed, "The tool says that it failed." if failed else "", shown, took, len(raw))


def _blocks(result: Any) -> list[Block]:
    if not isinstance(result, dict):
        return []
    if result.get("resultType") == "input_required":
        return [Block("text", "The server asks a question before it answers, which needs a client that can be asked.")]
    parts = [*_listed(result, "content"), *_listed(result, "contents")]
    for message in _listed(result, "messages"):
        content = message.get("content")
        parts += [{**content, "role": message.get("role")}] if isinstance(content, dict) else []
    blocks = [_block(part) for part in parts]
    if "structuredContent" in result:
        blocks.append(Block("json", _pretty(result["structuredContent"]), "Structured content"))
    return blocks


def _listed(result: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = result.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _block(part: dict[str, Any]) -> Block:
    label = str(part.get("role") or part.get("uri") or "")
    mime = str(part.get("mimeType") or "")
    data = part.get("data") or part.get("blob")
    if isinstance(data, str) and mime.split("/")[0] in ("image", "audio"):
        return Block(mime.split("/")[0], f"data:{mime};base64,{data}", label or mime)
    if isinstance(part.get("text"), str):
        return Block("text", part["text"][:LONGEST], label)
    return Block("json", _pretty(part), label or str(part.get("type") or ""))


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()[:LONGEST]
