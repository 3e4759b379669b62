"""Middleware before every route: request ids, the base path, paths as they were sent, requests from foreign pages.

The order in `settings.MIDDLEWARE` is the order here. MCP never comes this way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

from mcphub.api.callers import id_for
from mcphub.api.envelope import refusal
from mcphub.context import request_id

Next = Callable[[HttpRequest], HttpResponseBase]

#: These live at the root of the host, whatever BASE_PATH says.
_ROOTED = re.compile(r"/(health|oauth|\.well-known|internal)(/|$)", re.IGNORECASE)
_API = re.compile(r"/(api(/|$)|config/?$|public-config/?$|discovery/|health/?$|oauth/|\.well-known/)", re.IGNORECASE)
#: Descriptions for tools of anyone's making, as the contract has it.
_FOR_ALL = re.compile(r"/api/(?:[^/]+/)?openapi\.(json|yaml)/?$", re.IGNORECASE)
_METHODS = "GET, HEAD, PUT, PATCH, POST, DELETE"
_EXPOSED = "RateLimit-Policy, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Request-Id"


def identified(following: Next) -> Next:
    """Give every request an id, which its log lines, its audit entries and its reply carry."""

    def gate(request: HttpRequest) -> HttpResponseBase:
        token = request_id.set(id_for(request))
        try:
            response = following(request)
            response.headers["X-Request-Id"] = request_id.get()
            return response
        finally:
            request_id.reset(token)

    return gate


def mounted(following: Next) -> Next:
    """Outside BASE_PATH there is nothing but what is mounted at the root; `path_info` is the path inside of it."""

    def gate(request: HttpRequest) -> HttpResponseBase:
        base = settings.BASE_PATH
        if base:
            path = request.path
            inside = path == base or path.startswith(base + "/")
            rooted = _ROOTED.match(path)
            if not inside and path == "/":
                return HttpResponse(status=302, headers={"Location": base + "/"})
            if not inside and not rooted:
                return refusal(404, "There is nothing outside the hub's base path.", "not_found")
            request.path_info = path if rooted else path[len(base) :] or "/"
        return following(request)

    return gate


def as_sent(following: Next) -> Next:
    """Let API routes see their path undecoded (see `routes`), refuse foreign hosts and what no column can hold."""

    def gate(request: HttpRequest) -> HttpResponseBase:
        if _API.match(request.path_info):
            sent = _sent_path(request)
            if "%00" in sent or "%00" in request.META.get("QUERY_STRING", ""):
                return refusal(400, "The address holds a NUL character.", "invalid_input")
            try:
                request.get_host()
            except DisallowedHost:  # else a page for people, and a trace in the log for whatever strangers send
                return refusal(400, "The hub does not answer to this host name (ALLOWED_HOSTS).", "unknown_host")
            request.path_info = sent
        return following(request)

    return gate


def _sent_path(request: HttpRequest) -> str:
    """The path below BASE_PATH, percent-encoded as it was sent."""
    scope = getattr(request, "scope", None)
    raw = scope.get("raw_path") if scope else None
    target = raw.decode("latin-1") if raw else str(request.META.get("REQUEST_URI", ""))
    path = urlsplit(target).path if target.startswith("/") else ""
    if not path:  # a server that does not tell: a slash inside a name is lost, nothing else
        return quote(request.path_info, safe="/:@!$&'()*+,;=~")
    base = settings.BASE_PATH
    return path[len(base) :] or "/" if base and path.startswith(base) else path


def cross_origin(following: Next) -> Next:
    """CORS: the hub's own origin and ALLOWED_ORIGINS may call with credentials, other pages may read OpenAPI documents.

    A preflight of an allowed origin is answered before any credential is asked for; others go on like any request.
    """

    def gate(request: HttpRequest) -> HttpResponseBase:
        origin = request.headers.get("Origin", "")
        if not origin or not _API.match(request.path_info):
            return following(request)
        for_all = _FOR_ALL.match(request.path_info) is not None
        allowed = for_all or _is_allowed(request, origin)
        asked = request.headers.get("Access-Control-Request-Method")
        preflight = request.method == "OPTIONS" and asked is not None and allowed
        response = _preflight(request, for_all) if preflight else following(request)
        if allowed:
            response.headers["Access-Control-Allow-Origin"] = "*" if for_all else origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED
            if not for_all:
                response.headers["Access-Control-Allow-Credentials"] = "true"
        patch_vary_headers(response, ["Origin"])
        return response

    return gate


def _is_allowed(request: HttpRequest, origin: str) -> bool:
    if origin.rstrip("/") in settings.ALLOWED_ORIGINS:
        return True
    parts = urlsplit(origin)
    try:
        return parts.scheme in ("http", "https") and parts.netloc.lower() == request.get_host().lower()
    except DisallowedHost:
        return False


def _preflight(request: HttpRequest, for_all: bool) -> HttpResponse:
    response = HttpResponse(status=204)
    response.headers["Access-Control-Allow-Methods"] = "GET, OPTIONS" if for_all else _METHODS
    asked = request.headers.get("Access-Control-Request-Headers")
    if asked:
        response.headers["Access-Control-Allow-Headers"] = asked
        patch_vary_headers(response, ["Access-Control-Request-Headers"])
    response.headers["Access-Control-Max-Age"] = "600"
    return response
