"""Settings files: what the original wrote comes in, and what goes out comes back."""

from __future__ import annotations

import json
import stat
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.actions import sign_in
from accounts.models import BearerKey, User, digest_of
from activities import audit
from mcphub.actor import COMMAND, Actor
from mcphub.errors import InvalidInput
from mcphub.masking import MASK
from servers.models import Group, ItemOverride, Server, SystemSettings
from servers.settings_file import export_settings, import_content, import_settings
from servers.snapshots import DatabaseSnapshots

pytestmark = pytest.mark.django_db(transaction=True)

HASH = "$2b$04$eImiTXuWVxfM37uY4JANjOL.oTxqp7WylW7FCzx2Lc7VLmdJIddZq"
#: In the words of the original, old and new: both member forms, prefixed and bare overrides, a legacy key.
CONTENT: dict[str, Any] = {
    "mcpServers": {
        "time": {
            "command": "uvx", "args": ["mcp-server-time"], "env": {"API_TOKEN": "s3cr3t", "REF": "${TOKEN:-none}"},
            "tools": {"time-now": {"enabled": False}, "zones": {"enabled": True, "description": "d"}},
        },
        "old": {"url": "https://old.invalid/sse", "headers": {"Authorization": "Bearer s3cr3t"}, "owner": "dana"},
        "odd name/x": {"type": "streamable-http", "url": "https://odd.invalid/mcp", "x-future": [1]},
        "bogus": {"type": "streamable-http", "url": "https://b.invalid", "visibility": "bogus"},
        "broken": {"type": "stdio"},
        "__proto__": {"url": "https://x.invalid"},
    },
    "groups": [
        {"id": "11111111-1111-4111-8111-111111111111", "name": "dev", "servers": ["time", {"name": "old", "alias": "o",
         "tools": ["a"], "prompts": "all", "resources": []}, "ghost"], "owner": "dana"},
        {"id": "not-a-uuid", "name": "two", "visibility": "public"},
        {"name": "dev"},
        5,
    ],
    "users": [
        {"username": "admin", "password": HASH, "isAdmin": True},
        {"username": "dana", "password": HASH, "isAdmin": "yes"},
        {"username": ["x"]},
    ],
    "userConfigs": {"dana": {"routing": {"a": 1}}},
    "bearerKeys": [
        {"id": "22222222-0000-4000-8000-000000000000", "name": "ci", "token": "mcphub_" + "b" * 64, "enabled": True,
         "accessType": "groups", "allowedGroups": ["dev"], "allowedServers": None},
        {"name": "mine", "token": "mcphub_" + "c" * 64, "kind": "user", "owner": "dana", "accessType": "all"},
        {"name": "orphan", "token": "mcphub_" + "d" * 64, "kind": "user", "owner": "ghost", "accessType": "all"},
        {"name": "masked", "token": "mcphub_1...9f3a", "accessType": "all"},
    ],
    "systemConfig": {
        "routing": {"enableBearerAuth": False, "bearerAuthKey": "legacy-key-in-the-file", "jsonBodyLimit": "10b"},
        "nameSeparator": "-", "smartRouting": {"openaiApiKey": "sk-s3cr3t"}, "unheard": 1,
        "discovery": {"enabled": True},
    },
    "prompts": [{"id": "5b9a0000-0000-4000-8000-000000000000", "name": "greet", "template": "Hello {{who}}"}],
    "resources": [{"uri": "resource://x", "content": "text"}, {"uri": "resource://x", "content": "again"}],
    "oauthClients": [{"clientId": "c"}],
}  # fmt: skip


def test_everything_usable_comes_in(db: None) -> None:
    report = import_content(CONTENT, actor=COMMAND)
    assert report.stored == {
        "settings": 1, "users": 2, "servers": 4, "groups": 2, "keys": 3, "prompts": 1, "resources": 1
    }  # fmt: skip
    assert Server.objects.get(name="old").transport == "sse"
    assert Server.objects.get(name="odd name/x").config["x-future"] == [1]
    assert Server.objects.get(name="bogus").visibility == "private"
    assert set(ItemOverride.objects.values_list("key", "enabled")) == {("now", False), ("zones", True)}
    group = Group.objects.get(name="dev")
    assert str(group.pk) == CONTENT["groups"][0]["id"] and (group.owner, group.visibility) == ("dana", None)
    assert Group.objects.get(name="two").visibility == "public"
    assert not User.objects.get(username="dana").is_admin
    assert User.objects.get(username="dana").preferences == {"routing": {"a": 1}}
    assert SystemSettings.objects.get().values["discovery"] == {"enabled": True}
    assert audit.first_broken() is None


def test_what_could_not_be_used_is_reported(db: None) -> None:
    told = "\n".join(import_content(CONTENT, actor=COMMAND).problems)
    for hint in ("broken", "__proto__", "bogus", "not-a-uuid", "'dev': There is", "5 is no object", "['x']", "orphan",
                 "masked", "jsonBodyLimit", "unheard: unknown", "ghost", "resource://x",
                 "oauthClients: not supported"):  # fmt: skip
        assert hint in told
    assert "s3cr3t" not in told and "legacy-key" not in told


def test_tokens_people_have_go_on_working(db: None) -> None:
    import_content(CONTENT, actor=COMMAND)
    assert BearerKey.objects.get(digest=digest_of("mcphub_" + "b" * 64)).allowed_groups == ["dev"]
    assert str(BearerKey.objects.get(name="ci").pk) == CONTENT["bearerKeys"][0]["id"]
    legacy = BearerKey.objects.get(digest=digest_of("legacy-key-in-the-file"))
    assert (legacy.kind, legacy.access, legacy.enabled) == ("system", "all", True)
    assert "bearerAuthKey" not in SystemSettings.objects.get().values["routing"]


def test_an_import_into_a_full_database_leaves_what_is_there(db: None) -> None:
    import_content(CONTENT, actor=COMMAND)
    Server.objects.filter(name="old").update(description="kept")
    report = import_content(CONTENT, actor=COMMAND)
    assert report.stored.keys() <= {"settings"}
    assert Server.objects.get(name="old").description == "kept"


def test_a_backup_restores_everything(db: None, tmp_path: Path) -> None:
    import_content(CONTENT, actor=COMMAND)
    before, exported = DatabaseSnapshots().build(), export_settings(secrets=True)
    path = tmp_path / "backup.json"
    call_command("exportsettings", str(path), "--secrets", stdout=StringIO())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == exported
    for model in (Group, Server, BearerKey, User, SystemSettings):
        model.objects.all().delete()
    report = import_settings(path)
    assert [problem for problem in report.problems if "already" not in problem and "taken" not in problem] == []
    after = DatabaseSnapshots().build()
    assert {name: spec.connection for name, spec in after.servers.items()} == {
        name: spec.connection for name, spec in before.servers.items()
    }
    assert after.groups == before.groups and after.switches == before.switches
    assert export_settings(secrets=True) == exported


def test_an_export_without_secrets_has_none(db: None) -> None:
    import_content(CONTENT, actor=COMMAND)
    out = StringIO()
    call_command("exportsettings", stdout=out)
    text = out.getvalue()
    for secret in ("s3cr3t", "$2b$", "bbbbbbbb", digest_of("mcphub_" + "b" * 64)):
        assert secret not in text
    exported = json.loads(text)
    assert exported["mcpServers"]["time"]["env"] == {"API_TOKEN": MASK, "REF": "${TOKEN:-none}"}
    assert exported["mcpServers"]["time"]["tools"] == {
        "time-now": {"enabled": False},
        "time-zones": {"enabled": True, "description": "d"},
    }
    assert export_settings(server="old")["mcpServers"].keys() == {"old"}


def test_imported_passwords_sign_in(db: None) -> None:
    hashed = "$2b$10$NlCYQ6/3da2SJgDpnLRAfOEb7jzCL6zo6je.cAOs8R.d.zIfvW4rG"
    import_content({"users": [{"username": "admin", "password": hashed, "isAdmin": True}]}, actor=COMMAND)
    assert sign_in("admin", "Adm1n!pass", actor=Actor("anonymous")).is_admin


@pytest.mark.parametrize("text", ["", "{", "[]", "5"])
def test_what_is_no_settings_file_is_refused(db: None, tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(InvalidInput):
        import_settings(path)
    with pytest.raises(CommandError):
        call_command("importsettings", str(path))


def test_a_file_of_wrong_shapes_is_reported_not_raised(db: None) -> None:
    content = {"mcpServers": [], "groups": {}, "users": 5, "systemConfig": "x", "bearerKeys": [None]}
    assert len(import_content(content, actor=COMMAND).problems) == 5
