"""References among converted schemas: marking them, finding them, and cutting those that no validator would survive.

Above: `schemas`. Below: nothing. A schema may well contain itself below a property; but a schema that *is* itself (a
base that is one of its subtypes, each of which is all of the base: what many generators write) sends validators
round for ever. Such a reference is replaced by the part of its target that can be said without going round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Keywords whose subschemas speak of the same value as the schema they stand in.
_SAME_VALUE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})

#: Those that allow more when their subschemas allow more; the others are dropped where something in them was cut.
_WEAKENED = frozenset({"allOf", "anyOf", "then", "else", "dependentSchemas"})


class Reference(dict[str, Any]):
    """A converted schema that is a `$ref` to a named one. A type of its own, so that data is never mistaken for it."""

    def __init__(self, name: str, beside: Mapping[str, Any]) -> None:
        super().__init__(beside)
        self["$ref"] = f"#/$defs/{name}"
        self.name = name

    @property
    def beside(self) -> dict[str, Any]:
        """The keywords next to the reference."""
        return {key: value for key, value in self.items() if key != "$ref"}


def mentions(schema: Any) -> Iterator[str]:
    """The names that `schema` refers to, once per mention."""
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            if isinstance(node, Reference):
                yield node.name
            pending.extend(node.values())


def cut_endless(named: dict[str, Any]) -> None:
    """Replace, in the schemas by name, every reference that leads back to its own value."""
    for name, targets in _endless(named).items():
        named[name] = _without(named[name], targets, named)


def _endless(named: Mapping[str, Any]) -> dict[str, set[str]]:
    """By name, the references to cut: those that close a circle in a walk over all schemas, depth first."""
    found: dict[str, set[str]] = {}
    done: set[str] = set()
    for start in named:
        path = [(start, _same_value(named[start]))] if start not in done else []
        open_names = {start}
        while path:
            name, targets = path[-1]
            target = next(targets, None)
            if target is None:
                path.pop()
                open_names.discard(name)
                done.add(name)
            elif target in open_names:
                found.setdefault(name, set()).add(target)
            elif target not in done:
                open_names.add(target)
                path.append((target, _same_value(named[target])))
    return found


def _same_value(schema: Any) -> Iterator[str]:
    """The names that `schema` refers to for its own value."""
    if not isinstance(schema, dict):
        return
    if isinstance(schema, Reference):
        yield schema.name
    for key in _SAME_VALUE & schema.keys():
        for part in _parts(schema[key], key):
            yield from _same_value(part)


def _parts(value: Any, key: str) -> list[Any]:
    if isinstance(value, list):
        return value
    return list(value.values()) if key == "dependentSchemas" else [value]


def _without(schema: Any, targets: set[str], named: Mapping[str, Any]) -> Any:
    """`schema` with its references to `targets`, as far as they speak of the same value, replaced."""
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        cut = _cut_in(value, key, targets, named) if key in _SAME_VALUE else value
        if cut == value or key in _WEAKENED:
            kept[key] = cut
        elif key == "oneOf" and "anyOf" not in schema:
            # What was cut allows more than before, so several branches may match now.
            kept["anyOf"] = cut
    if not isinstance(schema, Reference):
        return kept
    del kept["$ref"]
    if schema.name not in targets:
        return Reference(schema.name, kept)
    target = named[schema.name]
    plain = {} if isinstance(target, (bool, Reference)) else target
    return {key: value for key, value in plain.items() if key not in _SAME_VALUE} | kept


def _cut_in(value: Any, key: str, targets: set[str], named: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_without(part, targets, named) for part in value]
    if key == "dependentSchemas":
        return {name: _without(part, targets, named) for name, part in value.items()}
    return _without(value, targets, named)
