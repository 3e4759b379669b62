"""Checks of single members: each takes a member's name and value and returns it normalised, or raises `InvalidInput`.

Pure; an empty result means "absent". Above: `config`, `system_config`, the actions. Below: nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mcphub.errors import InvalidInput
from mcphub.texts import is_storable

Check = Callable[[str, Any], Any]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VARIABLE = re.compile(r"[^=\0\s]+")
_ADDRESS = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)
_REFERENCE = re.compile(r"\$(?:\{[A-Za-z_][^}]*\}|[A-Z_][A-Z0-9_]*)")
_LENGTH = 100_000


def refuse(name: str, rule: str) -> InvalidInput:
    """The refusal of a member."""
    return InvalidInput(f"{name} {rule}.")


def trimmed(value: Any) -> str:
    """A text without surrounding blanks; "" for what is no text."""
    return value.strip() if isinstance(value, str) else ""


def storable(name: str, value: Any) -> Any:
    """Any JSON value that every database stores."""
    if isinstance(value, str) and not is_storable(value):
        raise refuse(name, "must not contain NUL characters or lone surrogates")
    if isinstance(value, Mapping):
        for key, member in value.items():
            storable(name, str(key))
            storable(name, member)
    elif isinstance(value, list):
        for member in value:
            storable(name, member)
    return value


def text(length: int) -> Check:
    """A text of at most so many characters, trimmed."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or len(value) > length or not is_storable(value):
            raise refuse(name, f"must be a text of at most {length} characters")
        return value.strip()

    return check


def boolean(name: str, value: Any) -> bool:
    """true or false, nothing that looks like it."""
    if not isinstance(value, bool):
        raise refuse(name, "must be true or false")
    return value


def number(least: int, most: int) -> Check:
    """A number within bounds; whole ones are stored as such."""

    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise refuse(name, f"must be a number from {least} to {most}")
        return int(value)

    return check


def one_of(allowed: Sequence[str]) -> Check:
    """One of a few words."""

    def check(name: str, value: Any) -> str:
        if value not in allowed:
            raise refuse(name, f"must be one of {', '.join(allowed)}")
        return str(value)

    return check


def texts(count: int, *, kept: bool = False) -> Check:
    """A list of texts: trimmed, without empty ones and repetitions, unless they are to be kept as they are."""

    def check(name: str, value: Any) -> list[str]:
        if not isinstance(value, list) or len(value) > count or not all(_is_text(each) for each in value):
            raise refuse(name, f"must be a list of at most {count} texts")
        return list(value) if kept else list(dict.fromkeys(each.strip() for each in value if each.strip()))

    return check


def members(known: Mapping[str, Check], *, drop_unknown: bool = False) -> Check:
    """An object whose known members are checked; others are kept or dropped, null and empty ones dropped."""

    def check(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise refuse(name, "must be an object")
        result: dict[str, Any] = {}
        for member, given in value.items():
            if given is None or (drop_unknown and member not in known):
                continue
            checked = known.get(member, storable)(f"{name}.{member}", given)
            if checked != "":
                result[member] = checked
        return result

    return check


def address(name: str, value: Any) -> str:
    """An http(s) address, or one that begins with a variable (`${BASE}/mcp`)."""
    url = trimmed(value)
    if not url:
        return ""
    if len(url) > 8192 or not is_storable(url) or not (_ADDRESS.fullmatch(url) or _REFERENCE.match(url)):
        raise refuse(name, "must be an http:// or https:// address")
    return url


def environment(name: str, value: Any) -> dict[str, str]:
    """Variable names to texts; numbers and booleans become text, as they are easily meant."""
    result = _map(name, value)
    for variable in result:
        if not _VARIABLE.fullmatch(variable) or not is_storable(variable):
            raise refuse(name, f"has {variable!r}, which cannot name a variable")
    return result


def headers(name: str, value: Any) -> dict[str, str]:
    """Header names to texts without line ends."""
    result = _map(name, value)
    for header, content in result.items():
        if not _TOKEN.fullmatch(header) or any(mark in content for mark in "\r\n"):
            raise refuse(name, f"has {header!r}, which is no header name or has a line end in its value")
    return result


def header_names(name: str, value: Any) -> list[str]:
    """A list of header names."""
    names: list[str] = texts(200)(name, value)
    for header in names:
        require_header_name(name, header)
    return names


def require_header_name(name: str, value: str) -> str:
    """A header name."""
    if not _TOKEN.fullmatch(value):
        raise refuse(name, f"has {value!r}, which is no header name")
    return value


def item_map(name: str, value: Any) -> dict[str, dict[str, Any]]:
    """Item names to `{enabled, description?}`."""
    if not isinstance(value, Mapping):
        raise refuse(name, "must be an object")
    result = {}
    for key, override in value.items():
        if not isinstance(override, Mapping):
            raise refuse(f"{name}.{key}", "must be an object")
        enabled, description = override.get("enabled", True), override.get("description")
        entry: dict[str, Any] = {"enabled": boolean(f"{name}.{key}.enabled", enabled)}
        if description is not None:
            entry["description"] = text(_LENGTH)(f"{name}.{key}.description", description)
        result[storable(name, str(key))] = entry
    return result


def _map(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > 1000:
        raise refuse(name, "must be an object of at most 1000 texts")
    result = {}
    for key, given in value.items():
        if given is None:
            continue
        content = json.dumps(given) if isinstance(given, bool | int | float) else given
        if not _is_text(content):
            raise refuse(f"{name}.{key}", "must be a text")
        result[str(key)] = content
    return result


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LENGTH and is_storable(value)
