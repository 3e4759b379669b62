"""Secrets at rest: sealed, bound to their column, and rotated."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from mcphub import keyfile
from mcphub.errors import Misconfigured
from mcphub.fields import vault
from mcphub.vault import Vault, keys_of, new_key
from servers.models import Server


@pytest.fixture
def key_file(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    settings.MCPHUB_KEY_FILE = tmp_path / "encryption.keys"
    vault.cache_clear()
    yield settings.MCPHUB_KEY_FILE
    vault.cache_clear()


def sealed_columns() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT config FROM servers_server")
        return [row[0] for row in cursor.fetchall()]


def test_what_is_sealed_opens_again_and_never_looks_the_same() -> None:
    kept = Vault([new_key()])
    first, second = kept.seal("grün", "a"), kept.seal("grün", "a")
    assert first != second
    assert kept.open(first, "a") == kept.open(second, "a") == "grün"


def test_a_sealed_value_opens_only_in_its_own_column() -> None:
    kept = Vault([new_key()])
    with pytest.raises(Misconfigured):
        kept.open(kept.seal("x", "a"), "b")


def test_an_altered_value_does_not_open() -> None:
    kept = Vault([new_key()])
    sealed = kept.seal("x" * 50, "a")
    with pytest.raises(Misconfigured):
        kept.open(sealed[:-8] + ("AAAAAAA=" if not sealed.endswith("AAAAAAA=") else "BBBBBBB="), "a")


def test_every_key_of_the_ring_opens_and_the_first_seals() -> None:
    old, new = new_key(), new_key()
    sealed = Vault([old]).seal("x", "a")
    both = Vault([new, old])
    assert both.open(sealed, "a") == "x"
    assert not both.is_current(sealed) and both.is_current(both.seal("x", "a"))
    with pytest.raises(Misconfigured):
        Vault([new]).open(sealed, "a")


@pytest.mark.parametrize("key", ["short", "", "*" * 44])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(Misconfigured):
        Vault([key])


def test_the_key_file_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys"
    assert keys_of([], path) == keys_of([], path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["keys"]


def test_a_key_file_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured):
        keyfile.text_of(tmp_path / "file" / "keys", new_key)


@pytest.mark.django_db
def test_secrets_are_unreadable_in_the_database(add, key_file) -> None:
    add("a", {"command": "x", "env": {"API_TOKEN": "s3cr3t-value"}, "args": ["--key", "s3cr3t-value"]})
    assert all("s3cr3t-value" not in column for column in sealed_columns())
    assert Server.objects.get(name="a").config["env"] == {"API_TOKEN": "s3cr3t-value"}


@pytest.mark.django_db
def test_sealed_columns_cannot_be_searched(db: None) -> None:
    with pytest.raises(FieldError):
        Server.objects.filter(config="x").exists()


@pytest.mark.django_db
def test_rotation_seals_everything_under_a_new_key(add, key_file: Path) -> None:
    add("a", {"command": "x", "env": {"A": "1"}})
    before = sealed_columns()
    call_command("rotatesecrets", stdout=StringIO())
    assert len(key_file.read_text().split()) == 2
    assert all(old != new for old, new in zip(before, sealed_columns(), strict=True))
    call_command("rotatesecrets", "--forget", stdout=StringIO())
    assert len(key_file.read_text().split()) == 1
    assert Server.objects.get(name="a").config["env"] == {"A": "1"}


@pytest.mark.django_db
def test_a_running_process_opens_what_was_sealed_under_a_newer_key(add, key_file: Path) -> None:
    vault()  # this process has read the file
    ring = key_file.read_text().split()
    newer = new_key()
    keyfile.replace(key_file, "\n".join([newer, *ring]))
    row = add("a")
    sealed = Vault([newer]).seal('{"url": "https://new.invalid"}', "servers.server.config")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE servers_server SET config = %s", [sealed])
    assert Server.objects.get(pk=row.pk).config == {"url": "https://new.invalid"}
