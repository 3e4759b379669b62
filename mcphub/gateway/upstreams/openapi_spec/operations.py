"""A document's operations as tools: names, schemas, hints, and what building the request needs to know.

Above: `requests`, `results`, the upstream. Below: `schemas`, `documents`. Pure: a document goes in, an `Api` comes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from mcphub.gateway.inventory import Item
from mcphub.gateway.upstreams.openapi_spec.bodies import RequestBody, declared_body, is_json
from mcphub.gateway.upstreams.openapi_spec.documents import Documents, listed, members, server_address, text
from mcphub.gateway.upstreams.openapi_spec.fitting import fit
from mcphub.gateway.upstreams.openapi_spec.schemas import Schemas
from mcphub.gateway.upstreams.openapi_spec.security import Declared, declared_security

Place = Literal["path", "query", "header", "cookie"]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_PLACES: tuple[Place, ...] = ("path", "query", "header", "cookie")
_DEFAULT_STYLE = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
#: Headers that belong to the connection or the body; neither a model nor a caller may set them.
TRANSPORT_HEADERS = frozenset({
    "host", "connection", "content-length", "content-type", "transfer-encoding", "upgrade", "te", "trailer",
    "keep-alive", "proxy-authorization", "proxy-connection", "expect",
})  # fmt: skip
#: OpenAPI 3.1, 4.8.12.1: header parameters of these names are to be ignored; cookies have a place of their own.
_NOT_PARAMETERS = TRANSPORT_HEADERS | {"accept", "authorization", "cookie"}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: MCP 2025-11-25, "Tool Names": 128 characters with the server's prefix, for which room is left.
_NAME_LIMIT = 96
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
_NOT_IN_PATH_NAMES = re.compile(r"[^a-z0-9_]+")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `argument` is its property in the tool's input; `json` sends the value as a JSON text."""

    argument: str
    name: str
    place: Place
    style: str
    explode: bool
    reserved: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One tool and the request behind it.

    Attributes:
        id: the document's `operationId`, "" without one; `name` is the tool's.
        server: the base address of the service, without a trailing slash.
        definition: the tool object, JSON bytes.
        output: its output schema, where one is declared; `wrapped` when the answer stands under `result` in it,
            because MCP before 2026-07-28 only knows objects there.
    """

    name: str
    id: str
    method: str
    path: str
    server: str
    parameters: tuple[Parameter, ...]
    body: RequestBody | None
    definition: bytes
    output: Mapping[str, Any] | None = None
    wrapped: bool = False

    def item(self) -> Item:
        """The tool for the inventory."""
        return Item.of("tool", self.definition)


@dataclass(frozen=True, slots=True)
class Api:
    """A whole document: the service's identity and its operations, by tool name, in the document's order.

    `security` is what it declares of credentials, see `security.declared_security`.
    """

    title: str
    version: str
    description: str
    operations: Mapping[str, Operation]
    security: Declared

    def select(self, wanted: Iterable[str]) -> tuple[Api, list[str]]:
        """Only the operations that `wanted` names by operation id or tool name, and the names that are unknown."""
        names = set(wanted)
        if not names:
            return self, []
        chosen = {name: found for name, found in self.operations.items() if name in names or found.id in names}
        known = chosen.keys() | {found.id for found in chosen.values()}
        return replace(self, operations=chosen), sorted(names - known)


def convert(documents: Documents) -> Api:
    """Everything that `documents` offers. Takes some seconds of pure computation for very large documents.

    Raises:
        UnreadableDocument: no OpenAPI 3 document.
    """
    documents.require_supported()
    info = members(documents.root.get("info"))
    return Api(
        title=text(info.get("title")) or "OpenAPI",
        version=text(info.get("version")),
        description=text(info.get("description")),
        operations=_Conversion(documents).run(),
        security=declared_security(documents, (operation for _, _, operation, _, _ in _found(documents))),
    )


@dataclass(slots=True)
class _Draft:
    """An operation between the two passes: schemas are converted, but not closed yet."""

    operation: Operation
    source: Mapping[str, Any]
    input: dict[str, Any]
    output: Any = None


class _Conversion:
    """One run of `convert`: drafts all operations, settles the schemas they share, then writes the tools."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._found = list(_found(documents))
        self._inputs = Schemas(documents, "input", len(self._found))
        self._outputs = Schemas(documents, "output", len(self._found))
        self._names: set[str] = set()

    def run(self) -> dict[str, Operation]:
        drafts = [self._draft(*found) for found in self._found]
        self._inputs.settle()
        self._outputs.settle()
        operations = [self._finished(draft) for draft in drafts]
        return {operation.name: operation for operation in operations}

    def _draft(self, path: str, method: str, found: dict[str, Any], item: dict[str, Any], base: str) -> _Draft:
        declared = list(self._parameters(path, found, item, base))
        content, body = declared_body(self._documents, self._inputs, found.get("requestBody"), base)
        arguments = _argument_names([(place, name) for place, name, _, _ in declared], body=body is not None)
        properties: dict[str, Any] = {}
        required: list[str] = []
        parameters = []
        for argument, (place, name, parameter, file) in zip(arguments, declared, strict=True):
            parameters.append(_parameter(argument, name, place, parameter))
            properties[argument] = self._parameter_schema(name, place, parameter, file)
            if place == "path" or parameter.get("required") is True:
                required.append(argument)
        if body is not None:
            properties["body"] = content
            if body.required:
                required.append("body")
        operation_id = text(found.get("operationId"))
        operation = Operation(
            name=self._unique(_tool_name(operation_id, method, path)),
            id=operation_id,
            method=method.upper(),
            path=path,
            server=self._server(found, item),
            parameters=tuple(parameters),
            body=body,
            definition=b"",
        )
        schema = {"type": "object", "properties": properties, **({"required": required} if required else {})}
        return _Draft(operation, found, schema, self._answer(found.get("responses"), base))

    def _server(self, found: Mapping[str, Any], item: Mapping[str, Any]) -> str:
        servers = found.get("servers") or item.get("servers") or self._documents.root.get("servers")
        return server_address(servers, self._documents.base)

    def _unique(self, name: str) -> str:
        unique, number = name, 1
        while unique in self._names:
            number += 1
            unique = f"{name}_{number}"
        self._names.add(unique)
        return unique

    # -- parameters ---------------------------------------------------------------------------------------------

    def _parameters(
        self, path: str, found: Mapping[str, Any], item: Mapping[str, Any], base: str
    ) -> Iterator[tuple[Place, str, dict[str, Any], str]]:
        """The operation's parameters and those of its path, where the operation does not override them.

        Placeholders of the path that nobody declared are parameters as well: without them the tool could not work.
        """
        declared: dict[tuple[Place, str], tuple[dict[str, Any], str]] = {}
        for node in (*listed(item.get("parameters")), *listed(found.get("parameters"))):
            parameter, file = self._documents.follow(node, base)
            name, place = parameter.get("name"), parameter.get("in")
            if not isinstance(name, str) or not name or place not in _PLACES:
                continue
            if place in ("header", "cookie") and not _TOKEN.fullmatch(name):
                continue
            if place == "header" and name.lower() in _NOT_PARAMETERS:
                continue
            if place == "path" and f"{{{name}}}" not in path:
                continue
            declared[place, name] = (parameter, file)
        for placeholder in _PLACEHOLDER.findall(path):
            declared.setdefault(("path", placeholder[1:-1]), ({"schema": {"type": "string"}}, base))
        for (place, name), (parameter, file) in declared.items():
            yield place, name, parameter, file

    def _parameter_schema(self, name: str, place: Place, parameter: Mapping[str, Any], base: str) -> Any:
        content = list(members(parameter.get("content")).values())
        schema = self._inputs.convert(members(content[0] if content else parameter).get("schema", {}), base)
        if not isinstance(schema, dict):
            schema = {}
        description = (
            text(parameter.get("description")) or schema.get("description") or f"The {place} parameter {name}."
        )
        if parameter.get("deprecated") is True:
            description = f"Deprecated. {description}"
        schema["description"] = description
        example = parameter.get("example")
        if example is not None and "examples" not in schema:
            schema["examples"] = [example]
        return schema

    # -- answers ------------------------------------------------------------------------------------------------

    def _answer(self, responses: Any, base: str) -> Any:
        """The converted schema of the JSON answer of a success; None where none is declared."""
        declared = members(responses)
        codes = sorted(code for code in map(str, declared) if re.fullmatch(r"2(\d\d|XX)", code, re.IGNORECASE))
        for code in (*codes, "default"):
            response, file = self._documents.follow(declared.get(code), base)
            media_type, media = next(
                ((key, value) for key, value in members(response.get("content")).items() if is_json(key)), ("", None)
            )
            if media_type and isinstance(media, dict) and media.get("schema"):
                # `default` describes errors wherever success has an answer of its own, even an empty one.
                return None if code == "default" and codes else self._outputs.convert(media["schema"], file)
        return None

    # -- the tool -----------------------------------------------------------------------------------------------

    def _finished(self, draft: _Draft) -> Operation:
        operation = draft.operation
        tool: dict[str, Any] = {
            "name": operation.name,
            "description": _description(draft.source, operation),
            "inputSchema": self._inputs.close(draft.input),
            "annotations": _hints(operation.method),
        }
        output, wrapped = self._output(draft.output)
        if output is not None:
            tool["outputSchema"] = output
        return replace(operation, definition=msgspec.json.encode(tool), output=output, wrapped=wrapped)

    def _output(self, schema: Any) -> tuple[dict[str, Any] | None, bool]:
        """The output schema, which must be an object's, and whether the answer had to be wrapped to be one.

        None where none is declared, or one that no answer could meet.
        """
        if schema is None:
            return None, False
        root = self._outputs.body_of(schema)
        wrapped = not self._is_object(root)
        shown = {"type": "object", "properties": {"result": schema}} if wrapped else {**root, "type": "object"}
        output = self._outputs.close(shown)
        return (None, False) if fit({}, output)[1] else (output, wrapped)

    def _is_object(self, schema: Any, depth: int = 0) -> bool:
        """Whether a converted schema speaks of objects."""
        if depth > 8 or not isinstance(schema := self._outputs.body_of(schema), dict):
            return False
        if "type" in schema:
            return "object" in schema["type"] and set(schema["type"]) <= {"object", "null"}
        if "properties" in schema or "additionalProperties" in schema:
            return True
        if any(self._is_object(part, depth + 1) for part in schema.get("allOf", ())):
            return True
        branches = schema.get("anyOf", ())
        return bool(branches) and all(self._is_object(part, depth + 1) for part in branches)


def _found(documents: Documents) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any], str]]:
    """Path, method, operation, path item, and the file they stand in."""
    paths, base = documents.follow(documents.root.get("paths"), documents.base)
    for path, node in paths.items():
        item, item_base = documents.follow(node, base)
        for method in METHODS:
            if isinstance(found := item.get(method), dict) and path.startswith("/"):
                yield path, method, found, item, item_base


def _tool_name(operation_id: str, method: str, path: str) -> str:
    """The operation id with what MCP allows in names, else one made of the method and the path."""
    if name := _NOT_IN_NAMES.sub("_", operation_id).strip("_"):
        return name[:_NAME_LIMIT]
    segments = [_NOT_IN_PATH_NAMES.sub("", _PLACEHOLDER.sub("", part).lower()) for part in path.split("/")]
    return f"{method}_{'_'.join(filter(None, segments)) or 'root'}"[:_NAME_LIMIT]


def _argument_names(declared: Iterable[tuple[Place, str]], *, body: bool) -> list[str]:
    """A property name for every parameter: its own; where another place or the body has it already, `<name>_<place>`.

    Path goes before query, header and cookie, whatever the document's order.
    """
    parameters = list(declared)
    taken = {"body"} if body else set()
    names: dict[tuple[Place, str], str] = {}
    for place, name in sorted(parameters, key=lambda found: _PLACES.index(found[0])):
        chosen, number = name, 1
        while chosen in taken:
            chosen = f"{name}_{place}" if number == 1 else f"{name}_{place}_{number}"
            number += 1
        taken.add(chosen)
        names[place, name] = chosen
    return [names[found] for found in parameters]


def _parameter(argument: str, name: str, place: Place, declared: Mapping[str, Any]) -> Parameter:
    style = text(declared.get("style")) or _DEFAULT_STYLE[place]
    explode = declared.get("explode")
    return Parameter(
        argument=argument,
        name=name,
        place=place,
        style=style,
        explode=explode if isinstance(explode, bool) else style in ("form", "deepObject"),
        reserved=declared.get("allowReserved") is True,
        json=bool(members(declared.get("content"))),
    )


def _description(source: Mapping[str, Any], operation: Operation) -> str:
    """Summary, else description, else the request line; what a model must know besides stands around it."""
    described = text(source.get("summary")) or text(source.get("description")) or f"{operation.method} {operation.path}"
    if source.get("deprecated") is True:
        described = f"Deprecated. {described}"
    if operation.body is not None and operation.body.encoding == "unsupported":
        described += f" (Not callable: it needs a body of type {operation.body.media_type}, which is not supported.)"
    return described


def _hints(method: str) -> dict[str, bool]:
    """What HTTP promises of a method (RFC 9110, 9.2), as MCP's tool annotations."""
    if method in ("GET", "HEAD", "OPTIONS", "TRACE"):
        return {"readOnlyHint": True}
    hints = {"readOnlyHint": False}
    if method == "DELETE":
        hints["destructiveHint"] = True
    if method in ("DELETE", "PUT"):
        hints["idempotentHint"] = True
    return hints
