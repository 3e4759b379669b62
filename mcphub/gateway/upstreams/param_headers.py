"""Routing headers of the stateless revision: `Mcp-Method`, `Mcp-Name`, and `Mcp-Param-*` as a tool's schema asks. Pure.

Above: `streamable`. Below: `gateway.mirrors`, `gateway.envelope`. (protocol reference A.6.1; SEP-2243)
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import DecodeError

from mcphub.gateway.envelope import NAMED
from mcphub.gateway.inventory import Item
from mcphub.gateway.jsonrpc import Members, loads, text
from mcphub.gateway.mirrors import InvalidAnnotation, Mirror, mirrors_of

_ANNOTATION = b"x-mcp-header"
_PLAIN = re.compile(r"[\x20-\x7e]*")

Mirrors = tuple[Mirror, ...]


def usable_tools(tools: Iterable[Item]) -> tuple[dict[str, Mirrors], dict[str, str]]:
    """The mirrors of each tool that has some, and the reason against each tool that must not be used."""
    mirrors: dict[str, Mirrors] = {}
    invalid: dict[str, str] = {}
    for tool in tools:
        if _ANNOTATION not in tool.definition:
            continue
        try:
            found = mirrors_of(loads(tool.definition).get("inputSchema"))
        except (InvalidAnnotation, RecursionError) as wrong:
            invalid[tool.key] = str(wrong)
            continue
        if found:
            mirrors[tool.key] = found
    return mirrors, invalid


def routing_headers(method: str, params: Members, mirrors: Mapping[str, Mirrors]) -> dict[str, str]:
    """The headers that a request of the stateless revision carries beside its body."""
    headers = {"Mcp-Method": method}
    named = NAMED.get(method)
    if named is None:
        return headers
    name = text(params.get(named))
    if name is None:
        return headers
    headers["Mcp-Name"] = encoded(name)
    if method == "tools/call" and name in mirrors:
        headers.update(_mirrored(mirrors[name], params))
    return headers


def _mirrored(mirrors: Mirrors, params: Members) -> Iterator[tuple[str, str]]:
    raw = params.get("arguments")
    try:
        arguments = loads(raw) if raw is not None else {}
    except DecodeError:
        return
    for mirror in mirrors:
        rendered = mirror.rendered(arguments)
        if rendered is not None:
            yield mirror.name, encoded(rendered)


def encoded(value: str) -> str:
    """A text as a header value; whatever would not arrive as it is travels in base64, marked."""
    looks_marked = value.startswith("=?base64?") and value.endswith("?=")
    if _PLAIN.fullmatch(value) and value == value.strip() and not looks_marked:
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="
