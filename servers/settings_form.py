"""The form of the system settings: from the effective values to fields, and from what is sent to what changes.

What a value must be is judged by `system_config` alone. Above: the settings page. Below: `settings_words`,
`system_config`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcphub.errors import InvalidInput
from servers.settings_words import SECTIONS, Field, Section
from servers.system_config import ABSENT, RULES, Unfit


@dataclass(frozen=True, slots=True)
class Shown:
    """A field as it is drawn: the value in the browser's words, whether one is stored, and what is wrong with it."""

    field: Field
    value: Any
    stored: bool
    wrong: str = ""


def section_named(name: str) -> Section | None:
    """The section of that name."""
    return next((section for section in SECTIONS if section.name == name), None)


def shown(
    section: Section, values: Mapping[str, Any], sent: Mapping[str, str] | None = None, wrong: str = ""
) -> list[Shown]:
    """A section's fields with their values, or with what was sent and refused."""
    return [_shown(field, values, sent, wrong) for field in section.fields]


def unplaced(section: Section, wrong: str) -> str:
    """A refusal that is about none of the section's fields alone; "" where a field tells it."""
    return "" if any(_concerns(wrong, field) for field in section.fields) else wrong


def changes_from(section: Section, sent: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    """What a form changes of the effective values, nested as `systemConfig` is. Raises `InvalidInput`."""
    changes: dict[str, Any] = {}
    for field in section.fields:
        value = field.read(sent)
        if field.way == "secret":
            # Secrets are not shown, so an empty field says nothing; taking one away is said apart.
            if f"{field.path}.remove" not in sent and not value:
                continue
        elif value == _present(field, values):
            continue
        _nest(changes, field.path, _judgeable(field, value))
    return changes


def _judgeable(field: Field, value: Any) -> Any:
    """The value, or None where nothing was entered and nothing is what clears; else the rule tells what is missing."""
    if value not in (None, "", []) or RULES[field.path].default is not ABSENT:
        if value is None:
            raise InvalidInput(f"{field.path} must be a number.")
        return value
    try:
        RULES[field.path].check(field.path, None)
    except Unfit:
        return value
    return None


def _shown(field: Field, values: Mapping[str, Any], sent: Mapping[str, str] | None, wrong: str) -> Shown:
    present = _get(values, field.path)
    mine = wrong.removeprefix(f"{field.path} ") if _concerns(wrong, field) else ""
    if field.way == "secret":
        return Shown(field, "", bool(present), mine)
    if sent is not None:
        value: Any = field.path in sent if field.way == "flag" else sent.get(field.path, "")
    else:
        found = _present(field, values)
        value = "\n".join(found) if field.way == "list" else "" if found is None else found
    return Shown(field, value, present is not ABSENT, mine[:1].upper() + mine[1:])


def _concerns(wrong: str, field: Field) -> bool:
    return wrong.startswith(f"{field.path} ")


def _present(field: Field, values: Mapping[str, Any]) -> Any:
    """The present value as `Field.read` would give it."""
    value = _get(values, field.path)
    if value is ABSENT or value is None:
        return {"flag": False, "number": None, "fraction": None, "list": []}.get(field.way, "")
    return list(value) if field.way == "list" else value


def _get(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for name in path.split("."):
        found = found.get(name, ABSENT) if isinstance(found, Mapping) else ABSENT
    return found


def _nest(target: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        target = target.setdefault(name, {})
    target[last] = value


def paths() -> Iterator[str]:
    """All settings that have a field."""
    return (field.path for section in SECTIONS for field in section.fields)


def missing() -> Sequence[str]:
    """Settings that the API may change and nobody described here; a test keeps this empty."""
    described = set(paths())
    return [path for path, rule in RULES.items() if rule.by_api and path not in described]
