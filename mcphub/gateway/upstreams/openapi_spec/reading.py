"""From the text of a document to plain values: JSON first, then YAML 1.2; bounded in depth and in expanded size.

Above: `documents`, the upstream. Below: only the parsers. A hostile text costs memory in proportion to its length:
nesting is bounded before anything recursive sees it (libyaml's composer would overflow the C stack), and YAML aliases
count as often as they are expanded, because everything later walks the expanded tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from mcphub.errors import InvalidInput

MAX_DEPTH = 150
MAX_NODES = 5_000_000

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)\Z")
_WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


class UnreadableDocument(InvalidInput):
    """The text is neither JSON nor YAML, or is no OpenAPI document the hub understands."""

    code = "unreadable_document"
    sentence = "The OpenAPI document cannot be read."


def read(text: bytes) -> dict[str, Any]:
    """The object that `text` holds.

    Raises:
        UnreadableDocument: no JSON and no YAML, no object, nested or aliased beyond reason.
    """
    try:
        value = msgspec.json.decode(text)
    except RecursionError:
        raise UnreadableDocument("The OpenAPI document is nested too deeply.") from None
    except msgspec.DecodeError:
        value = _read_yaml(text)
    if not isinstance(value, dict):
        raise UnreadableDocument("The OpenAPI document is not an object.")
    return value


def references(document: Any) -> set[str]:
    """Every string that stands under a `$ref`, wherever it is.

    Raises:
        UnreadableDocument: the document is nested too deeply or has too many values.
    """
    found: set[str] = set()
    pending: list[tuple[Any, int]] = [(document, 0)]
    seen = 0
    while pending:
        node, depth = pending.pop()
        seen += 1
        if depth > MAX_DEPTH or seen > MAX_NODES:
            raise UnreadableDocument("The OpenAPI document is nested too deeply or too large.")
        if isinstance(node, dict):
            if isinstance(target := node.get("$ref"), str):
                found.add(target)
            pending.extend((value, depth + 1) for value in node.values() if isinstance(value, (dict, list)))
        elif isinstance(node, list):
            pending.extend((value, depth + 1) for value in node if isinstance(value, (dict, list)))
    return found


def _read_yaml(text: bytes) -> Any:
    try:
        return _YamlTree().build(yaml.parse(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        reason = " ".join(str(wrong).split())[:200]
        raise UnreadableDocument(f"The OpenAPI document is neither JSON nor YAML: {reason}.") from None


class _Open:
    """A sequence or mapping whose end was not seen yet. `weight` counts its values with aliases expanded."""

    __slots__ = ("anchor", "key", "merged", "value", "weight")

    def __init__(self, value: Any, anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.weight = 1
        self.key: str | None = None
        self.merged: list[Any] = []


class _YamlTree:
    """Builds plain values from parser events, without recursion, by the rules of YAML 1.2's core schema.

    YAML 1.1, which PyYAML implements, reads `no` as false and `2024-01-01` as a date; OpenAPI asks for JSON's types.
    """

    def __init__(self) -> None:
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._root: Any = None

    def build(self, events: Iterator[Any]) -> Any:
        for event in events:
            if isinstance(event, yaml.ScalarEvent):
                value = _scalar(event.value) if event.implicit[0] else event.value
                self._finished(value, 1, event.anchor)
            elif isinstance(event, yaml.CollectionStartEvent):
                if len(self._stack) >= MAX_DEPTH:
                    raise UnreadableDocument("The OpenAPI document is nested too deeply.")
                self._stack.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor))
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event.anchor)
        return self._root

    def _close(self) -> None:
        ended = self._stack.pop()
        # Merged members never override those written out, wherever the merge key stands.
        for source in ended.merged:
            for key, value in source.items():
                ended.value.setdefault(key, value)
        self._finished(ended.value, ended.weight, ended.anchor)

    def _alias(self, anchor: str | None) -> None:
        # An anchor is known only once its node has ended, so a node can never contain itself.
        if anchor is None or anchor not in self._anchors:
            raise UnreadableDocument(f"The YAML alias *{anchor} is unknown or contains itself.")
        value, weight = self._anchors[anchor]
        self._finished(value, weight, None)

    def _finished(self, value: Any, weight: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, weight)
        if not self._stack:
            self._root = value
            return
        parent = self._stack[-1]
        parent.weight += weight
        if parent.weight > MAX_NODES:
            raise UnreadableDocument("The OpenAPI document expands its YAML aliases beyond reason.")
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is None:
            parent.key = _key(value)
        else:
            self._member(parent, value)

    @staticmethod
    def _member(parent: _Open, value: Any) -> None:
        key, parent.key = parent.key, None
        if key == "<<" and isinstance(value, (dict, list)):
            parent.merged += [
                part for part in (value if isinstance(value, list) else [value]) if isinstance(part, dict)
            ]
        else:
            parent.value[key] = value


def _key(value: Any) -> str:
    """Member names are strings in JSON: a response code 200, or a property called `yes` or `null`."""
    if isinstance(value, (dict, list)):
        raise UnreadableDocument("The OpenAPI document uses a list or an object as a key.")
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _scalar(text: str) -> Any:
    """A plain scalar by YAML 1.2's core schema; infinities and NaN stay strings, as JSON has none."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text) and len(text) < 100:
        return int(text)
    if _HEXADECIMAL.match(text) and len(text) < 20:
        return int(text, 16)
    if _FLOAT.match(text):
        number = float(text)
        return number if abs(number) != float("inf") else text
    return text
