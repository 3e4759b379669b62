"""Change notices of stateless upstreams: one `subscriptions/listen` with the union of what is wanted, kept open.

Above: the transports. Below: `handshake`, `base`. (protocol reference A.6.7)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from mcphub.errors import HubError
from mcphub.gateway.errors import RpcError
from mcphub.gateway.tasks import Tasks
from mcphub.gateway.upstreams.base import Listener
from mcphub.gateway.upstreams.handshake import Greeting

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
_STABLE = 10.0
_FILTERS = {"tools": "toolsListChanged", "prompts": "promptsListChanged", "resources": "resourcesListChanged"}


class Listening:
    """Keeps one listen request open. `listen(params)` sends it and returns when the upstream ended it."""

    def __init__(
        self,
        listen: Callable[[dict[str, Any]], Awaitable[object]],
        greeting: Greeting,
        listener: Listener,
        tasks: Tasks,
    ) -> None:
        self._listen = listen
        self._listener = listener
        self._tasks = tasks
        self._kinds = [kind for kind in _FILTERS if greeting.announces_changes(kind)]
        self._uris: set[str] = set()
        self._running: asyncio.Task[Any] | None = None

    def want(self, uri: str, wanted: bool) -> None:
        """Begin or end listening for updates of a resource."""
        before = set(self._uris)
        (self._uris.add if wanted else self._uris.discard)(uri)
        if self._uris != before:
            self.start()

    def start(self) -> None:
        """(Re)start with the present filter; nothing happens where there is nothing to listen for."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
        if self._kinds or self._uris:
            self._running = self._tasks.start(self._keep_listening(), "listen")

    async def _keep_listening(self) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            began = loop.time()
            try:
                await self._listen({"notifications": self._filter()})
            except RpcError as refused:
                self._listener.log("info", f"The server does not offer change notices: {refused.message}")
                return
            except HubError as failure:
                self._listener.log("debug", f"Lost the stream of change notices: {failure.message}")
            pause = _FIRST_PAUSE if loop.time() - began > _STABLE else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 (jitter, no secret)
            # Nothing is replayed: what changed meanwhile must be read.
            for kind in self._kinds:
                self._listener.list_changed(kind)

    def _filter(self) -> dict[str, Any]:
        wanted: dict[str, Any] = {_FILTERS[kind]: True for kind in self._kinds}
        if self._uris:
            wanted["resourceSubscriptions"] = sorted(self._uris)
        return wanted
