"""Middleware of what browsers load: the content security policy of pages, and compression of text.

The pages need neither inline scripts nor inline styles, so their policy allows none. Django's admin and the API's
viewer are other people's pages, which do. JSON of the API passes through both gates untouched.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Iterable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import patch_vary_headers

Next = Callable[[HttpRequest], HttpResponseBase]

_STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_FOREIGN = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: Pages that were not made here: the admin and the viewer of the API's description.
_FOREIGN_PAGES = ("/admin", "/api/docs")
_TEXTS = ("text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml")
#: Smaller texts do not become smaller on the wire.
_LEAST = 1024
#: gzip's header instead of zlib's.
_GZIP = 16 + zlib.MAX_WBITS


def guarded(following: Next) -> Next:
    """Give every page its content security policy."""

    def gate(request: HttpRequest) -> HttpResponseBase:
        response = following(request)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            foreign = request.path_info.startswith(_FOREIGN_PAGES)
            response.headers.setdefault("Content-Security-Policy", _FOREIGN if foreign else _STRICT)
        return response

    return gate


def compressed(following: Next) -> Next:
    """Compress pages, styles and scripts for browsers that take gzip. Streams that are still written pass as they are.

    Compressing pages is safe here although they hold a secret, the CSRF token: Django masks it anew for each page.
    """

    def gate(request: HttpRequest) -> HttpResponseBase:
        response = following(request)
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if kind not in _TEXTS or response.has_header("Content-Encoding") or response.status_code != 200:
            return response
        patch_vary_headers(response, ["Accept-Encoding"])
        if "gzip" not in request.headers.get("Accept-Encoding", "") or request.method == "HEAD":
            return response
        if int(response.headers.get("Content-Length", _LEAST)) < _LEAST or (body := _whole(response)) is None:
            return response
        # Files never change under their address (see `settings.STATIC_URL`), so each is compressed once.
        small = _file(body) if request.path.startswith(settings.STATIC_URL) else _gzipped(body)
        _take(response, small)
        return response

    return gate


def _whole(response: HttpResponseBase) -> bytes | None:
    if isinstance(response, HttpResponse):
        return response.content
    if isinstance(response, StreamingHttpResponse) and not response.is_async and response.has_header("Content-Length"):
        parts: Iterable[bytes] = response.streaming_content  # type: ignore[assignment]  # not async, as was asked
        return b"".join(parts)
    return None


def _take(response: HttpResponseBase, body: bytes) -> None:
    """Put another body into an answer, in place: whoever made it has what it opened closed at its end."""
    if isinstance(response, HttpResponse):
        response.content = body
    elif isinstance(response, StreamingHttpResponse):
        response.streaming_content = [body]
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Length"] = str(len(body))


@functools.lru_cache(maxsize=128)
def _file(body: bytes) -> bytes:
    return _gzipped(body, 9)


def _gzipped(body: bytes, level: int = 5) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()
