"""What upstreams offer, into the database: only differences, and nothing forgotten too soon."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mcphub.bridge import in_database
from mcphub.bus import ServersChanged
from mcphub.gateway.inventory import Inventory, Item
from servers import actions, revision
from servers.inventories import DatabaseInventorySink, store
from servers.models import DiscoveredItem, Server
from tests.control.conftest import ADMIN

pytestmark = pytest.mark.django_db(transaction=True)


def tool(name: str, description: str = "d") -> Item:
    return Item.of("tool", json.dumps({"name": name, "description": description}).encode())


def stored(kind: str = "tool") -> list[tuple[str, bool]]:
    return list(DiscoveredItem.objects.filter(kind=kind).order_by("position").values_list("key", "present"))


def test_all_kinds_are_stored_in_their_order(add: Callable[..., Server]) -> None:
    inventory = Inventory(
        tools=(tool("b"), tool("a"), tool("b", "a second one")),
        prompts=(Item.of("prompt", b'{"name":"p"}'),),
        resources=(Item.of("resource", b'{"uri":"u://x"}'),),
        templates=(Item.of("template", b'{"uriTemplate":"u://{x}"}'),),
    )
    store(add("a").pk, inventory)
    assert stored() == [("b", True), ("a", True)]
    assert stored("prompt") + stored("resource") + stored("template") == [
        ("p", True),
        ("u://x", True),
        ("u://{x}", True),
    ]


async def test_no_news_cost_one_look_and_raise_nothing(add: Callable[..., Server], facts: list[Any]) -> None:
    server = await in_database(add, "a")
    sink = DatabaseInventorySink()
    await sink.store(str(server.pk), Inventory(tools=(tool("a"),), ttl_ms=1))
    number = await in_database(revision.current)
    facts.clear()
    await sink.store(str(server.pk), Inventory(tools=(tool("a"),), ttl_ms=2))
    assert await in_database(revision.current) == number and facts == []
    await sink.store(str(server.pk), Inventory(tools=(tool("a", "new"),)))
    assert facts == [ServersChanged(number + 1)]


def test_a_changed_item_remembers_what_it_was(add: Callable[..., Server]) -> None:
    server = add("a")
    store(server.pk, Inventory(tools=(tool("a"),)))
    first = DiscoveredItem.objects.get()
    store(server.pk, Inventory(tools=(tool("a", "evil"),)))
    second = DiscoveredItem.objects.get()
    assert second.previous == first.fingerprint != second.fingerprint
    assert second.changed_at > first.changed_at and second.first_seen == first.first_seen


def test_an_item_that_left_and_came_back_is_compared(add: Callable[..., Server]) -> None:
    server = add("a")
    store(server.pk, Inventory(tools=(tool("a"), tool("b"))))
    store(server.pk, Inventory(tools=(tool("b"),)))
    assert set(stored()) == {("b", True), ("a", False)}
    store(server.pk, Inventory(tools=(tool("a", "evil"), tool("b"))))
    assert DiscoveredItem.objects.get(key="a").previous != ""


def test_items_long_gone_are_forgotten(add: Callable[..., Server]) -> None:
    server = add("a")
    store(server.pk, Inventory(tools=(tool("a"), tool("b"))))
    store(server.pk, Inventory(tools=(tool("b"),)))
    row = DiscoveredItem.objects.get(key="a")
    DiscoveredItem.objects.filter(key="a").update(changed_at=row.changed_at - timedelta(days=31))
    store(server.pk, Inventory(tools=(tool("b"), tool("c"))))
    assert stored() == [("b", True), ("c", True)]


def test_reordering_counts_and_writes_little(add: Callable[..., Server]) -> None:
    server = add("a")
    store(server.pk, Inventory(tools=tuple(tool(f"t{n}") for n in range(300))))
    with CaptureQueriesContext(connection) as queries:
        store(server.pk, Inventory(tools=tuple(tool(f"t{n}") for n in reversed(range(300)))))
    assert stored()[0] == ("t299", True)
    assert len(queries) < 15


def test_unusable_names_and_vanished_servers_do_no_harm(add: Callable[..., Server]) -> None:
    store(uuid.uuid4(), Inventory(tools=(tool("a"),)))
    store(add("a").pk, Inventory(tools=(tool("x" * 3000), tool("a\0b"), tool("fine"))))
    assert stored() == [("fine", True)]


def test_overrides_outlive_the_items(add: Callable[..., Server]) -> None:
    server = add("a")
    store(server.pk, Inventory(tools=(tool("a"),)))
    actions.set_item_enabled("a", "tool", "a", actor=ADMIN, enabled=False)
    store(server.pk, Inventory())
    assert server.overrides.get().enabled is False
