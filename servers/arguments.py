"""Arguments that arrive as texts, fitted to the types a tool's input schema names. Pure.

Only what is unmistakable is converted; everything else goes on as it came, for the tool to judge. Above: `calling`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

_WHOLE = re.compile(r"[+-]?\d{1,18}")
_WORDS = {"true": True, "1": True, "false": False, "0": False}


def converted(arguments: Mapping[str, Any], schema: object) -> dict[str, Any]:
    """The arguments of a call, each text in the type that its property has in the schema."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    known = properties if isinstance(properties, Mapping) else {}
    return {name: _fitted(value, known.get(name)) for name, value in arguments.items()}


def _fitted(value: Any, schema: Any) -> Any:
    if not isinstance(value, str) or not isinstance(schema, Mapping):
        return value
    types = schema.get("type")
    named = types if isinstance(types, list) else [types]
    if "string" in named:
        return value
    for kind in named:
        convert = _CONVERSIONS.get(kind) if isinstance(kind, str) else None
        fitted = value if convert is None else convert(value, schema)
        if fitted is not value:
            return fitted
    return value


def _whole(text: str, schema: Mapping[str, Any]) -> Any:
    return int(text) if _WHOLE.fullmatch(text.strip()) else text


def _number(text: str, schema: Mapping[str, Any]) -> Any:
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    return _whole(text, schema) if _WHOLE.fullmatch(text.strip()) else number


def _boolean(text: str, schema: Mapping[str, Any]) -> Any:
    return _WORDS.get(text.strip().lower(), text)


def _array(text: str, schema: Mapping[str, Any]) -> Any:
    if text.lstrip().startswith("["):
        return _parsed(text, list)
    return [_fitted(part.strip(), schema.get("items")) for part in text.split(",")] if text else []


def _object(text: str, schema: Mapping[str, Any]) -> Any:
    return _parsed(text, dict)


def _parsed(text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, kind) else text


_CONVERSIONS: Mapping[str, Callable[[str, Mapping[str, Any]], Any]] = {
    "integer": _whole,
    "number": _number,
    "boolean": _boolean,
    "array": _array,
    "object": _object,
}
