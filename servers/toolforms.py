"""A form out of a tool's input schema (or a prompt's arguments), and the arguments out of what it sends. Pure.

Texts, numbers, switches and choices get a field of their own; whatever is deeper is written as JSON. Above: the
dashboard's views. Below: nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mcphub.errors import InvalidInput

FieldKind = Literal["text", "long", "number", "integer", "boolean", "choice", "json"]
#: What a field's name begins with in the form.
PREFIX = "arg:"
_LONG_WORDS = ("text", "content", "body", "query", "sql", "code", "prompt", "message", "markdown")


@dataclass(frozen=True, slots=True)
class Field:
    """One argument. `value` is what the field shows at first; `choices` are JSON texts."""

    name: str
    kind: FieldKind
    required: bool = False
    about: str = ""
    value: str = ""
    choices: Sequence[str] = ()
    hint: str = ""


def fields_of(schema: Any) -> list[Field]:
    """The fields of an input schema, required ones first."""
    if not isinstance(schema, Mapping) or not isinstance(schema.get("properties"), Mapping):
        return []
    listed = schema.get("required")
    required = set(listed) if isinstance(listed, list) else set()
    made = [
        _field(str(name), one if isinstance(one, Mapping) else {}, name in required, schema)
        for name, one in schema["properties"].items()
    ]
    return sorted(made, key=lambda field: not field.required)


def fields_of_prompt(arguments: Any) -> list[Field]:
    """The fields of a prompt's arguments, which are all texts."""
    listed = [each for each in arguments if isinstance(each, Mapping)] if isinstance(arguments, list) else []
    return [
        Field(str(each.get("name", "")), "text", each.get("required") is True, str(each.get("description") or ""))
        for each in listed
    ]


def arguments_from(sent: Mapping[str, str], fields: Sequence[Field]) -> dict[str, Any]:
    """The arguments that were filled in; empty fields are left out. Raises `InvalidInput` with the field's name."""
    if "raw" in sent and sent.get("as") == "json":
        found = _read("The arguments", sent["raw"] or "{}")
        if not isinstance(found, dict):
            raise InvalidInput("The arguments must be a JSON object.")
        return found
    arguments = {}
    for field in fields:
        text = sent.get(PREFIX + field.name, "")
        if text != "" or (field.kind in ("text", "long") and field.required):
            arguments[field.name] = _value(field, text)
    return arguments


def _field(name: str, schema: Mapping[str, Any], required: bool, root: Mapping[str, Any]) -> Field:
    schema = _resolved(schema, root)
    about = str(schema.get("description") or schema.get("title") or "")
    default = schema.get("default")
    if isinstance(schema.get("enum"), list):
        return Field(name, "choice", required, about, _shown(default), [json.dumps(each) for each in schema["enum"]])
    kind = _kind(name, schema)
    plain = kind in ("text", "long") and isinstance(default, str)
    value = str(default) if plain else ("" if default is None else _shown(default))
    if kind == "json" and not value and required:
        value = "[]" if _type(schema) == "array" else "{}"
    return Field(name, kind, required, about, value, hint=_hint(schema))


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with a reference into the same document followed, and the one real alternative to null taken."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        found: Any = root
        for part in reference[2:].split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        return {**found, **schema} if isinstance(found, Mapping) else schema
    for member in ("anyOf", "oneOf"):
        options = schema.get(member)
        if isinstance(options, list):
            real = [each for each in options if isinstance(each, Mapping) and each.get("type") != "null"]
            if len(real) == 1:
                return {**schema, **real[0]}
    return schema


def _type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "")
    return str(kind or "")


def _kind(name: str, schema: Mapping[str, Any]) -> FieldKind:
    match _type(schema):
        case "string":
            length = schema.get("maxLength")
            is_long = name.lower() in _LONG_WORDS and not (isinstance(length, int) and length < 200)
            return "long" if is_long else "text"
        case "integer":
            return "integer"
        case "number":
            return "number"
        case "boolean":
            return "boolean"
    return "json"


def _hint(schema: Mapping[str, Any]) -> str:
    told = []
    if "minimum" in schema or "maximum" in schema:
        told.append(f"{schema.get('minimum', '…')} to {schema.get('maximum', '…')}")
    if isinstance(schema.get("format"), str):
        told.append(schema["format"])
    if isinstance(schema.get("pattern"), str):
        told.append(f"pattern {schema['pattern']}")
    return ", ".join(told)


def _shown(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _value(field: Field, text: str) -> Any:
    if field.kind in ("text", "long"):
        return text
    if field.kind == "boolean":
        return text == "true"
    found = _read(field.name, text)
    if field.kind in ("integer", "number"):
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise InvalidInput(f"{field.name} must be a number.")
        if field.kind == "integer" and found != int(found):
            raise InvalidInput(f"{field.name} must be a whole number.")
    return found


def _read(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput(f"{name}: this is not JSON, or no number.") from None
