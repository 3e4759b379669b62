"""The server list of a large hub: 500 servers with 5,000 tools, in bounded time and queries."""

from __future__ import annotations

import json
import time

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mcphub.actor import HUB
from servers.actions import add_server, set_item_enabled, toggle_server
from servers.models import DiscoveredItem, Server
from tests.tools.rest import Caller

SERVERS, TOOLS = 500, 10
BUDGET = 0.150

_SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "The file to read, relative to the root."},
        "limit": {"type": "integer", "description": "How many lines to return at most."},
    },
    "required": ["path"],
}


def definition(name: str) -> str:
    described = {"name": name, "description": "Read a file and return its lines.", "inputSchema": _SCHEMA}
    return json.dumps(described, separators=(",", ":"))


@pytest.fixture
def many(db: None) -> None:
    for number in range(SERVERS):
        add_server(
            actor=HUB,
            name=f"server-{number:03}",
            config={"type": "streamable-http", "url": f"https://host-{number}.example/mcp", "enabled": number % 50 > 0},
        )
    DiscoveredItem.objects.bulk_create(
        DiscoveredItem(
            server=server,
            kind="tool",
            key=f"tool_{place}",
            definition=definition(f"tool_{place}"),
            fingerprint=f"{place:064}",
            position=place,
        )
        for server in Server.objects.all()
        for place in range(TOOLS)
    )


def seconds_of(caller: Caller) -> float:
    """What one list costs this process: other processes of a busy machine do not count."""
    started = time.process_time()
    assert Client().get("/api/servers", headers=caller.headers).status_code == 200
    return time.process_time() - started


@pytest.mark.slow
def test_five_hundred_servers_are_listed_in_time(many: None, admin: Caller) -> None:
    with CaptureQueriesContext(connection) as first:
        reply = admin.get("/api/servers")
    assert len(reply.data) == SERVERS
    assert sum(len(server["tools"]) for server in reply.data) == SERVERS * TOOLS
    with CaptureQueriesContext(connection) as following:
        spent = min(seconds_of(admin) for _ in range(5))
    assert len(first) <= 7
    assert len(following) <= 5 * 4
    assert spent < BUDGET, f"{spent * 1000:.0f} ms"


@pytest.mark.slow
def test_a_change_is_seen_at_once_and_costs_no_new_rendering_of_the_rest(many: None, admin: Caller) -> None:
    admin.get("/api/servers")
    toggle_server("server-001", actor=HUB, enabled=False)
    set_item_enabled("server-002", "tool", "tool_3", actor=HUB, enabled=False)
    spent = seconds_of(admin)
    listed = {server["name"]: server for server in admin.get("/api/servers").data}
    assert listed["server-001"]["enabled"] is False
    assert [tool["enabled"] for tool in listed["server-002"]["tools"]].count(False) == 1
    assert spent < BUDGET


@pytest.mark.slow
def test_pages_cost_no_more_than_the_whole(many: None, admin: Caller) -> None:
    admin.get("/api/servers")
    with CaptureQueriesContext(connection) as queries:
        page = admin.get("/api/servers?limit=20&page=3").body
    assert (len(page["data"]), len(page["allServers"]), page["pagination"]["totalPages"]) == (20, SERVERS, 25)
    assert len(queries) <= 4
