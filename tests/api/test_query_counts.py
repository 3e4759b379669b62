"""How many queries each readable path costs: as checked in, and no more with many rows than with few.

Renew `query_counts.json` after a change that is meant: RENEW_QUERY_COUNTS=1 pytest tests/api/test_query_counts.py
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.actions import create_key, create_user
from mcphub.actor import HUB
from mcphub.api.descriptions import description
from servers.actions import add_group, add_server, change_settings, set_item_enabled
from servers.models import DiscoveredItem, Server
from tests.tools.rest import PASSWORD, Caller

#: Streams, which read rows while they are sent; what asks hosts outside; searches, which need a query.
LEFT_OUT = re.compile(r"/stream$|/(activities|audit)/export$|^/api/(cloud|changelog|registry/servers)/?|/search$")
BASELINE = Path(__file__).with_name("query_counts.json")


def readable_paths() -> list[str]:
    """Every GET of the API that needs nothing in its path."""
    paths = json.loads(description("json"))["paths"]
    return sorted(
        path for path, methods in paths.items() if "get" in methods and "{" not in path and not LEFT_OUT.search(path)
    )


def populate(first: int, last: int) -> None:
    """A hub with some of everything."""
    for number in range(first, last):
        create_user(actor=HUB, username=f"user{number}", password=PASSWORD)
        create_key(actor=HUB, name=f"key{number}", kind="user", owner=f"user{number}")
        name = f"server{number}"
        add_server(actor=HUB, name=name, config={"type": "stdio", "command": "x", "env": {"A": "b"}})
        server = Server.objects.get(name=name)
        DiscoveredItem.objects.bulk_create(
            DiscoveredItem(server=server, kind="tool", key=f"tool{tool}", definition='{"name": "x"}', fingerprint="x")
            for tool in range(3)
        )
        set_item_enabled(actor=HUB, server=name, kind="tool", key="tool0", enabled=False)
        add_group(actor=HUB, name=f"group{number}", servers=[name])


def counted(caller: Caller, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert caller.get(path).status in (200, 503), path
    return len(queries)


def test_no_readable_path_costs_more_queries_than_checked_in(admin: Caller) -> None:
    change_settings(actor=HUB, values={"discovery": {"enabled": True}}, by_api=False)
    populate(0, 3)
    few = {path: counted(admin, path) for path in readable_paths()}
    populate(3, 9)
    many = {path: counted(admin, path) for path in readable_paths()}
    growing = {path: (few[path], many[path]) for path in few if many[path] > few[path]}
    assert growing == {}, "these cost a query for every row"
    if os.environ.get("RENEW_QUERY_COUNTS"):
        BASELINE.write_text(json.dumps(many, indent=2, sort_keys=True) + "\n")
        pytest.skip("renewed")
    assert many == json.loads(BASELINE.read_text()), "RENEW_QUERY_COUNTS=1 writes the new numbers"
