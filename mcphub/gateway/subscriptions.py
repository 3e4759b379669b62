"""Who in this process wants to hear of a resource; the upstream is asked once for all of them.

Above: `methods`, `streamable`. Below: `links`.
"""

from __future__ import annotations

import logging

from mcphub.errors import HubError
from mcphub.gateway.errors import RpcError
from mcphub.gateway.links import Link
from mcphub.gateway.tasks import Tasks

logger = logging.getLogger(__name__)

_Resource = tuple[str, str]


class Subscriptions:
    """Holders by (server key, URI). Holders are session keys or stream ids."""

    def __init__(self, link: Link, tasks: Tasks) -> None:
        self._link = link
        self._tasks = tasks
        self._holders: dict[_Resource, set[str]] = {}

    def __len__(self) -> int:
        return len(self._holders)

    async def hold(self, holder: str, server: str, uri: str) -> None:
        """Begin to hear. Raises what the upstream answers when it is the first to be asked and refuses."""
        holders = self._holders.setdefault((server, uri), set())
        first = not holders
        holders.add(holder)
        if first:
            try:
                await self._link.subscribe(server, uri, True)
            except BaseException:
                holders.discard(holder)
                self._drop_if_empty((server, uri), ask=False)
                raise

    def release(self, holder: str, server: str, uri: str) -> None:
        """Hear no more of one resource; the upstream is told in the background when nobody is left."""
        holders = self._holders.get((server, uri))
        if holders is not None and holder in holders:
            holders.discard(holder)
            self._drop_if_empty((server, uri), ask=True)

    def release_all(self, holder: str) -> None:
        """Hear no more at all."""
        for server, uri in [resource for resource, holders in self._holders.items() if holder in holders]:
            self.release(holder, server, uri)

    def _drop_if_empty(self, resource: _Resource, *, ask: bool) -> None:
        if self._holders.get(resource):
            return
        self._holders.pop(resource, None)
        if ask:
            self._tasks.start(self._unsubscribe(*resource))

    async def _unsubscribe(self, server: str, uri: str) -> None:
        try:
            await self._link.subscribe(server, uri, False)
        except (HubError, RpcError) as refusal:
            logger.info("Unsubscribing from %s was refused: %s", uri, refusal)
