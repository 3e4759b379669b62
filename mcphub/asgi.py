"""The front door: MCP paths go to the gateway, websockets to Channels, everything else to Django.

MCP traffic never enters Django's handler and meets no middleware. Served by `manage.py runhub`, by any number of
`uvicorn mcphub.asgi:application` processes, and by daphne. Above: the ASGI server. Below: `hub`, `urls`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcphub.settings")
django = get_asgi_application()

from mcphub import bridge  # noqa: E402 (Django must be set up before any app is imported)
from mcphub.celery import app as jobs  # noqa: E402
from mcphub.hub import Hub  # noqa: E402
from mcphub.intake import Intake  # noqa: E402
from mcphub.sockets import websockets  # noqa: E402

# Tasks that requests send go to the hub's own queue, also where this process runs no worker.
jobs.set_default()

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class FrontDoor:
    """Starts the hub with the server's lifespan (or, where the server has none, with the first request)."""

    def __init__(self) -> None:
        self.hub = Hub()
        self._django = Intake(django)
        self._starting: asyncio.Lock | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(receive, send)
            return
        if not self.hub.running:
            await self._start()
        if kind == "http":
            if self.hub.gateway.owns(scope["path"]):
                await self.hub.gateway(scope, receive, send)
            else:
                async with bridge.lane():
                    await self._django(scope, receive, send)
        else:
            await websockets(scope, receive, send)

    async def _start(self) -> None:
        # daphne knows no lifespan; of many first requests, one starts the hub and the others wait for it.
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if not self.hub.running:
                await self.hub.start()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._start()
                except Exception as failure:
                    await send({"type": "lifespan.startup.failed", "message": str(failure)})
                    return
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.hub.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


application = FrontDoor()
