"""Groups with their members, and the hub's own prompts and resources."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from mcphub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from servers import actions
from servers.actions.builtins import told
from servers.lookups import managed_group, visible_group
from servers.models import Group, Server
from servers.readings import group_of
from tests.control.conftest import ADMIN, DANA, ERIN, REMOTE

pytestmark = pytest.mark.django_db(transaction=True)
ALL = {"tools": "all", "prompts": "all", "resources": "all"}


@pytest.fixture
def group(add: Callable[..., Server]) -> Group:
    add("fix", {**REMOTE, "visibility": "public"})
    add("hidden")
    return actions.add_group(actor=ADMIN, name="g", servers=["fix", "hidden"])


def test_members_come_in_both_forms(group: Group) -> None:
    member = {"name": "fix", "alias": " fx ", "tools": ["echo", "add"], "pinnedTools": ["add"], "prompts": []}
    made = actions.add_group(actor=ADMIN, name="h", servers=["hidden", member, "ghost"], description="d")
    assert group_of(made) == {
        "id": str(made.pk), "name": "h", "description": "d", "owner": "admin", "visibility": "private",
        "servers": [
            {"name": "hidden", **ALL},
            {"name": "fix", "alias": "fx", "tools": ["echo", "add"], "prompts": [], "resources": "all",
             "pinnedTools": ["add"]},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    "members",
    [
        {"name": ""}, {"name": " "}, {"name": 5}, {"name": None}, {"name": "g"}, {"name": "a\nb"},
        {"servers": "fix"}, {"servers": [5]}, {"servers": [None]}, {"servers": [{}]}, {"servers": [{"name": 5}]},
        {"servers": [{"name": "fix", "alias": 5}]}, {"servers": [{"name": "ghost", "tools": "some"}]},
        {"servers": [{"name": "fix", "prompts": [1]}]}, {"servers": ["fix", {"name": "hidden", "alias": "fix"}]},
        {"servers": [{"name": "fix", "tools": ["a"], "pinnedTools": ["b"]}]},
        {"visibility": "bogus"}, {"sharedWithUsers": "dana"}, {"sharedWithUsers": [""]}, {"description": 5},
    ],
)  # fmt: skip
def test_malformed_groups_are_refused_on_every_route(group: Group, members: dict[str, Any]) -> None:
    count = Group.objects.count()
    with pytest.raises(InvalidInput):
        actions.add_group(actor=ADMIN, **{"name": "new", **members})
    other = actions.add_group(actor=ADMIN, name="other")
    with pytest.raises(InvalidInput):
        actions.change_group(str(other.pk), actor=ADMIN, **members)
    outcomes = actions.add_groups(actor=ADMIN, groups=[{"name": "new", **members}])
    assert outcomes[0].refusal is not None
    assert Group.objects.count() == count + 1


def test_a_batch_reports_each_group(group: Group) -> None:
    outcomes = actions.add_groups(actor=DANA, groups=[{"name": "b1", "servers": ["fix"]}, {"name": "g"}, None, {}])
    assert [(each.name, each.refusal is None) for each in outcomes] == [
        ("b1", True),
        ("g", False),
        ("unknown", False),
        ("unknown", False),
    ]


def test_nothing_to_change_is_refused(group: Group) -> None:
    for changes in ({}, {"bogus": 1}, {"owner": "dana"}):
        with pytest.raises(InvalidInput):
            actions.change_group(str(group.pk), actor=ADMIN, **changes)


def test_a_group_of_others_looks_missing(group: Group) -> None:
    for key in (str(group.pk), "g", "nope", str(uuid.uuid4())):
        with pytest.raises(NotFound):
            visible_group(DANA, key)
        with pytest.raises(NotFound):
            managed_group(DANA, key)
    actions.change_group("g", actor=ADMIN, visibility="group", sharedWithUsers=["dana"])
    assert visible_group(DANA, "g") == group
    with pytest.raises(NotFound):
        actions.change_group("g", actor=DANA, description="mine")
    with pytest.raises(NotFound):
        visible_group(ERIN, "g")


def test_members_the_owner_cannot_see_are_kept(group: Group) -> None:
    Group.objects.update(owner="dana")
    changed = actions.change_group("g", actor=DANA, servers=[{"name": "fix", "tools": ["echo"]}, "hidden"])
    assert sorted(each["name"] for each in group_of(changed)["servers"]) == ["fix", "hidden"]
    assert [row.server.name for row in actions.visible_members(DANA, changed)] == ["fix"]


def test_nobody_adds_a_server_that_may_not_be_seen(group: Group) -> None:
    made = actions.add_group(actor=DANA, name="dg", servers=["fix", "hidden"])
    assert [each["name"] for each in group_of(made)["servers"]] == ["fix"]
    for name in ("hidden", "ghost"):
        with pytest.raises(NotFound):
            actions.add_member("dg", actor=DANA, server=name)


def test_single_members_are_added_changed_and_removed(group: Group) -> None:
    actions.remove_member("g", actor=ADMIN, server="fix")
    actions.remove_member("g", actor=ADMIN, server="fix")
    actions.add_member("g", actor=ADMIN, server="fix")
    actions.add_member("g", actor=ADMIN, server="fix")
    actions.change_member("g", actor=ADMIN, server="fix", tools=["echo"])
    assert group_of(group)["servers"] == [{"name": "hidden", **ALL}, {"name": "fix", **ALL, "tools": ["echo"]}]
    with pytest.raises(NotFound):
        actions.change_member("g", actor=ADMIN, server="ghost", tools="all")
    with pytest.raises(InvalidInput):
        actions.change_member("g", actor=ADMIN, server="fix", tools=5)
    with pytest.raises(InvalidInput):
        actions.add_member("g", actor=ADMIN, server="")


def test_prompts_are_made_changed_and_removed(db: None) -> None:
    arguments = [{"name": "who", "required": True, "x-future": 1}]
    row = actions.add_prompt(
        actor=ADMIN, members={"name": "greet", "template": " Hello {{who}} ", "arguments": arguments}
    )
    expected = {
        "id": str(row.pk),
        "name": "greet",
        "template": " Hello {{who}} ",
        "arguments": arguments,
        "enabled": True,
    }
    assert told(row) == expected
    assert told(actions.change_prompt(row.pk, actor=ADMIN, members={"id": "other", "enabled": False})) == {
        **expected,
        "enabled": False,
    }
    with pytest.raises(Conflict):
        actions.add_prompt(actor=ADMIN, members={"name": "greet", "template": "x"})
    actions.remove_prompt(row.pk, actor=ADMIN)
    with pytest.raises(NotFound):
        actions.remove_prompt(row.pk, actor=ADMIN)


def test_resources_are_made_changed_and_removed(db: None) -> None:
    row = actions.add_resource(actor=ADMIN, members={"uri": "resource://x", "content": "text", "name": "n"})
    assert told(row) == {
        "id": str(row.pk), "uri": "resource://x", "name": "n", "mimeType": "text/plain", "content": "text",
        "enabled": True,
    }  # fmt: skip
    assert (
        actions.change_resource(row.pk, actor=ADMIN, members={"mimeType": "text/markdown"}).mime_type == "text/markdown"
    )
    actions.remove_resource(row.pk, actor=ADMIN)


@pytest.mark.parametrize(
    "members",
    [{"name": ""}, {"name": 5}, {"template": ""}, {"template": 6}, {"arguments": "z"}, {"arguments": [{}]},
     {"arguments": [{"name": "a", "required": "x"}]}, {"enabled": "x"}, {"title": 5}, {"description": "\0"}],
)  # fmt: skip
def test_malformed_prompts_are_refused(db: None, members: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        actions.add_prompt(actor=ADMIN, members={"name": "x", "template": "y", **members})
    row = actions.add_prompt(actor=ADMIN, members={"name": "ok", "template": "y"})
    with pytest.raises(InvalidInput):
        actions.change_prompt(row.pk, actor=ADMIN, members=members)


@pytest.mark.parametrize("members", [{"uri": 5}, {"uri": ""}, {"content": ""}, {"content": 6}, {"mimeType": 5}])
def test_malformed_resources_are_refused(db: None, members: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        actions.add_resource(actor=ADMIN, members={"uri": "u://x", "content": "y", **members})


def test_what_everyone_is_offered_is_written_by_admins(db: None) -> None:
    row = actions.add_prompt(actor=ADMIN, members={"name": "ok", "template": "y"})
    for attempt in (
        lambda: actions.add_prompt(actor=DANA, members={"name": "x", "template": "y"}),
        lambda: actions.change_prompt(row.pk, actor=DANA, members={"template": "z"}),
        lambda: actions.remove_prompt(row.pk, actor=DANA),
        lambda: actions.add_resource(actor=DANA, members={"uri": "u://x", "content": "y"}),
    ):
        with pytest.raises(NotAllowed):
            attempt()
