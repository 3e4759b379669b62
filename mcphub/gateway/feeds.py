"""Feeds: the long streams on which clients hear of changes, and who hears what.

A change is announced to exactly the feeds whose own list looks different now; what an upstream announces
without a visible change goes to the feeds that see it. Above: the endpoints, `app`. Below:
`catalog`, `subscriptions`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcphub.gateway import jsonrpc
from mcphub.gateway.catalog import LISTINGS, Catalog, Listing
from mcphub.gateway.principal import Principal

_TOPIC: dict[Listing, str] = {
    "tools": "tools", "prompts": "prompts", "resources": "resources", "templates": "resources"
}  # fmt: skip
#: After so many feeds the loop gets a turn: a change with thousands of listeners must not hold up calls.
_AT_ONCE = 50

Subscribed = Callable[[], Mapping[str, str]]


@dataclass(slots=True, eq=False)
class Feed:
    """One open stream.

    Attributes:
        holder: what its resource subscriptions are held under; `principal` whose stream it is.
        topics: which of tools, prompts and resources it hears of.
        subscribed: its resource subscriptions now: URI to server key ("" for the hub's own).
        current: looks up its catalog in the present snapshot; None when its door is closed to it.
        mark: members added to every notification (`_meta` of a listen stream).
    """

    holder: str
    principal: Principal
    topics: frozenset[str]
    subscribed: Subscribed
    current: Callable[[], Catalog | None]
    push: Callable[[bytes], None]
    close: Callable[[], None]
    mark: dict[str, Any] = field(default_factory=dict)
    seen: Catalog | None = field(init=False)
    prints: dict[Listing, int] = field(init=False)

    def __post_init__(self) -> None:
        self.seen = self.current()
        self.prints = self._take(self.seen)

    def _take(self, catalog: Catalog | None) -> dict[Listing, int]:
        if catalog is None:
            return {}
        return {listing: catalog.fingerprint(listing) for listing in LISTINGS if _TOPIC[listing] in self.topics}

    def look(self) -> None:
        """Compare with what was seen last, and announce what changed."""
        catalog = self.current()
        if catalog is None:
            self.close()
            return
        if catalog is self.seen:
            return
        prints = self._take(catalog)
        changed = {_TOPIC[listing]: None for listing in prints if prints[listing] != self.prints.get(listing)}
        self.seen, self.prints = catalog, prints
        for topic in changed:
            self._push_changed(topic)

    def announced(self, server: str, topic: str) -> None:
        """Pass on what a server behind this door announced."""
        if topic in self.topics and self.seen is not None and any(s.server.key == server for s in self.seen.sources):
            self._push_changed(topic)

    def _push_changed(self, topic: str) -> None:
        self.push(jsonrpc.notification(f"notifications/{topic}/list_changed", self.mark or None))

    def updated(self, server: str, uri: str) -> None:
        """Announce a changed resource, or one below a subscribed one."""
        for wanted, owner in self.subscribed().items():
            if owner == server and (uri == wanted or uri.startswith(wanted.rstrip("/") + "/")):
                self.push(jsonrpc.notification("notifications/resources/updated", {"uri": uri, **self.mark}))
                return


class Feeds:
    """The open feeds of this process."""

    def __init__(self) -> None:
        self._open: dict[Feed, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Feed]:
        return iter(tuple(self._open))

    def add(self, feed: Feed) -> None:
        """Begin to announce to a feed."""
        self._open[feed] = None

    def remove(self, feed: Feed) -> None:
        """Announce no more to it."""
        self._open.pop(feed, None)

    async def look(self) -> None:
        """Let every feed look at the present snapshot, without holding up the loop."""
        for number, feed in enumerate(self):
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            if feed in self._open:
                feed.look()

    def updated(self, server: str, uri: str) -> None:
        """A resource of the server with this key changed ("" for the hub's own)."""
        for feed in self:
            feed.updated(server, uri)

    def announced(self, server: str, topic: str) -> None:
        """The server with this key announced a change of its tools, prompts or resources that shows nothing new."""
        for feed in self:
            feed.announced(server, topic)

    def revoked(self, principal: str) -> None:
        """End the streams that a fact about this id concerns: whoever may still listen opens them again."""
        for feed in self:
            if feed.principal.is_meant_by(principal):
                feed.close()

    def close(self) -> None:
        """End every stream."""
        self.revoked("")
