"""The envelope `{success, data, message}` and every refusal in the same shape, with the id of its request.

`reply()` builds what views return; `explain()` is REST framework's exception handler; `refusal()` serves what fails
before a view is found. A failure nobody foresaw is logged with its request id and told without its cause.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.context import request_id
from mcphub.errors import HubError

logger = logging.getLogger(__name__)

_ABSENT: Any = object()
_encoder = msgspec.json.Encoder(enc_hook=str)


class EnvelopeRenderer(BaseRenderer):
    """JSON by msgspec: fast, and `msgspec.Raw` members (definitions stored as JSON) pass through as they are."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else _encoder.encode(data)


class AlwaysJson(BaseContentNegotiation):
    """JSON whatever `Accept` says: this API has one form, and old clients send anything."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next(iter(parsers), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


def reply(data: Any = _ABSENT, message: str | None = None, *, status: int = 200, **members: Any) -> Response:
    """A success: `data` and `message` where given, and further top-level members where a route has them."""
    body: dict[str, Any] = {"success": True} | members
    if data is not _ABSENT:
        body["data"] = data
    if message is not None:
        body["message"] = message
    return Response(body, status=status)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was not answered as asked: status, sentence for the caller, further members, headers."""

    status: int
    message: str
    code: str
    members: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def envelope(self) -> dict[str, Any]:
        """The body most routes answer with."""
        body: dict[str, Any] = {"success": False, "message": self.message, "code": self.code} | self.members
        if self.status >= 500:
            body["requestId"] = request_id.get()
        return body


def refusal_of(failure: Exception) -> Refusal:
    """What to tell the caller of a failure. One that nobody foresaw is logged here."""
    if isinstance(failure, HubError):
        return _of_ours(failure)
    if isinstance(failure, exceptions.APIException):
        return _of_rest_framework(failure)
    if isinstance(failure, Http404):
        return Refusal(404, "There is no such object.", "not_found")
    if isinstance(failure, PermissionDenied):
        return Refusal(403, "You may not do this.", "not_allowed")
    if isinstance(failure, RequestDataTooBig):
        return Refusal(413, "The request is larger than the limit.", "too_large")
    if isinstance(failure, SuspiciousOperation | BadRequest):
        return Refusal(400, "The request is not valid.", "invalid_input")
    if isinstance(failure, OperationalError | InterfaceError):
        logger.warning("Request %s: the database did not answer: %s", request_id.get(), failure)
        return Refusal(503, "The database does not answer; try again.", "unavailable", headers={"Retry-After": "5"})
    logger.error("Request %s failed", request_id.get(), exc_info=failure)
    return Refusal(500, "The hub could not answer this request; its log says why.", "internal_error")


def _of_ours(failure: HubError) -> Refusal:
    headers = {}
    if failure.http_status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    wait = getattr(failure, "retry_after", None)
    if wait is not None:
        headers["Retry-After"] = str(max(1, round(wait)))
    if failure.http_status >= 500:
        logger.error("Request %s: %s", request_id.get(), failure.message)
    return Refusal(failure.http_status, failure.message, failure.code, dict(failure.data or {}), headers)


def _of_rest_framework(failure: exceptions.APIException) -> Refusal:
    if isinstance(failure, exceptions.ValidationError):
        errors = [{"type": "field", "path": path, "msg": text} for path, text in _flat(failure.detail)]
        first = errors[0] if errors else {"path": "", "msg": "is not valid"}
        sentence = f"{first['path']} {first['msg']}".strip()
        return Refusal(400, f"{sentence[:1].upper()}{sentence[1:]}.", "invalid_input", {"errors": errors})
    if isinstance(failure, exceptions.MethodNotAllowed):
        return Refusal(405, "This path does not take this method.", "method_not_allowed")
    return Refusal(failure.status_code, str(failure.detail), str(failure.default_code))


def _flat(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every message of a ValidationError with the path of its member, such as `config.env.NAME`."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            below = path if key == "non_field_errors" else f"{path}.{key}".lstrip(".")
            yield from _flat(value, below)
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            nested = isinstance(value, dict | list)
            yield from _flat(value, f"{path}[{index}]" if nested and value else path)
    else:
        yield path, str(detail).rstrip(".")


def explain(failure: Exception, context: Mapping[str, Any]) -> Response:
    """REST framework's exception handler: every failure leaves in the shape its view family uses."""
    refused = refusal_of(failure)
    shape: Callable[[Refusal], dict[str, Any]] | None = getattr(context.get("view"), "shape", None)
    return Response(
        shape(refused) if shape else refused.envelope, status=refused.status, headers=refused.headers or None
    )


def refusal(status: int, message: str, code: str) -> HttpResponse:
    """A refusal outside of any view: unknown paths, middleware. `error` is for the families that say it so."""
    body = _encoder.encode(Refusal(status, message, code, {"error": message}).envelope)
    return HttpResponse(body, status=status, content_type="application/json")
