"""DatabaseInventorySink: what upstreams offer, into the database; only differences are written.

Implements `gateway.ports.InventorySink`. An item that changed keeps the fingerprint it had before, one that left is
remembered for a while, and the revision is raised only where something differs, so that a reconnect without news
costs one read. Above: `hub`. Below: `revision`, `models`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from mcphub.bridge import in_database, write_in_database
from mcphub.gateway.inventory import Inventory, Item
from servers.models import DiscoveredItem, Server
from servers.revision import raise_revision

logger = logging.getLogger(__name__)

#: How long an item that left is remembered.
_MEMORY = timedelta(days=30)
#: Longest name or URI, in bytes; PostgreSQL cannot index much more.
_KEY = 2048
_ROWS = 500


class DatabaseInventorySink:
    """See the module."""

    async def store(self, server: str, inventory: Inventory) -> None:
        """Replace what is known of a server. A server that is gone by now is ignored."""
        if await in_database(_differs, uuid.UUID(server), inventory):
            await write_in_database(store, uuid.UUID(server), inventory)


@transaction.atomic
def store(server: uuid.UUID, inventory: Inventory) -> None:
    """See `DatabaseInventorySink.store`."""
    row = Server.objects.select_for_update().filter(pk=server).first()
    if row is None:
        return
    changed = _take(row, inventory)
    changed |= _store_items(row, inventory)
    if changed:
        row.revision = raise_revision()
        row.save()


def _differs(server: uuid.UUID, inventory: Inventory) -> bool:
    """Whether storing would change anything; asked without taking the lock that writers wait for."""
    row = Server.objects.filter(pk=server).first()
    if row is None or _take(row, inventory):
        return row is not None
    listed = DiscoveredItem.objects.filter(server=row, present=True).order_by("kind", "position")
    stored = set(listed.values_list("kind", "key", "definition", "position"))
    return stored != {(item.kind, item.key, _text(item), place) for item, place in _placed(inventory)}


def _take(row: Server, inventory: Inventory) -> bool:
    """Put what a server told of itself into its row; whether that changed it."""
    told = {
        "protocol": inventory.revision[:32],
        "server_info": inventory.server_info.decode(errors="replace"),
        "capabilities": inventory.capabilities.decode(errors="replace"),
        "instructions": None if inventory.instructions is None else inventory.instructions.replace("\0", ""),
    }
    changed = any(getattr(row, name) != value for name, value in told.items())
    for name, value in told.items():
        setattr(row, name, value)
    row.ttl_ms = inventory.ttl_ms  # a promise that differs each time is no change
    return changed


def _store_items(row: Server, inventory: Inventory) -> bool:
    now = timezone.now()
    stored = {(item.kind, item.key): item for item in DiscoveredItem.objects.filter(server=row)}
    new, differing = [], []
    for item, place in _placed(inventory):
        known = stored.pop((item.kind, item.key), None)
        if known is None:
            new.append(_row(row, item, place))
        elif _update(known, item, place, now):
            differing.append(known)
    gone = [known for known in stored.values() if known.present]
    for left in gone:
        left.present, left.changed_at = False, now
    _write(new, [*differing, *gone])
    DiscoveredItem.objects.filter(server=row, present=False, changed_at__lt=now - _MEMORY).delete()
    return bool(new or differing or gone)


def _update(known: DiscoveredItem, item: Item, place: int, now: Any) -> bool:
    """Bring a stored item up to date; whether anything differs."""
    if known.fingerprint != item.fingerprint:
        known.previous, known.changed_at = known.fingerprint, now
    text = _text(item)
    differs = (known.definition, known.position, known.present) != (text, place, True)
    known.definition, known.fingerprint, known.position, known.present = text, item.fingerprint, place, True
    return differs


def _write(new: list[DiscoveredItem], changed: list[DiscoveredItem]) -> None:
    DiscoveredItem.objects.bulk_create(new, batch_size=_ROWS)
    members = ["definition", "fingerprint", "previous", "position", "present", "changed_at"]
    DiscoveredItem.objects.bulk_update(changed, members, batch_size=_ROWS)


def _row(server: Server, item: Item, place: int) -> DiscoveredItem:
    return DiscoveredItem(
        server=server,
        kind=item.kind,
        key=item.key,
        definition=_text(item),
        fingerprint=item.fingerprint,
        position=place,
    )


def _placed(inventory: Inventory) -> Iterable[tuple[Item, int]]:
    """The items with their places; of several with one name the first counts, unusable names are left out."""
    seen: set[tuple[str, str]] = set()
    for listed in (inventory.tools, inventory.prompts, inventory.resources, inventory.templates):
        for place, item in enumerate(listed):
            if len(item.key.encode()) > _KEY or "\0" in item.key:
                logger.warning("A %s with an unusable name was left out: %.80r", item.kind, item.key)
            elif (item.kind, item.key) not in seen:
                seen.add((item.kind, item.key))
                yield item, place


def _text(item: Item) -> str:
    return item.definition.decode(errors="replace")
