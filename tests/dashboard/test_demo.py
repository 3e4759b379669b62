"""The demo data: as much as it promises, made as people make it, and nothing that a real hub would lose."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from accounts.models import BearerKey, User
from activities.models import AuditEntry, CallRecord
from mcphub.management.demo.catalogue import SERVERS
from servers.models import DiscoveredItem, Group, Server

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_catalogue_is_as_large_as_promised() -> None:
    assert len(SERVERS) == 30
    assert 380 <= sum(len(server.tool_names()) for server in SERVERS) <= 420
    assert all(len(set(server.tool_names())) == server.tools for server in SERVERS)
    assert {server.state for server in SERVERS} == {"up", "asleep", "off", "crashes", "refuses", "silent"}


def test_it_fills_an_empty_hub_through_the_actions(capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create(username="admin", is_admin=True)
    call_command("demo", calls=300, rows=32)
    assert Server.objects.count() == 32 and Group.objects.count() == 6 and User.objects.count() == 32
    assert BearerKey.objects.count() == 32 and CallRecord.objects.count() == 300
    assert DiscoveredItem.objects.count() == 20
    assert AuditEntry.objects.filter(action="servers.add_server").count() == 32


def test_it_leaves_a_hub_alone_that_has_servers() -> None:
    Server.objects.create(name="mine", transport="stdio")
    with pytest.raises(CommandError):
        call_command("demo")
    assert Server.objects.count() == 1
