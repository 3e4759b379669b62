"""Intake: the gate before Django that ends a request whose body is larger than anything the hub would read.

Django stores a whole body, on disk where it is big, before any view can object; without this gate anyone could fill
the disk. Above: `asgi`. Below: `plane`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mcphub import plane
from mcphub.errors import TooLarge
from mcphub.gateway.snapshot import Switches

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[..., Awaitable[None]]

#: Bundles (.mcpb) are large; every other body is JSON or a form.
UPLOAD_LIMIT = 512 * 1024 * 1024
_UPLOADS = re.compile(r"/mcpb(/|$)", re.IGNORECASE)
#: Room for what surrounds a body that is just within `routing.jsonBodyLimit`, so that the view can refuse it itself.
_SLACK = 64 * 1024


class Intake:
    """An ASGI application around Django's."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = limit_of(scope["path"])
        if announced_length(scope) > limit:
            await _refuse(send)
            return
        received, answered, refused = 0, False, False

        async def counted() -> Message:
            nonlocal received, refused
            message = await receive()
            received += len(message.get("body", b""))
            if received <= limit:
                return message
            refused = True
            return {"type": "http.disconnect"}  # Django drops the request, and what it stored of it

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        await self._app(scope, counted, noted)
        if refused and not answered:
            await _refuse(send)


def limit_of(path: str) -> int:
    """How many bytes a body sent to this path may have."""
    if _UPLOADS.search(path):
        return UPLOAD_LIMIT
    hub = plane.current()
    switches = hub.snapshot.switches if hub is not None else Switches()
    return switches.body_limit + _SLACK


def announced_length(scope: Scope) -> int:
    """What Content-Length says; 0 where it says nothing usable."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _refuse(send: Send) -> None:
    body = json.dumps({"success": False, "message": TooLarge.sentence, "code": TooLarge.code}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": TooLarge.http_status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
