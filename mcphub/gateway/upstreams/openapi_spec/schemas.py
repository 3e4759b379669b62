"""OpenAPI schemas as self-contained JSON Schema 2020-12: what a tool takes, and what it gives.

Above: `operations`. Below: `keywords`, `references`, `documents`. Named schemas are converted once per direction and
shared by all operations. A reference is written out where that stays small, because many clients do not follow
references; recursive schemas and large ones become `$defs`. What is too large to show at all is cut at a reference.

The two directions differ. An *input* schema says what the service asks for, as precisely as the document does. An
*output* schema is a promise of the hub to its clients, who throw away a whole result that breaks it, so only names,
types and meaning are kept, null is allowed everywhere, and nothing is required (see `keywords.promise`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from mcphub.gateway.upstreams.openapi_spec import keywords
from mcphub.gateway.upstreams.openapi_spec.documents import Documents
from mcphub.gateway.upstreams.openapi_spec.references import Reference, cut_endless, mentions

Direction = Literal["input", "output"]

#: Bytes of JSON: below the first a tool's references are written out; the `$defs` of a tool stay below the second, and
#: those of all tools together about below the third.
_INLINE_LIMIT = {"input": 16_000, "output": 6_000}
_DEFS_LIMIT = {"input": 64_000, "output": 16_000}
_TOTAL_LIMIT = {"input": 16_000_000, "output": 6_000_000}
_LEAST_LIMIT = 3_000
_CUT = {"description": "Too large to be described here."}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(slots=True)
class _Body:
    """A converted schema, the names it refers to (once per mention), and its bytes of JSON."""

    schema: Any
    refs: tuple[str, ...]
    size: int

    @classmethod
    def of(cls, schema: Any) -> _Body:
        return cls(schema, tuple(mentions(schema)), len(msgspec.json.encode(schema)))


class Schemas:
    """All schemas of one document in one direction, for so many `tools`.

    First `convert` every schema of interest, then `settle` once, then `close` each tool's schema.
    """

    def __init__(self, documents: Documents, direction: Direction, tools: int) -> None:
        self.direction = direction
        self._documents = documents
        share = max(_LEAST_LIMIT, _TOTAL_LIMIT[direction] // max(tools, 1))
        self._inline_limit = min(_INLINE_LIMIT[direction], share)
        self._defs_limit = min(_DEFS_LIMIT[direction], share)
        self._names: dict[tuple[str, str], str] = {}
        self._pending: list[tuple[str, tuple[str, str]]] = []
        self._taken: set[str] = set()
        self._plain: dict[str, _Body] = {}
        self._short: dict[str, _Body | None] = {}
        #: bytes with every reference written out; a name is missing where that never ends
        self._expanded: dict[str, int] = {}

    def convert(self, schema: Any, base: str) -> Any:
        """One schema found in the file `base`; references become `Reference`s, to be resolved by `close`."""
        if isinstance(schema, bool):
            # A promise of "nothing" (false) cannot be kept for a foreign service.
            return True if self.direction == "output" else schema
        if not isinstance(schema, dict):
            return {}
        ref = schema.get("$ref")
        if not isinstance(ref, str):
            found = self._keywords(schema, base)
            # The way of OpenAPI 3.0 to say something beside a reference.
            alone = found.pop("allOf")[0] if len(found.get("allOf", ())) == 1 else None
            return found if alone is None else _merged(alone, found)
        # OpenAPI 3.0 ignores what stands beside a reference; a description there is nevertheless meant.
        kept = keywords.ANNOTATIONS if self._documents.is_30 else schema.keys() - {"$ref"}
        beside = self._keywords({key: value for key, value in schema.items() if key in kept}, base)
        name = self._name(ref, base)
        return beside if name is None else Reference(name, beside)

    def settle(self) -> None:
        """Convert everything that was referred to, and find out how large each named schema is."""
        named: dict[str, Any] = {}
        while self._pending:
            name, (file, pointer) = self._pending.pop()
            named[name] = self.convert(self._documents.at(file, pointer), file)
        cut_endless(named)
        self._plain = {name: _Body.of(schema) for name, schema in named.items()}
        self._measure()

    def close(self, schema: dict[str, Any]) -> dict[str, Any]:
        """`schema` with all it refers to: written out where that is small, else under `$defs`."""
        root = _Body.of(schema)
        if not root.refs:
            return schema
        if (short := self._shortened(root, self._inline_limit)) is not None:
            definitions = self._definitions(short.refs, self._short_body, cut=False)
            if definitions is not None:
                return {**short.schema, "$defs": definitions} if definitions else dict(short.schema)
        return {**schema, "$defs": self._definitions(root.refs, self._plain.get, cut=True)}

    def body_of(self, schema: Any) -> Any:
        """A converted schema that is no reference itself: what it refers to stands in its place (after `settle`)."""
        for _ in range(len(self._plain) + 1):
            if not isinstance(schema, Reference):
                return schema
            schema = _merged(self._plain[schema.name].schema, schema.beside)
        return {}

    # -- one schema ---------------------------------------------------------------------------------------------

    def _keywords(self, schema: Mapping[str, Any], base: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if kinds := keywords.types(schema.get("type")):
            found["type"] = kinds
        for key, value in schema.items():
            if key in keywords.KEPT:
                if keywords.KEPT[key](value):
                    found[key] = value
            elif key in keywords.SUBSCHEMA and isinstance(value, (dict, bool)):
                found[key] = self.convert(value, base)
            elif key in keywords.SUBSCHEMA_LISTS and isinstance(value, list) and value:
                found[key] = [self.convert(part, base) for part in value]
            elif key in keywords.SUBSCHEMA_MAPS and isinstance(value, dict):
                named = value if key != "patternProperties" else filter(keywords.is_pattern, value)
                found[key] = {str(name): self.convert(value[name], base) for name in named}
            elif key == "items" and isinstance(value, list) and value:
                found["prefixItems"] = [self.convert(part, base) for part in value]
        self._hide(schema, found)
        keywords.place_example(schema, found)
        if self.direction == "output":
            return keywords.promise(found)
        return keywords.from_30(schema, found) if self._documents.is_30 else found

    def _hide(self, schema: Mapping[str, Any], found: dict[str, Any]) -> None:
        """Drop the properties of the other direction: `readOnly` ones in requests, `writeOnly` ones in answers."""
        properties = found.get("properties")
        if not properties:
            return
        flag = "readOnly" if self.direction == "input" else "writeOnly"
        hidden = {
            str(name)
            for name, part in schema["properties"].items()
            if isinstance(part, dict) and part.get(flag) is True
        }
        if hidden:
            found["properties"] = {name: part for name, part in properties.items() if name not in hidden}
            if "required" in found:
                found["required"] = [name for name in found["required"] if name not in hidden]

    def _name(self, ref: str, base: str) -> str | None:
        """The name under which a reference will be found in `$defs`; None where it leads nowhere."""
        place = self._documents.locate(ref, base)
        if place in self._names:
            return self._names[place]
        if not isinstance(self._documents.at(*place), (dict, bool)):
            return None
        file, pointer = place
        wanted = _NOT_IN_NAMES.sub("_", (pointer or file).rstrip("/").rpartition("/")[2])[:100] or "schema"
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        self._names[place] = name
        self._pending.append((name, place))
        return name

    # -- all schemas --------------------------------------------------------------------------------------------

    def _measure(self) -> None:
        """Expanded sizes, leaves first; what takes part in a cycle, or leads to one, is never reached."""
        users: dict[str, list[str]] = {name: [] for name in self._plain}
        waiting: dict[str, int] = {}
        for name, body in self._plain.items():
            waiting[name] = len(body.refs)
            for ref in body.refs:
                users[ref].append(name)
        ready = [name for name, count in waiting.items() if count == 0]
        while ready:
            name = ready.pop()
            body = self._plain[name]
            self._expanded[name] = body.size + sum(self._expanded[ref] for ref in body.refs)
            for user in users[name]:
                waiting[user] -= 1
                if waiting[user] == 0:
                    ready.append(user)

    def _shortened(self, body: _Body, limit: int) -> _Body | None:
        """`body` with every reference that ends written out; None where that would take more than `limit` bytes."""
        if body.size + sum(self._expanded.get(ref, 0) for ref in body.refs) > limit:
            return None
        return _Body.of(self._written_out(body.schema))

    def _short_body(self, name: str) -> _Body | None:
        if name not in self._short:
            self._short[name] = self._shortened(self._plain[name], self._defs_limit)
        return self._short[name]

    def _written_out(self, schema: Any) -> Any:
        if isinstance(schema, list):
            return [self._written_out(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        if not isinstance(schema, Reference):
            return {key: self._written_out(value) for key, value in schema.items()}
        beside = {key: self._written_out(value) for key, value in schema.beside.items()}
        if schema.name not in self._expanded:
            return Reference(schema.name, beside)
        body = self._short_body(schema.name)
        return _merged(body.schema, beside) if body is not None else Reference(schema.name, beside)

    def _definitions(
        self, first: Iterable[str], body_of: Callable[[str], _Body | None], cut: bool
    ) -> dict[str, Any] | None:
        """All that `first` leads to, nearest first. Past the limit: stubs where `cut` allows them, else None."""
        queue = dict.fromkeys(first)
        definitions: dict[str, Any] = {}
        left = self._defs_limit
        while queue:
            name = next(iter(queue))
            del queue[name]
            body = body_of(name)
            if body is None or body.size > left:
                if not cut:
                    return None
                definitions[name] = _CUT
                continue
            left -= body.size
            definitions[name] = body.schema
            queue.update((ref, None) for ref in body.refs if ref not in definitions)
        return definitions


def _merged(body: Any, beside: dict[str, Any]) -> Any:
    """The schema that says what `body` and the keywords beside a reference to it say."""
    if not beside:
        return body
    if not isinstance(body, dict):
        return {**beside, "not": {}} if body is False else beside
    if not beside.keys() <= keywords.ANNOTATIONS and beside.keys() & body.keys():
        return {**beside, "allOf": [*beside.get("allOf", ()), body]}
    return Reference(body.name, {**body.beside, **beside}) if isinstance(body, Reference) else {**body, **beside}
