"""The log over a websocket: the messages of the SSE stream, and filters that may be changed while it is open.

    /api/logs/socket?level=…&server=…&source=…&text=…&after=CURSOR     (and ?token=, or the dashboard's session)

The client may send `{"filter": {level, server, source, text}}` at any time. Refusals close the socket: 4401 without a
credential, 4403 without permission, 4400 for what cannot be understood. Above: `mcphub.sockets`. Below: `logs`.
"""

from __future__ import annotations

import asyncio
import io
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.core.handlers.asgi import ASGIRequest

from accounts.api.authentication import actor_for
from accounts.models import User
from activities.logs import Wanted, logbook
from activities.logs.streaming import Delivery, deliveries, gap
from activities.policies import require_log_access
from activities.questions import wanted_lines
from mcphub.actor import Actor
from mcphub.api.callers import address_of
from mcphub.bridge import in_database
from mcphub.errors import HubError, NotAuthenticated
from mcphub.gateway.tasks import Tasks

UNREADABLE, NO_CREDENTIAL, NOT_ALLOWED = 4400, 4401, 4403


class LogConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """See the module."""

    async def connect(self) -> None:
        self._tasks = Tasks("log socket")
        self._feeding: asyncio.Task[Any] | None = None
        query = {name: values[-1] for name, values in parse_qs(self.scope["query_string"].decode("latin-1")).items()}
        await self.accept()
        try:
            self._caller = await in_database(_caller, self.scope)
            await self._feed(query, query.get("after", ""))
        except HubError as refused:
            await self._refuse(refused)

    async def disconnect(self, code: int) -> None:
        await self._tasks.aclose()

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        try:
            asked = content.get("filter") if isinstance(content, dict) else None
            if not isinstance(asked, dict):
                await self.close(UNREADABLE)
                return
            await self._feed({name: str(value) for name, value in asked.items()}, "")
        except HubError as refused:
            await self._refuse(refused)

    async def _feed(self, query: dict[str, str], after: str) -> None:
        """Begin to send what is asked for, instead of what was."""
        wanted = wanted_lines(query)
        require_log_access(self._caller, wanted.servers)
        if self._feeding is not None:
            self._feeding.cancel()
        self._feeding = self._tasks.start(self._send(wanted, after), "feed")

    async def _send(self, wanted: Wanted, after: str) -> None:
        async def recheck() -> None:
            caller = await in_database(_caller, self.scope)
            require_log_access(caller, wanted.servers)

        try:
            # Sending waits while the client does not read; meanwhile the book moves on without it.
            async for delivery in deliveries(logbook(), wanted, after, recheck=recheck):
                for message in _messages(delivery):
                    await self.send_json(message)
        except HubError as refused:
            await self._refuse(refused)

    async def _refuse(self, refused: HubError) -> None:
        codes = {401: NO_CREDENTIAL, 400: UNREADABLE}
        await self.send_json({"type": "refused", "message": refused.message, "code": refused.code})
        await self.close(codes.get(refused.http_status, NOT_ALLOWED))

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        try:
            return await super().decode_json(text_data)
        except ValueError:
            return None


def _messages(delivery: Delivery) -> list[dict[str, Any]]:
    if delivery.initial:
        cursor = delivery.lines[-1].cursor if delivery.lines else ""
        return [{"type": "initial", "logs": [kept.entry.shown() for kept in delivery.lines], "cursor": cursor}]
    if not delivery.lines and not delivery.missed:
        return [{"type": "alive"}]
    gaps = [gap(delivery.missed)] if delivery.missed else []
    return [*gaps, *({"type": "log", "log": kept.entry.shown(), "cursor": kept.cursor} for kept in delivery.lines)]


def _caller(scope: dict[str, Any]) -> Actor:
    """Who opens the socket: a credential as REST takes it, else the dashboard's session. Raises `NotAuthenticated`."""
    request = ASGIRequest({**scope, "type": "http", "method": "GET"}, io.BytesIO())
    actor = actor_for(request, query_token=True)
    if actor is None:
        cookies = SimpleCookie(request.headers.get("Cookie", ""))
        session = cookies.get(settings.SESSION_COOKIE_NAME)
        request.session = SessionStore(session.value if session else None)
        user = get_user(request)
        if not isinstance(user, User):
            raise NotAuthenticated
        actor = Actor(user.username, is_admin=user.is_admin, address=address_of(request))
    return actor
