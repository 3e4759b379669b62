"""The rules of an entry's fields, whoever sets them: the API, the admin, a command. Pure.

Above: `actions`. Below: `models` (its choices), `servers.config`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mcphub.errors import InvalidInput
from registry.models import Category, Status
from servers import config as server_rules


def checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with their rules applied. Raises `InvalidInput` naming the field."""
    unknown = [name for name in fields if name not in _RULES]
    if unknown:
        raise InvalidInput(f"{unknown[0]} is no field of an entry.", data={"field": unknown[0]})
    found = {}
    for name, value in fields.items():
        try:
            found[name] = _RULES[name](value)
        except (TypeError, ValueError) as problem:
            raise InvalidInput(f"{name} {problem}.", data={"field": name}) from None
    return found


def _text(most: int, *, least: int = 0) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError("must be a string")
        text = value.strip()
        if not least <= len(text) <= most:
            raise ValueError(f"must have {least} to {most} characters")
        return text

    return rule


def _address(value: Any) -> str:
    text = _text(2000)(value)
    if text and not re.match(r"https?://[^\s]+$", text):
        raise ValueError("must be an http or https address")
    return text


def _word(allowed: Sequence[str]) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return value

    return rule


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("must be a whole number")
    if not 0 <= value <= 100_000:
        raise ValueError("must lie between 0 and 100000")
    return value


def _list_of(rule: Callable[[Any], Any], most: int) -> Callable[[Any], list[Any]]:
    def check(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise TypeError("must be a list")
        if len(value) > most:
            raise ValueError(f"must have at most {most} items")
        return list(map(rule, value))

    return check


def _tool(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        raise TypeError("must hold objects with a name")
    return {"name": _text(200)(value["name"]), "description": _text(2000)(value.get("description", ""))}


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("must be true or false")
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("must be an object")
    return value


def _authentication(value: Any) -> dict[str, Any]:
    told = _object(value)
    _word(("none", "token", "credentials", "oauth"))(told.get("type", "none"))
    _flag(told.get("required", False))
    _text(200)(told.get("env_var", ""))
    _list_of(_text(200, least=1), 50)(told.get("env_vars", []))
    _address(told.get("setup_url", ""))
    return told


def _rate_limit(value: Any) -> dict[str, Any]:
    told = _object(value)
    if "requests_per_hour" in told:
        _count(told["requests_per_hour"])
    return told


def _config(value: Any) -> dict[str, Any]:
    return server_rules.normalised(value) if _object(value) else {}


_RULES: dict[str, Callable[[Any], Any]] = {
    "title": _text(200, least=1),
    "description": _text(10_000),
    "website": _address,
    "repository": _address,
    "icon": _text(300),
    "category": _word(Category.values),
    "tags": _list_of(_text(60, least=1), 100),
    "version": _text(255),
    "tools": _list_of(_tool, 1000),
    "tools_count": _count,
    "authentication": _authentication,
    "rate_limit": _rate_limit,
    "platforms": _list_of(_text(30, least=1), 10),
    "status": _word(Status.values),
    "self_service": _flag,
    "config": _config,
    "document": _object,
}
