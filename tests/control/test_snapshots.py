"""Snapshots from the database: what is in them, what is shared, how long they take."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import actions as people
from accounts.models import User
from mcphub.actor import HUB
from mcphub.gateway.inventory import Inventory, Item
from mcphub.gateway.snapshot import HttpSpec, OpenApiSpec, StdioSpec
from servers import actions
from servers.inventories import store
from servers.models import DiscoveredItem, Server
from servers.snapshots import DatabaseSnapshots
from tests.control.conftest import ADMIN, REMOTE, STDIO

pytestmark = pytest.mark.django_db(transaction=True)
Add = Callable[..., Server]


def tools(*names: str, **members: Any) -> Inventory:
    items = [
        Item.of("tool", json.dumps({"name": name, "description": f"{name}!", **members}).encode()) for name in names
    ]
    return Inventory(
        revision="2025-11-25", server_info=b'{"name":"up"}', capabilities=b'{"tools":{}}', tools=tuple(items)
    )


def test_a_stdio_server_becomes_a_spec(add: Add) -> None:
    config = {
        **STDIO, "env": {"A": "1", "B": "${A:-x}"}, "cwd": "/tmp", "startOnDemand": True, "idleTimeoutMs": 5000,
        "perSessionClient": True, "options": {"timeout": 1500, "maxTotalTimeout": 3000, "maxBufferSize": 2048},
        "proxy": {"enabled": True, "host": "p", "port": 1080}, "description": "d",
    }  # fmt: skip
    add("a", config)
    spec = DatabaseSnapshots().build().servers["a"]
    assert isinstance(spec.spec, StdioSpec)
    assert (spec.spec.command, spec.spec.args, spec.spec.cwd) == ("python", ("-m", "fixture"), "/tmp")
    assert spec.spec.env["A"] == "1" and spec.spec.proxy is not None and spec.spec.proxy.port == 1080
    assert (spec.options.timeout, spec.options.max_total_timeout, spec.options.max_buffer_size) == (1.5, 3.0, 2048)
    assert (spec.lifecycle.start_on_demand, spec.lifecycle.idle_timeout) == (True, 5.0)
    assert spec.lifecycle.per_session_client and spec.placement == "one"


def test_remote_and_described_servers_become_specs(add: Add) -> None:
    add("r", {**REMOTE, "headers": {"X": "1"}, "passthroughHeaders": ["X-A"], "enableKeepAlive": True})
    security = {"type": "http", "http": {"scheme": "bearer", "credentials": "c"}}
    add("o", {"openapi": {"url": "https://x.invalid/s", "security": security, "passthroughHeaders": ["X-B"]}})
    servers = DatabaseSnapshots().build().servers
    remote, described = servers["r"], servers["o"]
    assert remote.spec == HttpSpec(REMOTE["url"], {"X": "1"}) and remote.passthrough_headers == ("x-a",)
    assert (remote.lifecycle.keep_alive, remote.lifecycle.keep_alive_interval) == (True, 60.0)
    assert isinstance(described.spec, OpenApiSpec) and described.spec.spec_security == security
    assert (described.options.timeout, described.placement, described.passthrough_headers) == (30.0, "every", ("x-b",))


def test_only_entries_of_admins_read_the_hubs_environment(add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_TOKEN", "value")
    monkeypatch.setenv("JWT_SECRET", "own")
    people.import_user(actor=HUB, username="admin", is_admin=True)
    people.import_user(actor=HUB, username="dana")
    headers = {"A": "${PLANTED_TOKEN}", "B": "${JWT_SECRET}"}
    for name, owner in (("a", "admin"), ("d", "dana"), ("g", "ghost"), ("s", "system")):
        add(name, {**REMOTE, "owner": owner, "headers": headers})
    servers = DatabaseSnapshots().build().servers
    read = {name: spec.spec.headers for name, spec in servers.items() if isinstance(spec.spec, HttpSpec)}
    assert read["a"] == read["s"] == {"A": "value", "B": ""}
    assert read["d"] == read["g"] == {"A": "", "B": ""}
    assert [servers[name].trusted for name in "adgs"] == [True, False, False, True]


def test_what_did_not_change_is_shared(add: Add) -> None:
    first, second = add("a"), add("b")
    source = DatabaseSnapshots()
    before = source.build()
    assert source.build(before) is before
    actions.describe_item("a", "tool", "t", actor=ADMIN, description="d")
    store(second.pk, tools("x"))
    middle = source.build(before)
    assert middle.servers["a"] is not before.servers["a"] and middle.servers["b"] is not before.servers["b"]
    actions.set_item_enabled("b", "tool", "x", actor=ADMIN, enabled=False)
    after = source.build(middle)
    assert after.servers["a"] is middle.servers["a"] and after.servers["b"] is not middle.servers["b"]
    assert after.revision > middle.revision and first.pk != second.pk


def test_a_change_of_role_rebuilds_the_users_servers(add: Add) -> None:
    people.import_user(actor=HUB, username="admin", is_admin=True)
    people.import_user(actor=HUB, username="dana")
    add("a")
    add("d", {**REMOTE, "owner": "dana"})
    source = DatabaseSnapshots()
    before = source.build()
    people.change_user(User.objects.get(username="dana"), actor=ADMIN, is_admin=True)
    after = source.build(before)
    assert after.users == {"admin": True, "dana": True}
    assert after.servers["a"] is before.servers["a"]
    assert after.servers["d"].trusted and after.servers["d"].connection != before.servers["d"].connection


def test_only_what_decides_the_connection_changes_its_hash(add: Add) -> None:
    add("a")
    source = DatabaseSnapshots()
    snapshot = source.build()
    first = snapshot.servers["a"].connection
    actions.change_server("a", actor=ADMIN, config={"description": "d", "visibility": "public"}, new_name="b")
    assert source.build(snapshot).servers["b"].connection == first
    actions.change_server("b", actor=ADMIN, config={"headers": {"X": "1"}})
    assert source.build(snapshot).servers["b"].connection != first


def test_offers_carry_overrides_and_the_upstreams_own_bytes(add: Add) -> None:
    server = add("a")
    store(server.pk, tools("x", "y", **{"x-unknown": {"ü": 1.0}}))
    actions.set_item_enabled("a", "tool", "a-x", actor=ADMIN, enabled=False)
    actions.describe_item("a", "tool", "y", actor=ADMIN, description="")
    spec = DatabaseSnapshots().build().servers["a"]
    assert [(each.item.key, each.enabled, each.description) for each in spec.tools] == [
        ("x", False, None),
        ("y", True, ""),
    ]
    assert spec.tools[0].item.definition == tools("x", **{"x-unknown": {"ü": 1.0}}).tools[0].definition
    assert spec.inventory.revision == "2025-11-25" and spec.inventory.server_info == b'{"name":"up"}'


def test_groups_prompts_and_resources_are_there(add: Add) -> None:
    add("a")
    group = actions.add_group(
        actor=ADMIN, name="g", servers=[{"name": "a", "alias": "x", "tools": ["t"], "prompts": []}]
    )
    actions.add_prompt(
        actor=ADMIN, members={"name": "p", "template": "{{w}}", "arguments": [{"name": "w", "required": True}]}
    )
    actions.add_prompt(actor=ADMIN, members={"name": "off", "template": "t", "enabled": False})
    actions.add_resource(actor=ADMIN, members={"uri": "u://x", "content": "c"})
    snapshot = DatabaseSnapshots().build()
    member = snapshot.groups[str(group.pk)].members[0]
    assert (member.server, member.alias, member.tools, member.prompts, member.resources) == (
        "a",
        "x",
        {"t"},
        set(),
        None,
    )
    assert [(each.name, each.arguments, each.required) for each in snapshot.prompts] == [("p", ("w",), {"w"})]
    assert json.loads(snapshot.prompts[0].definition)["title"] == "p"
    assert [(each.uri, each.mime_type, each.content) for each in snapshot.resources] == [("u://x", "text/plain", "c")]


def test_package_indexes_reach_children_only(add: Add) -> None:
    add("s", STDIO)
    add("r")
    actions.change_settings(actor=ADMIN, values={"install": {"npmRegistry": "https://npm.invalid"}})
    servers = DatabaseSnapshots().build().servers
    assert isinstance(servers["s"].spec, StdioSpec)
    assert servers["s"].spec.env == {"npm_config_registry": "https://npm.invalid"}
    assert servers["r"].spec == HttpSpec(REMOTE["url"])


@pytest.fixture
def many(db: None) -> None:
    """300 servers with 5,000 tools, stored quickly."""
    rows = [
        Server(name=f"s{n}", transport="stdio", position=n, config={"command": "x", "args": [str(n)]})
        for n in range(300)
    ]
    Server.objects.bulk_create(rows)
    definition = json.dumps(
        {"name": "t", "description": "d" * 200, "inputSchema": {"type": "object", "properties": {}}}
    )
    DiscoveredItem.objects.bulk_create(
        DiscoveredItem(
            server=rows[n % 300], kind="tool", key=f"t{n}", definition=definition, fingerprint="f", position=n
        )
        for n in range(5000)
    )


def test_many_servers_are_loaded_in_time(many: None) -> None:
    source = DatabaseSnapshots()
    began = time.perf_counter()
    first = source.build()
    whole = time.perf_counter() - began
    actions.describe_item("s7", "tool", "t7", actor=ADMIN, description="d")
    began = time.perf_counter()
    with CaptureQueriesContext(connection) as queries:
        second = source.build(first)
    one = time.perf_counter() - began
    print(f"whole {whole * 1000:.0f} ms, one changed {one * 1000:.0f} ms")
    assert len(first.servers) == 300 and sum(len(spec.tools) for spec in first.servers.values()) == 5000
    assert sum(second.servers[name] is spec for name, spec in first.servers.items()) == 299
    assert len(queries) <= 12
    assert whole < 1.0 and one < 0.3


def test_a_snapshot_is_frozen(add: Add) -> None:
    add("a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        DatabaseSnapshots().build().servers["a"].name = "b"  # type: ignore[misc]
