"""One schema object at a time: which keywords survive, in which shape, and what a promise keeps of them. Pure tables.

Above: `schemas`. Below: nothing. A document's slips (a `required: true`, a `type: file`) must not spoil a tool, so a
keyword is kept only where its value has the shape that JSON Schema 2020-12 demands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

_EXAMPLE_LIMIT = 500
_TYPES = frozenset({"null", "boolean", "object", "array", "number", "string", "integer"})

#: Keywords that say something about a schema without restricting it.
ANNOTATIONS = frozenset({"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"})
SUBSCHEMA = frozenset({
    "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties",
})  # fmt: skip
SUBSCHEMA_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
SUBSCHEMA_MAPS = frozenset({"properties", "patternProperties", "dependentSchemas"})

#: What an output schema keeps: no counts, patterns or required members.
_PROMISED = (
    "title", "description", "format", "items", "prefixItems", "additionalProperties", "allOf", "anyOf", "properties",
)  # fmt: skip


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_pattern(value: Any) -> bool:
    """Whether a pattern is one here too: ECMAScript's are not all Python's, and a validator that fails on one fails."""
    try:
        return isinstance(value, str) and re.compile(value) is not None
    except (re.error, RecursionError, OverflowError):
        return False


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_anything(_value: Any) -> bool:
    return True


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value)) and len(set(value)) == len(value)


def _is_dependency(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_names, value.values()))


KEPT: dict[str, Callable[[Any], bool]] = {
    "title": _is_text, "description": _is_text, "format": _is_text, "pattern": is_pattern, "contentEncoding": _is_text,
    "contentMediaType": _is_text, "minLength": _is_count, "maxLength": _is_count, "minItems": _is_count,
    "maxItems": _is_count, "minProperties": _is_count, "maxProperties": _is_count, "minContains": _is_count,
    "maxContains": _is_count, "minimum": _is_number, "maximum": _is_number, "exclusiveMinimum": _is_number,
    "exclusiveMaximum": _is_number, "multipleOf": _is_positive, "uniqueItems": _is_flag, "deprecated": _is_flag,
    "readOnly": _is_flag, "writeOnly": _is_flag, "enum": _is_list, "const": _is_anything, "default": _is_anything,
    "examples": _is_list, "required": _is_names, "dependentRequired": _is_dependency,
}  # fmt: skip


def types(value: Any) -> str | list[str] | None:
    """The `type` keyword without what is no type of JSON (`file`, `int`, `any`)."""
    if isinstance(value, str):
        return value if value in _TYPES else None
    if isinstance(value, list):
        return [name for name in dict.fromkeys(map(str, value)) if name in _TYPES] or None
    return None


def from_30(schema: Mapping[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI 3.0 spells differently: `nullable`, and exclusive bounds as flags."""
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if schema.get(flag) is True and bound in found:
            found[flag] = found.pop(bound)
    if schema.get("nullable") is not True:
        return found
    if "enum" in found and None not in found["enum"]:
        found["enum"] = [*found["enum"], None]
    if "type" in found:
        found["type"] = with_null(found["type"])
    elif {"allOf", "anyOf", "oneOf"} & found.keys():
        return {"anyOf": [found, {"type": "null"}]}
    return found


def with_null(kinds: str | list[str]) -> list[str]:
    """A `type` that null has too."""
    listed = [kinds] if isinstance(kinds, str) else kinds
    return listed if "null" in listed else [*listed, "null"]


def place_example(schema: Mapping[str, Any], found: dict[str, Any]) -> None:
    """`example` becomes `examples`; large ones are dropped, as they cost more context than they explain."""
    if "example" in schema and not found.get("examples"):
        found["examples"] = [schema["example"]]
    if "examples" in found and len(msgspec.json.encode(found["examples"])) > _EXAMPLE_LIMIT:
        del found["examples"]


def promise(found: dict[str, Any]) -> dict[str, Any]:
    """What of a converted schema can be promised for a service that is careless about nulls, members and patterns."""
    kept = {key: found[key] for key in _PROMISED if key in found and found[key] is not True}
    if "type" in found:
        kept["type"] = with_null(found["type"])
    if "oneOf" in found and "anyOf" not in kept:
        # As nothing is required any more, several branches may match.
        kept["anyOf"] = found["oneOf"]
    if "const" in found:
        kept["enum"] = [found["const"], None]
    elif "enum" in found:
        kept["enum"] = [*found["enum"], None] if None not in found["enum"] else found["enum"]
    return kept
