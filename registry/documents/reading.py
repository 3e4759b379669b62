"""Reads a `server.json` of any schema revision: what can be used becomes values, what cannot becomes a note.

Differences between the revisions, all accepted at once because published documents mix them:
    2025-07-09  snake_case members; `registry_name` and `name` for a package's type and identifier, `transport_type`
                for a remote's; the version in `version_detail`
    2025-09-16  camelCase members
    2025-09-29  `status` left the document for the registry's metadata
    2025-12-11  `icons`, `title`, `websiteUrl`, header and URL variables of remotes

Above: `sync`, `planning`. Below: `values`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from registry.documents.values import Argument, Document, Format, Input, Package, Remote, Transport

_CAPITAL = re.compile(r"(?=[A-Z])")
_FORMATS = ("string", "number", "boolean", "filepath")
_TRANSPORTS: dict[str, Transport] = {
    "stdio": "stdio",
    "streamable-http": "streamable-http",
    "streamable": "streamable-http",
    "http": "streamable-http",
    "sse": "sse",
}
#: Longest name and version the official schema allows; longer ones are refused rather than cut.
NAME_LIMIT, VERSION_LIMIT = 200, 255
_FORMER_NAMES = {
    "registryType": ("registry_type", "registry_name", "registryName"),
    "identifier": ("name",),
    "type": ("transport_type", "transportType"),
}
#: Texts that a database cannot store or a person cannot read.
_UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class Unusable(ValueError):
    """The document cannot be an entry at all; the text says why."""


def read(document: object) -> Document:
    """Read a decoded `server.json`. Raises `Unusable` where it has no usable name or version."""
    if not isinstance(document, Mapping):
        raise Unusable("the document is no JSON object")
    name, version = identity(document)
    notes: list[str] = []
    repository = document.get("repository")
    return Document(
        name=name,
        version=version,
        title=_text(document, "title"),
        description=_text(document, "description"),
        website=_web_address(_text(document, "websiteUrl")),
        repository=_web_address(_text(repository, "url") if isinstance(repository, Mapping) else ""),
        packages=tuple(_packages(document, notes)),
        remotes=tuple(_remotes(document, notes)),
        notes=tuple(notes),
    )


def identity(document: Mapping[str, Any]) -> tuple[str, str]:
    """Name and version of a document. Raises `Unusable` where one is missing, too long or cannot be stored."""
    detail = document.get("version_detail")
    version = document.get("version") or (detail.get("version") if isinstance(detail, Mapping) else None)
    for what, value, limit in (("name", document.get("name"), NAME_LIMIT), ("version", version, VERSION_LIMIT)):
        if not isinstance(value, str) or not value.strip():
            raise Unusable(f"the document has no {what}")
        if len(value) > limit:
            raise Unusable(f"the {what} is longer than {limit} characters")
        if _CONTROL.search(value):
            raise Unusable(f"the {what} holds control characters")
    return document["name"], str(version)


def _packages(document: Mapping[str, Any], notes: list[str]) -> Iterator[Package]:
    for place, item in _objects(document, "packages", notes):
        registry, identifier = _text(item, "registryType").lower(), _text(item, "identifier")
        if not registry or not identifier:
            notes.append(f"{place} has no registryType or identifier")
            continue
        transport = _member(item, "transport")
        spoken = transport if isinstance(transport, Mapping) else {"type": transport or "stdio"}
        kind = _TRANSPORTS.get(_text(spoken, "type") or "stdio")
        if kind is None:
            notes.append(f"{place} speaks the unknown transport {_text(spoken, 'type')!r}")
            continue
        yield Package(
            registry=registry,
            identifier=identifier,
            version=_text(item, "version"),
            base_url=_text(item, "registryBaseUrl"),
            sha256=_text(item, "fileSha256"),
            hint=_text(item, "runtimeHint"),
            transport=kind,
            url=_text(spoken, "url"),
            runtime_arguments=tuple(_arguments(item, "runtimeArguments", place, notes)),
            arguments=tuple(_arguments(item, "packageArguments", place, notes)),
            environment=tuple(_named_inputs(item, "environmentVariables", place, notes)),
        )


def _remotes(document: Mapping[str, Any], notes: list[str]) -> Iterator[Remote]:
    for place, item in _objects(document, "remotes", notes):
        kind, url = _TRANSPORTS.get(_text(item, "type")), _text(item, "url")
        if kind is None or kind == "stdio" or not url or re.search(r"\s", url):
            notes.append(f"{place} has no usable type and url")
            continue
        headers = tuple(_named_inputs(item, "headers", place, notes))
        yield Remote(kind, url, headers, _variables(item))


def _arguments(item: Mapping[str, Any], member: str, place: str, notes: list[str]) -> Iterator[Argument]:
    for number, (where, argument) in enumerate(_objects(item, member, notes, place), 1):
        flag = _text(argument, "name") if _text(argument, "type") != "positional" else ""
        if _text(argument, "type") == "named" and not flag:
            notes.append(f"{where} is a named argument without a name")
            continue
        hint = _text(argument, "valueHint")
        yield Argument(flag, _input(argument, flag or hint or f"argument_{number}"), _flag(argument, "isRepeated"))


def _named_inputs(item: Mapping[str, Any], member: str, place: str, notes: list[str]) -> Iterator[Input]:
    for where, told in _objects(item, member, notes, place):
        name = _text(told, "name")
        if not name or re.search(r"[\s=]", name):
            notes.append(f"{where} has no usable name")
            continue
        yield _input(told, name)


def _input(told: Mapping[str, Any], name: str) -> Input:
    told_format = _text(told, "format")
    choices = _member(told, "choices")
    return Input(
        name=name,
        description=_text(told, "description"),
        required=_flag(told, "isRequired"),
        secret=_flag(told, "isSecret"),
        format=cast(Format, told_format) if told_format in _FORMATS else "string",
        value=_scalar(_member(told, "value")),
        default=_scalar(_member(told, "default")),
        placeholder=_text(told, "placeholder"),
        choices=tuple(filter(None, map(_scalar, choices))) if isinstance(choices, list) else (),
        variables=_variables(told),
        hint=_text(told, "valueHint"),
    )


def _variables(told: Mapping[str, Any]) -> tuple[Input, ...]:
    variables = _member(told, "variables")
    if not isinstance(variables, Mapping):
        return ()
    return tuple(_input(one, str(name)) for name, one in variables.items() if isinstance(one, Mapping))


def _objects(
    holder: Mapping[str, Any], member: str, notes: list[str], place: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a list member, each with its place; anything else in it becomes a note."""
    items = _member(holder, member)
    path = f"{place}.{member}" if place else member
    if items is None:
        return
    if not isinstance(items, list):
        notes.append(f"{path} is no list")
        return
    for number, item in enumerate(items):
        if isinstance(item, Mapping):
            yield f"{path}[{number}]", item
        else:
            notes.append(f"{path}[{number}] is no object")


def _member(holder: Mapping[str, Any], name: str) -> Any:
    """A member by its present name, its snake_case form, or what it was called before."""
    if name in holder:
        return holder[name]
    for former in (_CAPITAL.sub("_", name).lower(), *_FORMER_NAMES.get(name, ())):
        if former in holder:
            return holder[former]
    return None


def _text(holder: Mapping[str, Any], name: str) -> str:
    value = _member(holder, name)
    return _UNSTORABLE.sub("", value).strip() if isinstance(value, str) else ""


def _scalar(value: Any) -> str | None:
    """A text, number or boolean as text: publishers write defaults in all three ways."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _UNSTORABLE.sub("", str(value)) if isinstance(value, str | int | float) else None


def _flag(holder: Mapping[str, Any], name: str) -> bool:
    return _member(holder, name) is True


def _web_address(text: str) -> str:
    """An http address, or "": a link in our pages must not be able to hold a script."""
    return text if re.match(r"https?://[^\s]+$", text) and len(text) <= 2000 else ""
