"""From a tool's arguments to one HTTP request, as bytes: parameter styles, bodies, uploads. Pure.

Above: the upstream, which adds credentials and sends. Below: `operations`. Everything a model may write is encoded
here, so that no argument can leave its place: no slash leaves a path segment, no line break a header.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode
from uuid import uuid4

import msgspec
from msgspec import Raw

from mcphub.gateway.upstreams.openapi_spec.bodies import RequestBody
from mcphub.gateway.upstreams.openapi_spec.operations import Operation, Parameter

#: RFC 3986 characters that `allowReserved` lets through; "#" would begin a fragment, "&" and "+" change meaning.
_RESERVED = ":/?[]@!$'()*,;="
_SEPARATORS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}

Pairs = list[tuple[str, str]]


class UnusableArguments(ValueError):
    """The arguments make no request; the sentence tells the model what to change."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, complete but for credentials. `url` is encoded; `query` is its encoded query, without "?"."""

    method: str
    url: str
    query: str
    headers: tuple[tuple[str, str], ...]
    cookies: tuple[tuple[str, str], ...]
    body: bytes | None = None


def build(operation: Operation, arguments: Mapping[str, Raw]) -> Request:
    """The request that a call of `operation` with `arguments` (opened one level) means.

    Raises:
        UnusableArguments: a path parameter or a required body is missing, or a value cannot be sent in its place.
    """
    values = {parameter: _value(arguments, parameter.argument) for parameter in operation.parameters}
    query: Pairs = []
    headers: Pairs = []
    cookies: Pairs = []
    for parameter, value in values.items():
        if value is None or parameter.place == "path":
            continue
        if parameter.place == "query":
            query += query_pairs(parameter, value)
        elif parameter.place == "cookie":
            cookies += query_pairs(parameter, value)
        else:
            headers.append((parameter.name, _header(parameter, value)))
    body, media_type = _body(operation.body, arguments.get("body"))
    if media_type:
        headers.append(("Content-Type", media_type))
    path = {
        parameter.name: path_value(parameter, value) for parameter, value in values.items() if parameter.place == "path"
    }
    return Request(
        method=operation.method,
        url=operation.server + _path(operation.path, path),
        query="&".join(f"{name}={value}" for name, value in query),
        headers=tuple(headers),
        cookies=tuple(cookies),
        body=body,
    )


def _value(arguments: Mapping[str, Raw], name: str) -> Any:
    raw = arguments.get(name)
    return None if raw is None else msgspec.json.decode(raw)


def _plain(value: Any) -> str:
    """A scalar as text; what has no text of its own (a nested list or object) as JSON."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _encoded(text: str, safe: str = "") -> str:
    try:
        return quote(text, safe=safe)
    except UnicodeEncodeError:
        raise UnusableArguments("An argument holds half of a surrogate pair, which has no UTF-8 form.") from None


# -- paths --------------------------------------------------------------------------------------------------------


def _path(template: str, values: Mapping[str, str]) -> str:
    """The path with its placeholders filled; what stands around them is taken as the document wrote it."""
    path = quote(template, safe="/{}%:@!$&'()*+,;=~")
    for name, value in values.items():
        path = path.replace(quote(f"{{{name}}}", safe="/{}%:@!$&'()*+,;=~"), value)
    # Servers and proxies remove dot segments, encoded ones too: the call would reach another operation.
    if any(unquote(segment) in (".", "..") for segment in path.split("/")):
        raise UnusableArguments('A path parameter must not make "." or ".." of a path segment.')
    return path


def path_value(parameter: Parameter, value: Any) -> str:
    """A path parameter's text in the styles simple, label and matrix (OpenAPI 3.1, 4.8.12.3)."""
    if value is None or value in ("", [], {}):
        raise UnusableArguments(f"The path parameter {parameter.argument!r} is missing.")
    name = _encoded(parameter.name)
    if parameter.json:
        return _encoded(_plain_json(value))
    if parameter.style == "matrix":
        if isinstance(value, list) and parameter.explode:
            return "".join(f";{name}={_encoded(_plain(item))}" for item in value)
        if isinstance(value, dict) and parameter.explode:
            return "".join(f";{_encoded(key)}={_encoded(_plain(item))}" for key, item in value.items())
        return f";{name}={_joined(value, ',')}"
    if parameter.style == "label":
        return "." + _joined(value, "." if parameter.explode else ",", pairs=parameter.explode)
    return _joined(value, ",", pairs=parameter.explode)


def _joined(value: Any, separator: str, pairs: bool = False, safe: str = "") -> str:
    """A list's items, or an object's members (`a=1` as pairs, else `a,1`), each encoded, with `separator` between."""
    if isinstance(value, list):
        return separator.join(_encoded(_plain(item), safe) for item in value)
    if isinstance(value, dict):
        between = "=" if pairs else separator
        return separator.join(
            f"{_encoded(key, safe)}{between}{_encoded(_plain(item), safe)}" for key, item in value.items()
        )
    return _encoded(_plain(value), safe)


# -- queries, cookies and headers ---------------------------------------------------------------------------------


def query_pairs(parameter: Parameter, value: Any) -> Pairs:
    """Encoded names and values of a query or cookie parameter: form, spaceDelimited, pipeDelimited, deepObject."""
    safe = _RESERVED if parameter.reserved else ""
    name = _encoded(parameter.name, "[]")
    if parameter.json:
        return [(name, _encoded(_plain_json(value), safe))]
    if isinstance(value, dict) and parameter.style == "deepObject":
        return [(key, item) for member, inner in value.items() for key, item in _deep(name, member, inner, safe)]
    if isinstance(value, list) and (parameter.explode or parameter.style == "deepObject"):
        return [(name, _encoded(_plain(item), safe)) for item in value if item is not None]
    if isinstance(value, dict) and parameter.explode:
        return [(_encoded(key, "[]"), _encoded(_plain(item), safe)) for key, item in value.items() if item is not None]
    if isinstance(value, (list, dict)) and not value:
        return []
    return [(name, _joined(value, _SEPARATORS.get(parameter.style, ","), safe=safe))]


def _deep(prefix: str, member: str, value: Any, safe: str) -> Pairs:
    """`filter[a][b]=1`: nesting beyond one level is not specified, but this is what services read."""
    name = f"{prefix}[{_encoded(member)}]"
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _deep(name, key, inner, safe)]
    items = value if isinstance(value, list) else [value]
    return [(name, _encoded(_plain(item), safe)) for item in items if item is not None]


def _plain_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _header(parameter: Parameter, value: Any) -> str:
    """A header's text, style simple. Headers are not percent-encoded, so what cannot stand in one is refused."""
    if parameter.json:
        text = _plain_json(value)
    elif isinstance(value, list):
        text = ",".join(map(_plain, value))
    elif isinstance(value, dict):
        between = "=" if parameter.explode else ","
        text = ",".join(f"{key}{between}{_plain(item)}" for key, item in value.items())
    else:
        text = _plain(value)
    if any(character < " " or character == "\x7f" for character in text):
        raise UnusableArguments(f"The header parameter {parameter.argument!r} must not hold control characters.")
    return text


# -- bodies -------------------------------------------------------------------------------------------------------


def _body(declared: RequestBody | None, raw: Raw | None) -> tuple[bytes | None, str]:
    """The body and its media type; (None, "") without one."""
    if declared is None:
        return None, ""
    if declared.encoding == "unsupported":
        raise UnusableArguments(f"This operation needs a body of type {declared.media_type}, which is not supported.")
    if raw is None:
        if declared.required:
            raise UnusableArguments("The argument 'body' is missing.")
        return None, ""
    if declared.encoding == "json":
        # The bytes as they came: nothing is lost of big numbers or unknown members.
        return bytes(raw), declared.media_type
    fields = msgspec.json.decode(raw)
    if not isinstance(fields, dict):
        raise UnusableArguments("The argument 'body' must be an object.")
    if declared.encoding == "form":
        pairs = [(name, _plain(item)) for name, value in fields.items() for item in _repeated(value)]
        return _form(pairs), declared.media_type
    boundary = uuid4().hex
    parts = [part for name, value in fields.items() for part in _parts(declared, name, value)]
    return _multipart(parts, boundary), f"multipart/form-data; boundary={boundary}"


def _form(pairs: Pairs) -> bytes:
    try:
        return urlencode(pairs).encode()
    except UnicodeEncodeError:
        raise UnusableArguments("An argument holds half of a surrogate pair, which has no UTF-8 form.") from None


def _repeated(value: Any) -> Iterable[Any]:
    """A field's values: a list repeats the field, null leaves it out."""
    return [item for item in (value if isinstance(value, list) else [value]) if item is not None]


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    content: bytes
    filename: str = ""
    media_type: str = ""


def _parts(declared: RequestBody, name: str, value: Any) -> list[_Part]:
    media_type = declared.types.get(name, "")
    if name in declared.uploads:
        return [_upload(name, item, media_type) for item in _repeated(value)]
    return [
        _Part(
            name,
            _plain(item).encode(),
            media_type=media_type or ("application/json" if isinstance(item, (dict, list)) else ""),
        )
        for item in _repeated(value)
    ]


def _upload(name: str, value: Any, media_type: str) -> _Part:
    """A file: base64, or an object with `content`, `filename` and `contentType`."""
    given = value if isinstance(value, dict) else {"content": value}
    content = given.get("content")
    if not isinstance(content, str):
        raise UnusableArguments(f"The file {name!r} must be base64, or an object whose 'content' is base64.")
    return _Part(
        name,
        _decoded(name, content),
        filename=str(given.get("filename") or "upload"),
        media_type=str(given.get("contentType") or media_type or "application/octet-stream"),
    )


def _decoded(name: str, content: str) -> bytes:
    """Base64 in either alphabet, with or without padding and line breaks."""
    compact = "".join(content.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise UnusableArguments(f"The file {name!r} is not valid base64.") from None


def _multipart(parts: list[_Part], boundary: str) -> bytes:
    """RFC 7578, with names escaped as browsers do."""
    chunks = []
    for part in parts:
        disposition = f'form-data; name="{_quoted(part.name)}"'
        if part.filename:
            disposition += f'; filename="{_quoted(part.filename)}"'
        chunks.append(f"--{boundary}\r\nContent-Disposition: {disposition}\r\n".encode())
        if part.media_type:
            chunks.append(f"Content-Type: {_one_line(part.media_type)}\r\n".encode())
        chunks += [b"\r\n", part.content, b"\r\n"]
    chunks.append(f"--{boundary}--\r\n".encode())
    return b"".join(chunks)


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _one_line(text: str) -> str:
    return text.replace("\r", "").replace("\n", "")
