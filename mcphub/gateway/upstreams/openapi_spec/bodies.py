"""The body an operation declares: which of its media types to send, and how a model is shown it.

Above: `operations`. Below: `schemas`, `documents`. JSON goes before forms before multipart; a file in a multipart body
is shown as base64, because a model can only write text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mcphub.gateway.upstreams.openapi_spec.documents import Documents, listed, members, text
from mcphub.gateway.upstreams.openapi_spec.schemas import Schemas

Encoding = Literal["json", "form", "multipart", "unsupported"]

_FORMS: dict[str, Encoding] = {"application/x-www-form-urlencoded": "form", "multipart/form-data": "multipart"}
_CONTENT = {"type": "string", "description": "The file's content in base64."}
_UPLOAD = {
    "anyOf": [
        _CONTENT,
        {
            "type": "object",
            "properties": {
                "content": _CONTENT,
                "filename": {"type": "string", "default": "upload"},
                "contentType": {"type": "string", "default": "application/octet-stream"},
            },
            "required": ["content"],
        },
    ]
}


@dataclass(frozen=True, slots=True)
class RequestBody:
    """How to send a body. `uploads` are the fields that hold files; `types` the media types declared for fields."""

    media_type: str
    encoding: Encoding
    required: bool = False
    uploads: frozenset[str] = frozenset()
    types: Mapping[str, str] = field(default_factory=dict)


def is_json(media_type: str) -> bool:
    """Whether a media type, parameters ignored, is JSON (or lets us choose, and then it is)."""
    kind = _bare(media_type)
    return kind in ("application/json", "text/json", "*/*", "application/*") or kind.endswith("+json")


def declared_body(documents: Documents, schemas: Schemas, node: Any, base: str) -> tuple[Any, RequestBody | None]:
    """The converted schema of a `requestBody` found in the file `base`, and how to send it; (None, None) without."""
    declared, base = documents.follow(node, base)
    content = {name: value for name, value in members(declared.get("content")).items() if isinstance(value, dict)}
    if not content:
        return None, None
    chosen, encoding = _preferred(content)
    required = declared.get("required") is True
    if encoding == "unsupported":
        return {}, RequestBody(chosen, encoding, required)
    if encoding == "multipart":
        schema, uploads = _Multipart(documents, schemas).convert(content[chosen].get("schema"), base)
        body = RequestBody(_bare(chosen), encoding, required, frozenset(uploads), _field_types(content[chosen]))
    else:
        schema = schemas.convert(content[chosen].get("schema", {}), base)
        # "*/*" lets the sender choose; parameters such as a charset belong to the document's examples.
        body = RequestBody("application/json" if "*" in chosen else _bare(chosen), encoding, required)
    if isinstance(schema, dict) and (description := text(declared.get("description"))):
        schema.setdefault("description", description)
    return schema, body


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def _preferred(media_types: Iterable[str]) -> tuple[str, Encoding]:
    listed_types = list(media_types)
    for media_type in listed_types:
        if is_json(media_type):
            return media_type, "json"
    for form, encoding in _FORMS.items():
        for media_type in listed_types:
            if _bare(media_type) == form:
                return media_type, encoding
    return listed_types[0], "unsupported"


def _field_types(media: Mapping[str, Any]) -> dict[str, str]:
    """The media types that `encoding` declares for the fields of a multipart body; the first where it lists several."""
    found = {}
    for name, encoding in members(media.get("encoding")).items():
        declared = text(members(encoding).get("contentType")).split(",")[0].strip()
        if declared and "*" not in declared:
            found[name] = declared
    return found


class _Multipart:
    """Converts the schema of a multipart body: one flat object, files shown as `_UPLOAD`."""

    def __init__(self, documents: Documents, schemas: Schemas) -> None:
        self._documents = documents
        self._schemas = schemas

    def convert(self, node: Any, base: str) -> tuple[Any, set[str]]:
        """The schema, and the names of the fields that hold files."""
        properties: dict[str, Any] = {}
        required: dict[str, None] = {}
        uploads: set[str] = set()
        for part, file in self._parts(node, base):
            for name, declared in members(part.get("properties")).items():
                upload = self._upload(declared, file)
                properties[name] = self._schemas.convert(declared, file) if upload is None else upload
                if upload is not None:
                    uploads.add(name)
            required.update((name, None) for name in listed(part.get("required")) if isinstance(name, str))
        if not properties:
            return self._schemas.convert(node if node is not None else {}, base), uploads
        schema = {"type": "object", "properties": properties}
        return ({**schema, "required": list(required)} if required else schema), uploads

    def _parts(self, node: Any, base: str, depth: int = 0) -> Iterator[tuple[dict[str, Any], str]]:
        """The object itself and what it is composed of by `allOf`, the innermost first."""
        schema, file = self._documents.follow(node, base)
        if depth < 10:
            for part in listed(schema.get("allOf")):
                yield from self._parts(part, file, depth + 1)
        yield schema, file

    def _upload(self, node: Any, base: str) -> dict[str, Any] | None:
        """How a field that holds a file, or a list of them, is shown; None for other fields."""
        schema, file = self._documents.follow(node, base)
        items, _ = self._documents.follow(schema.get("items"), file)
        described = {"description": schema["description"]} if text(schema.get("description")) else {}
        if _is_file(schema):
            return {**_UPLOAD, **described}
        if _is_file(items):
            return {"type": "array", "items": _UPLOAD, **described}
        return None


def _is_file(schema: Mapping[str, Any]) -> bool:
    """OpenAPI 3.0 says `format: binary`, 3.1 a `contentMediaType` without a `contentEncoding`."""
    if schema.get("format") == "binary":
        return True
    return isinstance(schema.get("contentMediaType"), str) and "contentEncoding" not in schema
