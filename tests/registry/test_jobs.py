"""Jobs and schedules: rows that admins edit, one run at a time, the copy that follows the catalogue."""

from __future__ import annotations

from typing import Any

import pytest
from django_celery_beat.models import PeriodicTask
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from mcphub.actor import HUB
from mcphub.errors import Conflict, InvalidInput, NotAllowed
from registry import queue, tasks
from registry.actions import add_source, change_entry, change_source, ensure_sources, remove_source
from registry.models import Source
from registry.sync.lease import Lease
from tests.registry.fake_source import FakeSource

pytestmark = pytest.mark.django_db


def test_the_first_start_makes_the_official_source_and_its_schedules() -> None:
    ensure_sources(actor=HUB)
    assert set(PeriodicTask.objects.filter(name__startswith="Registry").values_list("name", flat=True)) == {
        "Registry: all of official",
        "Registry: changes of official",
        "Registry: copy to Supabase",
    }
    remove_source("official", actor=HUB)
    assert not PeriodicTask.objects.filter(name__contains="official").exists()


def test_a_source_that_an_admin_removed_does_not_come_back(shipped: None) -> None:
    ensure_sources(actor=HUB)
    assert not Source.objects.filter(kind="registry").exists()


def test_a_job_synchronises_and_leaves_a_source_that_is_busy_or_off() -> None:
    with FakeSource() as fake:
        fake.fill(3, 3)
        source = add_source(actor=HUB, slug="fake", name="Fake", url=fake.url)
        assert tasks.sync_source("fake") == "done"
        lease = Lease(source)
        assert tasks.sync_source("fake") == "busy"
        lease.give_back()
        change_source("fake", actor=HUB, enabled=False)
        assert tasks.sync_source("fake") == tasks.sync_source("nope") == "off"


@pytest.mark.parametrize(
    "wrong", [{"url": "ftp://x"}, {"url": "http://"}, {"name": ""}, {"headers": {"a": 1}}, {"slug": "not a slug"}]
)
def test_a_wrong_source_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        add_source(actor=HUB, **{"slug": "fake", "name": "Fake", "url": "https://x.example/v0.1", **wrong})


def test_sources_are_the_admins_and_their_names_unique() -> None:
    known = {"slug": "fake", "name": "Fake", "url": "https://x.example/v0.1"}
    with pytest.raises(NotAllowed):
        add_source(actor=type(HUB)("dana"), **known)
    add_source(actor=HUB, **known)
    with pytest.raises(Conflict):
        add_source(actor=HUB, **known)


def test_the_copy_follows_each_change_where_that_is_wanted(
    shipped: None,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(queue, "now", lambda task, **arguments: asked.append(task) or "id")
    for wanted in (False, True):
        settings.SUPABASE_AUTO_SYNC = wanted
        with django_capture_on_commit_callbacks(execute=True):
            change_entry("time", actor=HUB, title=f"Clock {wanted}")
    assert asked == ["registry.tasks.push_catalogue"]
    assert tasks.push_catalogue() == 0
