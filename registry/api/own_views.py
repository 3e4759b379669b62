"""The hub's own registry, read-only, in the words of the official API: what the caller may install.

VS Code and others can be pointed at it. It answers any web page (CORS), carries an ETag, and says 501 to writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from mcphub.actor import Actor
from mcphub.api.envelope import refusal_of
from mcphub.errors import HubError
from registry import browse
from registry.api.callers import actor_of_headers
from registry.api.mirror_views import asked

#: Lists may be a minute old for whoever may see them; with a credential they are nobody else's.
_FRESH = 60
Answering = Callable[[HttpRequest, Actor | None], Any]


def _open(answer: Callable[..., Any]) -> Callable[..., HttpResponse]:
    """A read-only route for programs and pages of anyone."""

    @csrf_exempt
    def view(request: HttpRequest, **names: str) -> HttpResponse:
        if request.method == "OPTIONS":
            response = HttpResponse(status=204)
            response.headers["Access-Control-Allow-Methods"] = "GET, OPTIONS"
            response.headers["Access-Control-Allow-Headers"] = "Authorization, X-API-Key, Content-Type"
        elif request.method not in ("GET", "HEAD"):
            response = _failed(501, "This registry is read-only.")
        else:
            response = _answered(request, answer, names)
        response.headers["Access-Control-Allow-Origin"] = "*"
        patch_vary_headers(response, ["Authorization", "X-API-Key"])
        return response

    return view


def _answered(request: HttpRequest, answer: Callable[..., Any], names: dict[str, str]) -> HttpResponse:
    try:
        actor = actor_of_headers(request)
        body = msgspec.json.encode(answer(Request(request), actor, **names))
    except HubError as failure:
        told = refusal_of(failure)
        return _failed(told.status, told.message)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    is_known = tag in request.headers.get("If-None-Match", "")
    response = HttpResponse(b"" if is_known else body, status=304 if is_known else 200, content_type="application/json")
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = f"{'private' if actor else 'public'}, max-age={_FRESH}"
    return response


def _failed(status: int, message: str) -> HttpResponse:
    return HttpResponse(msgspec.json.encode({"error": message}), status=status, content_type="application/json")


@_open
def servers(request: Request, actor: Actor | None) -> Any:
    """GET /v0.1/servers."""
    return browse.curated_page(actor, asked(request))


@_open
def versions(request: Request, actor: Actor | None, name: str) -> Any:
    """GET /v0.1/servers/{name}/versions."""
    return browse.curated_versions(actor, name)


@_open
def version(request: Request, actor: Actor | None, name: str, version: str) -> Any:
    """GET /v0.1/servers/{name}/versions/{version}."""
    return browse.curated_version(actor, name, version)


@_open
def health(request: Request, actor: Actor | None) -> Any:
    """GET /v0.1/health and /v0.1/ping."""
    return {"status": "ok"}
