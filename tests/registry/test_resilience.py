"""What must hold when processes die, admins edit meanwhile, or two processes count at once."""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from mcphub.actor import Actor
from registry.actions import change_entry
from registry.models import Entry, FieldEdit, Source
from registry.sync import passes
from registry.sync.client import Patience
from tests.registry.fake_source import FakeSource, server
from tests.tools.processes import REPOSITORY, until

QUICK = Patience(first=0.01, most=0.05, slowest=0.0)


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mcphub-registry-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def environment(home: Path, **more: str) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    # The pages of the dashboard are not what is tested.
    return {**known, "MCPHUB_DATA_DIR": str(home), "PYTHONPATH": str(REPOSITORY), "DISABLE_WEB": "true", **more}


def manage(home: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=REPOSITORY, env=environment(home), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def start_sync(home: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "syncregistry", "fake", *words],
        cwd=REPOSITORY,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def prepare(home: Path, url: str) -> None:
    manage(home, "migrate", "-v0")
    made = (
        f"from registry.models import Source; Source.objects.create(slug='fake', name='Fake', url='{url}', pace_ms=1)"
    )
    manage(home, "shell", "-c", made)


def mirrored(home: Path) -> dict[tuple[str, str], tuple[str, bool, str]]:
    with sqlite3.connect(home / "mcphub.sqlite3") as database:
        rows = database.execute(
            "SELECT name, version, availability, is_latest, raw FROM registry_version WHERE availability != 'missing'"
        ).fetchall()
    return {
        (name, version): (availability, bool(latest), json.dumps(json.loads(raw)["server"], sort_keys=True))
        for name, version, availability, latest, raw in rows
    }


def kill_after(home: Path, fake: FakeSource, requests: int) -> None:
    """Begin a synchronisation and kill it after so many requests, in the middle of whatever it does then."""
    enough = len(fake.requests) + requests
    process = start_sync(home, "--full")
    until(lambda: len(fake.requests) >= enough or process.poll() is not None, 30, "requests of the sync")
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
def test_a_sync_that_is_killed_again_and_again_ends_equal_to_the_source(home: Path) -> None:
    chance = random.Random(11)
    with FakeSource() as fake:
        fake.fill(300, 2500)
        fake.flakiness = 0.03
        prepare(home, fake.url)
        for _ in range(4):
            kill_after(home, fake, chance.randrange(1, 8))
            index = chance.randrange(300)
            fake.publish(f"io.github.user{index}/server-{index:05d}", f"2.{len(fake.requests)}.0")
        last = start_sync(home, "--full")
        out, errors = last.communicate(timeout=120)
        assert last.returncode == 0, errors
        assert json.loads(out)["state"] == "done"
        final = start_sync(home)
        assert final.wait(60) == 0, final.communicate()
        assert mirrored(home) == fake.state()
        with sqlite3.connect(home / "mcphub.sqlite3") as database:
            assert database.execute("SELECT count(*) FROM registry_entry").fetchone() == (300,)
            assert database.execute("SELECT count(*) FROM registry_version WHERE pending").fetchone() == (0,)


@pytest.mark.django_db(transaction=True)
def test_no_edit_is_lost_while_a_sync_runs() -> None:
    with FakeSource() as fake:
        fake.fill(60, 120)
        source = Source.objects.create(slug="fake", name="Fake", url=fake.url, pace_ms=0, approves=True)
        passes.run(source, patience=QUICK)
        names = list(Entry.objects.values_list("name", flat=True)[:12])
        failures: list[BaseException] = []
        edited: dict[tuple[str, str], str] = {}

        def edit(who: str, field: str) -> None:
            admin = Actor(who, is_admin=True)
            try:
                for turn in range(6):
                    for name in names:
                        value = f"{who} {turn}"
                        change_entry(name, actor=admin, **{field: value})
                        edited[name, field] = value
            except BaseException as failure:
                failures.append(failure)
            finally:
                connection.close()

        editors = [threading.Thread(target=edit, args=pair) for pair in (("ann", "title"), ("bob", "description"))]
        for editor in editors:
            editor.start()
        turn = 0
        while any(editor.is_alive() for editor in editors) or turn < 3:
            turn += 1
            for name in [entry.upstream_name for entry in Entry.objects.all()[:30]]:
                document = server(name, f"3.{turn}.0") | {"title": f"Source {turn}", "description": f"Source {turn}"}
                fake.publish(name, f"3.{turn}.0", document)
            assert passes.run(source, patience=QUICK).state == "done"
        for editor in editors:
            editor.join()
    assert failures == []
    for (name, field), value in edited.items():
        entry = Entry.objects.get(name=name)
        assert getattr(entry, field) == value
        assert FieldEdit.objects.get(entry=entry, field=field).value == value
        assert entry.upstream[field] == f"Source {turn}"
        assert entry.version == f"3.{turn}.0"


COUNTING = """
import django; django.setup()
from django.test import Client
client = Client(REMOTE_ADDR={address!r}, HTTP_HOST="localhost")
print([client.get("/mcp_registry/time").status_code for _ in range(15)].count(200))
"""


@pytest.mark.redis
def test_two_processes_that_share_redis_share_the_plan(home: Path) -> None:
    manage(home, "migrate", "-v0")
    manage(home, "loadcatalogue")
    address = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    redis = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
    known = environment(home, DJANGO_SETTINGS_MODULE="mcphub.settings", REDIS_URL=redis)
    script = COUNTING.format(address=address)
    processes = [
        subprocess.Popen([sys.executable, "-c", script], env=known, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    passed = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(passed) == 10
