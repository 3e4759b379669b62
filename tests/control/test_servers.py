"""Servers and their items: every rule of the actions, and who may what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.actions import create_key
from accounts.models import BearerKey
from activities.models import AuditEntry
from mcphub.actor import Actor
from mcphub.bus import ReloadRequested, ServersChanged
from mcphub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from mcphub.masking import MASK
from servers import actions, policies, readings, revision
from servers.lookups import managed_server, visible_server
from servers.models import DiscoveredItem, ItemOverride, Server
from tests.control.conftest import ADMIN, DANA, ERIN, KEY, REMOTE, STDIO

pytestmark = pytest.mark.django_db(transaction=True)
Add = Callable[..., Server]
ANONYMOUS = Actor("")


def test_a_server_belongs_to_who_adds_it(add: Add) -> None:
    assert add("a").owner == "admin"
    assert add("b", actor=KEY).owner == "system"
    assert add("c", {**REMOTE, "owner": "erin"}).owner == "erin"
    assert add("d", {**REMOTE, "owner": "admin"}, actor=DANA).owner == "dana"


def test_servers_keep_the_order_they_were_added_in(add: Add) -> None:
    for name in ("z", "a", "m"):
        add(name)
    assert list(Server.objects.values_list("name", flat=True)) == ["z", "a", "m"]
    actions.move_server("m", actor=ADMIN, position=0)
    assert list(Server.objects.values_list("name", flat=True)) == ["m", "z", "a"]
    with pytest.raises(NotAllowed):
        actions.move_server("m", actor=DANA, position=0)


def test_commands_are_for_admins_whichever_way_they_come(add: Add) -> None:
    with pytest.raises(NotAllowed):
        add("a", STDIO, actor=DANA)
    with pytest.raises(NotAllowed):
        add("a", {"command": "x"}, actor=DANA)
    with pytest.raises(NotAllowed):
        add("a", {**REMOTE, "oauth": {"allowInsecureTokenEndpoint": True}}, actor=DANA)
    assert add("a", {**REMOTE, "args": ["x"]}, actor=DANA).config == {"url": REMOTE["url"], "enableKeepAlive": False}
    with pytest.raises(NotAllowed):
        actions.change_server("a", actor=DANA, config=STDIO)


def test_an_owner_of_a_stdio_server_may_not_change_how_it_starts(add: Add) -> None:
    add("a", {**STDIO, "owner": "dana"})
    with pytest.raises(NotAllowed):
        actions.change_server("a", actor=DANA, config={"args": ["-c", "evil"]})
    with pytest.raises(NotAllowed):
        actions.change_server("a", actor=DANA, config=REMOTE)
    assert actions.change_server("a", actor=DANA, config={"description": "mine"}).description == "mine"


def test_a_name_is_taken_once(add: Add) -> None:
    add("a")
    add("b")
    with pytest.raises(Conflict):
        add("a")
    with pytest.raises(Conflict):
        actions.change_server("a", actor=ADMIN, config={}, new_name="b")


def test_in_a_batch_each_stands_for_itself(db: None) -> None:
    items = [{"name": "a", "config": REMOTE}, {"name": "b c", "config": REMOTE}, None, {"name": "s", "config": STDIO}]
    outcomes = actions.add_servers(actor=DANA, servers=items)
    assert [(each.name, each.refusal is None) for each in outcomes] == [
        ("a", True),
        ("b c", False),
        ("unknown", False),
        ("s", False),
    ]
    assert list(Server.objects.values_list("name", flat=True)) == ["a"]


def test_an_update_keeps_what_was_not_sent(add: Add) -> None:
    add("a", {**STDIO, "env": {"API_TOKEN": "t"}, "description": "d", "visibility": "public"})
    server = actions.change_server("a", actor=ADMIN, config={"type": "stdio", "command": "other"})
    assert (server.description, server.visibility, server.enabled) == ("d", "public", True)
    assert server.config == {"command": "other", "args": ["-m", "fixture"], "env": {"API_TOKEN": "t"}}


def test_a_masked_reading_can_be_written_back(add: Add) -> None:
    server = add("a", {**STDIO, "env": {"API_TOKEN": "t"}})
    shown = readings.shown(server)
    assert shown["env"] == {"API_TOKEN": MASK}
    assert actions.change_server("a", actor=ADMIN, config={**shown, "description": "d"}).config == server.config


def test_only_admins_give_servers_away(add: Add) -> None:
    add("a", actor=DANA)
    assert actions.change_server("a", actor=DANA, config={"owner": "erin"}).owner == "dana"
    assert actions.change_server("a", actor=ADMIN, config={"owner": "erin"}).owner == "erin"


def test_a_rename_takes_groups_and_keys_along(add: Add) -> None:
    add("a")
    group = actions.add_group(actor=ADMIN, name="g", servers=["a"])
    create_key(actor=ADMIN, name="k", access="servers", allowed_servers=["a"])
    actions.change_server("a", actor=ADMIN, config={}, new_name="b")
    assert readings.group_of(group)["servers"][0]["name"] == "b"
    assert BearerKey.objects.get().allowed_servers == ["b"]


def test_switching_needs_a_boolean(add: Add) -> None:
    add("a")
    for value in ("no", None, 0):
        with pytest.raises(InvalidInput):
            actions.toggle_server("a", actor=ADMIN, enabled=value)
    assert not actions.toggle_server("a", actor=ADMIN, enabled=False).enabled


def test_a_reload_is_announced_with_a_new_generation(add: Add, facts: list[Any]) -> None:
    server = add("a")
    assert actions.reload_server("a", actor=ADMIN).generation == 1
    assert ReloadRequested(str(server.pk)) in facts
    actions.toggle_server("a", actor=ADMIN, enabled=False)
    assert actions.reload_server("a", actor=ADMIN).generation == 1


def test_a_removed_server_leaves_its_groups(add: Add) -> None:
    add("a")
    group = actions.add_group(actor=ADMIN, name="g", servers=["a"])
    actions.remove_server("a", actor=ADMIN)
    assert not group.members.exists() and not Server.objects.exists()


SEEN = {"private": "admin dana", "group": "admin dana erin", "public": "admin dana erin anonymous"}


@pytest.mark.parametrize("visibility", SEEN)
def test_who_sees_what(add: Add, visibility: str) -> None:
    server = add("a", {**REMOTE, "owner": "dana", "visibility": visibility, "sharedWithUsers": ["erin", 'a"er']})
    viewers = {
        "admin": ADMIN,
        "dana": DANA,
        "erin": ERIN,
        "anonymous": ANONYMOUS,
        "er": Actor("er"),
        "E": Actor("Erin"),
    }
    by_rows = {name for name, viewer in viewers.items() if Server.objects.visible_to(viewer).exists()}
    by_policy = {name for name, viewer in viewers.items() if policies.may_see(viewer, server)}
    expected = set(viewers) if visibility == "public" else set(SEEN[visibility].split())
    assert by_rows == by_policy == expected
    assert {name for name, viewer in viewers.items() if policies.may_manage(viewer, server)} == {"admin", "dana"}


def test_what_may_not_be_seen_answers_as_what_does_not_exist(add: Add) -> None:
    add("hidden")
    messages = set()
    for name in ("hidden", "missing"):
        for attempt in (
            lambda: visible_server(DANA, name),  # noqa: B023
            lambda: managed_server(DANA, name),  # noqa: B023
            lambda: actions.remove_server(name, actor=DANA),  # noqa: B023
            lambda: actions.set_item_enabled(name, "tool", "x", actor=DANA, enabled=False),  # noqa: B023
        ):
            with pytest.raises(NotFound) as refused:
                attempt()
            messages.add(refused.value.message.replace(name, "…"))
    assert len(messages) == 1


def test_what_may_be_used_but_not_managed_says_so(add: Add) -> None:
    add("a", {**REMOTE, "visibility": "public"})
    for attempt in (
        lambda: actions.change_server("a", actor=DANA, config={}),
        lambda: actions.toggle_server("a", actor=DANA, enabled=False),
        lambda: actions.reload_server("a", actor=DANA),
        lambda: actions.remove_server("a", actor=DANA),
        lambda: actions.describe_item("a", "tool", "x", actor=DANA, description="d"),
    ):
        with pytest.raises(NotAllowed):
            attempt()


def test_a_safe_view_tells_nothing_of_how_a_server_is_reached(add: Add) -> None:
    server = add("a", {**REMOTE, "headers": {"A": "s3cr3t"}, "future": "s3cr3t", "description": "d"})
    safe = readings.safe(server)
    assert safe["configRestricted"] is True and safe["description"] == "d"
    assert not safe.keys() & {"url", "headers", "future", "command", "args", "env"}


def offer(server: Server, kind: str, key: str, description: str = "upstream's") -> None:
    DiscoveredItem.objects.create(
        server=server,
        kind=kind,
        key=key,
        definition=f'{{"name":"{key}","description":"{description}"}}',
        fingerprint="f",
    )


def test_items_are_known_by_both_their_names(add: Add) -> None:
    server = add("time")
    offer(server, "tool", "now")
    offer(server, "tool", "time-zone")
    actions.set_item_enabled("time", "tool", "time-now", actor=ADMIN, enabled=False)
    actions.set_item_enabled("time", "tool", "now", actor=ADMIN, enabled=False)
    actions.set_item_enabled("time", "tool", "time-zone", actor=ADMIN, enabled=False)
    actions.set_item_enabled("time", "tool", "time-time-zone", actor=ADMIN, enabled=False)
    actions.set_item_enabled("time", "resource", "time-x://y", actor=ADMIN, enabled=False)
    keys = set(ItemOverride.objects.values_list("kind", "key"))
    assert keys == {("tool", "now"), ("tool", "time-zone"), ("resource", "time-x://y")}


def test_descriptions_are_set_and_reset(add: Add) -> None:
    server = add("a")
    offer(server, "tool", "t")
    actions.describe_item("a", "tool", "t", actor=ADMIN, description="")
    assert ItemOverride.objects.get().description == ""
    actions.set_item_enabled("a", "tool", "t", actor=ADMIN, enabled=False)
    assert ItemOverride.objects.get().description == ""
    assert actions.reset_item("a", "tool", "t", actor=ADMIN) == "upstream's"
    row = ItemOverride.objects.get()
    assert (row.enabled, row.description) == (False, None)
    actions.set_item_enabled("a", "tool", "t", actor=ADMIN, enabled=True)
    actions.reset_item("a", "tool", "t", actor=ADMIN)
    assert not ItemOverride.objects.exists()
    assert actions.reset_item("a", "tool", "unknown", actor=ADMIN) == ""


@pytest.mark.parametrize("key", ["", "__proto__", "constructor", "prototype", "a\0b", "x" * 2049, 5])
def test_item_names_that_are_none_are_refused(add: Add, key: Any) -> None:
    add("a")
    with pytest.raises(InvalidInput):
        actions.set_item_enabled("a", "tool", key, actor=ADMIN, enabled=False)
    with pytest.raises(InvalidInput):
        actions.describe_item("a", "prompt", key, actor=ADMIN, description="d")


def test_sent_item_maps_replace_the_stored_ones(add: Add) -> None:
    add("a", {**REMOTE, "tools": {"a-x": {"enabled": False}}, "resources": {"u://x": {"enabled": False}}})
    actions.change_server("a", actor=ADMIN, config={"tools": {"y": {"enabled": True, "description": "d"}}})
    assert set(ItemOverride.objects.values_list("kind", "key", "enabled")) == {
        ("tool", "y", True),
        ("resource", "u://x", False),
    }


def test_every_change_is_audited_numbered_and_announced(add: Add, facts: list[Any]) -> None:
    server = add("a", {**STDIO, "env": {"API_TOKEN": "s3cr3t"}})
    assert revision.current() == 1 and facts == [ServersChanged(1)]
    actions.change_server("a", actor=ADMIN, config={"env": {"API_TOKEN": "an0ther"}})
    entry = AuditEntry.objects.first()
    assert entry is not None
    assert (entry.action, entry.actor, entry.subject_id) == ("servers.change_server", "admin", str(server.pk))
    assert entry.before == {"env": {"API_TOKEN": MASK}} == entry.after
    server.refresh_from_db()
    assert server.revision == revision.current() == 2


def test_a_change_that_changes_nothing_is_none(add: Add, facts: list[Any]) -> None:
    add("a")
    entries = AuditEntry.objects.count()
    actions.change_server("a", actor=ADMIN, config=REMOTE)
    actions.toggle_server("a", actor=ADMIN, enabled=True)
    assert (AuditEntry.objects.count(), revision.current()) == (entries, 1)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", ""])
def test_names_no_database_can_hold_name_nothing(db: None, name: str) -> None:
    with pytest.raises(NotFound):
        visible_server(ADMIN, name)
    with pytest.raises(NotFound):
        actions.toggle_server(name, actor=ADMIN, enabled=True)
