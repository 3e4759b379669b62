"""The websockets of the hub: which path leads to which consumer. Everything else that opens one is refused.

Browsers send the dashboard's cookie with any page's websocket and name that page in `Origin`, so only pages of this hub
and of ALLOWED_ORIGINS may open one; programs name none. Above: `asgi`. Below: the apps' consumers, Channels.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import URLRouter
from django.conf import settings
from django.urls import re_path

from activities.consumers import LogConsumer


class Nowhere(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Refuses the handshake."""

    async def connect(self) -> None:
        await self.close()


_BASE = settings.BASE_PATH.strip("/")
_routes = URLRouter(
    [
        re_path(rf"^{_BASE}{'/' if _BASE else ''}api/logs/socket/?$", LogConsumer.as_asgi()),
        re_path(r"", Nowhere.as_asgi()),
    ]
)
_nowhere = Nowhere.as_asgi()


async def websockets(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    """The ASGI application for websockets."""
    known = may_open(dict(scope["headers"]))
    await (_routes if known else _nowhere)(scope, receive, send)


def may_open(headers: dict[bytes, bytes]) -> bool:
    """Whether a handshake with these headers comes from a page of this hub, of an allowed origin, or from a program."""
    origin = headers.get(b"origin", b"").decode("latin-1").rstrip("/")
    if not origin or origin in settings.ALLOWED_ORIGINS:
        return True
    return urlsplit(origin).netloc.lower() == headers.get(b"host", b"").decode("latin-1").lower()
