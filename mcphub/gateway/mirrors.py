"""Arguments mirrored in `Mcp-Param-*` headers (`x-mcp-header`, MCP 2026-07-28): what a schema declares, and agreement.

Pure; used on both legs: towards the hub's callers and towards its upstreams. Above: `methods.tools`,
`upstreams.param_headers`. Below: `envelope`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mcphub.gateway.envelope import decode_header
from mcphub.gateway.errors import RPC_HEADER_MISMATCH, RpcError
from mcphub.gateway.http import Headers

_KEY = "x-mcp-header"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TYPES = frozenset(("string", "integer", "boolean"))
_DECIMAL = re.compile(r"-?[0-9]+(\.0+)?")
#: Keywords whose values are schemas; a property below one of them is not reachable through `properties` alone.
_ONE = ("items", "contains", "unevaluatedItems", "additionalProperties", "propertyNames", "unevaluatedProperties",
        "not", "if", "then", "else", "contentSchema")  # fmt: skip
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("patternProperties", "dependentSchemas", "$defs", "definitions")
#: A schema with more positions than this declares nothing: looking at it must stay cheap.
_MOST = 20_000


class InvalidAnnotation(ValueError):
    """A tool whose `x-mcp-header` breaks the rules; over HTTP it must not be used."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """One mirrored argument.

    Attributes:
        path: where it is in `arguments`, as a chain of property names.
        name: its header as the schema spells it; `header` the same in lower case, as ASGI has it.
        type: its schema type.
    """

    path: tuple[str, ...]
    name: str
    header: bytes
    type: str

    def rendered(self, arguments: Any) -> str | None:
        """What the header has to say; None where the argument is absent, null, or no scalar."""
        return _render(self._value(arguments))

    def agrees(self, arguments: Any, header: str) -> bool:
        """Whether an unwrapped header says the same as the argument; integers are compared as numbers."""
        value = self._value(arguments)
        if self.type == "integer" and isinstance(value, (int, float)) and not isinstance(value, bool):
            whole = header.partition(".")[0]
            return bool(_DECIMAL.fullmatch(header)) and float(value).is_integer() and int(whole) == value
        return header == _render(value)

    def _value(self, arguments: Any) -> Any:
        for step in self.path:
            arguments = arguments.get(step) if isinstance(arguments, dict) else None
        return arguments


def _render(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else None


def _positions(schema: Any) -> Iterator[tuple[tuple[str, ...] | None, Mapping[str, Any]]]:
    stack: list[tuple[tuple[str, ...] | None, Any]] = [((), schema)]
    seen = 0
    while stack and seen < _MOST:
        path, node = stack.pop()
        if not isinstance(node, dict):
            continue
        seen += 1
        yield path, node
        properties = node.get("properties")
        if isinstance(properties, dict):
            stack.extend((None if path is None else (*path, name), sub) for name, sub in properties.items())
        stack.extend((None, node[keyword]) for keyword in _ONE if keyword in node)
        for keyword in _LISTED:
            if isinstance(node.get(keyword), list):
                stack.extend((None, sub) for sub in node[keyword])
        for keyword in _NAMED:
            if isinstance(node.get(keyword), dict):
                stack.extend((None, sub) for sub in node[keyword].values())


def mirrors_of(schema: Any) -> tuple[Mirror, ...]:
    """What a tool's input schema declares.

    Raises:
        InvalidAnnotation: clients must ignore such a tool, so nothing is checked for it.
    """
    found: dict[bytes, Mirror] = {}
    for path, node in _positions(schema):
        if _KEY not in node:
            continue
        token, kind = node[_KEY], node.get("type")
        if not path:
            raise InvalidAnnotation(f"{_KEY} where no chain of properties leads")
        where = ".".join(path)
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise InvalidAnnotation(f"{_KEY} of {where} is no header name")
        if not isinstance(kind, str) or kind not in _TYPES:
            raise InvalidAnnotation(f"{_KEY} of {where}, which is no string, integer or boolean")
        name = f"Mcp-Param-{token}"
        header = name.lower().encode()
        if header in found:
            raise InvalidAnnotation(f"{_KEY} {token} twice")
        found[header] = Mirror(path, name, header, kind)
    return tuple(found.values())


def check(mirrors: tuple[Mirror, ...], arguments: Any, headers: Headers) -> None:
    """Refuse a call whose headers and arguments disagree (-32020)."""
    for mirror in mirrors:
        absent = mirror.rendered(arguments) is None
        raw = headers.get(mirror.header)
        if absent and raw is None:
            continue
        header = None if raw is None else decode_header(raw)
        if absent or header is None or not mirror.agrees(arguments, header):
            raise RpcError(RPC_HEADER_MISMATCH, f"The {mirror.name} header does not match the argument.")
