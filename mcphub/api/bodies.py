"""JSON request bodies: read within the configured limit, refused where malformed, an empty object where there is none.

Only `application/json` is read; a form body counts as none, as clients of this API have always seen it. An array
counts as an empty object, a bare string or number is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from django.http import HttpRequest
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from mcphub.api.switches import switches
from mcphub.errors import InvalidInput, TooLarge


class JsonBody(BaseParser):
    """See the module. Takes every content type, so that none is refused before the view speaks."""

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        if not is_json(media_type or ""):
            return {}
        limit = switches().body_limit
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise TooLarge(f"The request body is larger than the limit of {limit} bytes (routing.jsonBodyLimit).")
        return decoded(raw)


def is_json(content_type: str) -> bool:
    """Whether a content type announces JSON, suffixes such as application/problem+json included."""
    essence = content_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def decoded(raw: bytes) -> dict[str, Any]:
    """The object in a JSON text. Raises `InvalidInput` where it is malformed, a scalar, or holds a NUL character."""
    if not raw.strip():
        return {}
    try:
        value = msgspec.json.decode(raw)
        # PostgreSQL stores no NUL, and no text anyone means to send holds one.
        unstorable = b"\\u0000" in raw and _holds_nul(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput("The request body is not valid JSON.") from None
    if unstorable:
        raise InvalidInput("The request body holds a NUL character.")
    if isinstance(value, list):
        return {}
    if not isinstance(value, dict):
        raise InvalidInput("The request body must be a JSON object.")
    return value


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))


def members(request: Request) -> dict[str, Any]:
    """The JSON object of a request."""
    data = request.data
    return data if isinstance(data, dict) else {}


def give_length(request: HttpRequest) -> None:
    """Tell REST framework the length of a chunked body: it takes a request without Content-Length as empty."""
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
        # The ASGI server handed over the complete body as a file; its size is only to be had from there.
        stream = request._stream
        request.META["CONTENT_LENGTH"] = str(stream.seek(0, 2))
        stream.seek(0)
