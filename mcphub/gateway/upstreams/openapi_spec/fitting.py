"""Taking from an answer what keeps the promise of an output schema. Pure.

Above: `operations`, `results`. Below: nothing. Knows the keywords that `keywords.promise` leaves, and no others: with
those, whatever does not fit can be left out, because nothing is required and null is allowed everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MISFIT = object()
_KINDS: dict[str, type] = {"string": str, "object": dict, "array": list}


def fit(value: dict[str, Any], schema: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """`value` without the members that do not fit `schema`, and the JSON pointers of what was left out.

    Items of lists become null, so that the others keep their places. Nothing at all may fit: ({}, ["/"]).
    """
    fitting = _Fitting(schema.get("$defs", {}))
    fitted = fitting.fit(value, schema, "")
    return ({}, ["/"]) if fitted is _MISFIT else (fitted, fitting.misfits)


class _Fitting:
    """One run of `fit`; `misfits` collects where something was left out."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self.misfits: list[str] = []

    def fit(self, value: Any, schema: Any, path: str) -> Any:
        """`value` without the members that do not fit, or `_MISFIT`. Null always fits below the root."""
        if not isinstance(schema, dict) or value is None:
            return value
        if isinstance(ref := schema.get("$ref"), str):
            value = self.fit(value, self._definitions.get(ref.rpartition("/")[2]), path)
            if value is _MISFIT:
                return value
        if not _is_kind(value, schema.get("type")) or ("enum" in schema and value not in schema["enum"]):
            return _MISFIT
        for part in schema.get("allOf", ()):
            if (value := self.fit(value, part, path)) is _MISFIT:
                return value
        if "anyOf" in schema and not any(self._fits(value, part) for part in schema["anyOf"]):
            return _MISFIT
        if isinstance(value, dict):
            return self._members(value, schema, path)
        return self._items(value, schema, path) if isinstance(value, list) else value

    def _fits(self, value: Any, schema: Any) -> bool:
        trial = _Fitting(self._definitions)
        return trial.fit(value, schema, "") is not _MISFIT and not trial.misfits

    def _members(self, value: dict[str, Any], schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        fitted = {}
        for name, member in value.items():
            inner = f"{path}/{name}"
            if (taken := self.fit(member, properties.get(name, others), inner)) is _MISFIT:
                self.misfits.append(inner)
            else:
                fitted[name] = taken
        return fitted

    def _items(self, value: list[Any], schema: Mapping[str, Any], path: str) -> list[Any]:
        """Items that do not fit become null, so that the others keep their places."""
        first, others = schema.get("prefixItems", ()), schema.get("items")
        fitted = []
        for index, item in enumerate(value):
            inner = f"{path}/{index}"
            taken = self.fit(item, first[index] if index < len(first) else others, inner)
            if taken is _MISFIT:
                self.misfits.append(inner)
                taken = None
            fitted.append(taken)
        return fitted


def _is_kind(value: Any, kinds: Any) -> bool:
    """Whether `value` is of one of the JSON types `kinds`; no types at all allow everything."""
    if kinds is None:
        return True
    listed = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(value, bool):
        return "boolean" in listed
    if isinstance(value, (int, float)):
        return "number" in listed or ("integer" in listed and value == int(value))
    return any(isinstance(value, _KINDS.get(kind, ())) for kind in listed)
