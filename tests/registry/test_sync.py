"""The mirror against a registry with all the habits of the official one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from registry.models import Entry, Reject, Source, SyncRun, Version
from registry.sync import passes
from registry.sync.client import Patience
from registry.sync.lease import Lease, SyncInProgress
from registry.sync.rows import with_flag
from tests.registry.fake_source import FakeSource, dirty, server

pytestmark = pytest.mark.django_db(transaction=True)
QUICK = Patience(attempts=6, first=0.01, most=0.05, slowest=0.0)


@pytest.fixture
def fake() -> Iterator[FakeSource]:
    with FakeSource() as source:
        yield source


@pytest.fixture
def source(fake: FakeSource) -> Source:
    return Source.objects.create(slug="fake", name="Fake", url=fake.url, pace_ms=0)


def sync(source: Source, kind: str = "delta") -> SyncRun:
    source.refresh_from_db()
    return passes.run(source, kind, patience=QUICK)


def mirrored(source: Source) -> dict[tuple[str, str], tuple[str, bool, str]]:
    rows = Version.objects.filter(source=source).exclude(availability="missing")
    return {
        (row.name, row.version): (
            row.availability,
            row.is_latest,
            json.dumps(json.loads(row.raw)["server"], sort_keys=True),
        )
        for row in rows
    }


def test_a_full_pass_makes_the_mirror_equal(fake: FakeSource, source: Source) -> None:
    fake.fill(70, 230)
    done = sync(source)
    assert (done.kind, done.state) == ("full", "done")
    assert mirrored(source) == fake.state()
    assert Entry.objects.filter(source=source).count() == 70
    assert fake.most_busy == 1


def test_a_list_that_ends_on_a_full_page_is_read_to_its_empty_last_page(fake: FakeSource, source: Source) -> None:
    fake.fill(100, 200)
    assert sync(source).report["rows"] == 200
    assert len([one for one in fake.requests if "/servers?" in one]) == 3


def test_an_empty_delta_asks_two_questions(fake: FakeSource, source: Source) -> None:
    fake.fill(30, 60)
    sync(source)
    fake.requests.clear()
    assert sync(source).kind == "delta"
    assert len(fake.requests) == 2


def test_a_new_version_takes_the_flag_silently(fake: FakeSource, source: Source) -> None:
    fake.fill(3, 3)
    sync(source)
    name = "io.github.user1/server-00001"
    fake.publish(name, "1.1.0")
    sync(source)
    assert mirrored(source) == fake.state()
    assert Entry.objects.get(upstream_name=name).version == "1.1.0"


def test_deleting_the_latest_promotes_another_silently(fake: FakeSource, source: Source) -> None:
    fake.fill(3, 9)
    sync(source)
    name = "io.github.user1/server-00001"
    fake.delete(name, "1.2.0")
    sync(source)
    assert mirrored(source) == fake.state()
    assert Entry.objects.get(upstream_name=name).version == "1.1.0"


def test_a_server_whose_versions_are_all_deleted_is_offered_no_more(fake: FakeSource, source: Source) -> None:
    source.approves = True
    source.save()
    fake.fill(3, 3)
    sync(source)
    fake.delete("io.github.user1/server-00001", "1.0.0")
    sync(source)
    assert mirrored(source) == fake.state()
    assert Entry.objects.offered().count() == 2


def test_a_version_that_is_no_semantic_one_becomes_the_latest(fake: FakeSource, source: Source) -> None:
    fake.fill(1, 2)
    sync(source)
    fake.publish("io.github.user0/server-00000", "spring-edition")
    sync(source)
    assert mirrored(source) == fake.state()


def test_a_flip_during_a_full_pass_leaves_one_latest(fake: FakeSource, source: Source) -> None:
    fake.fill(60, 240)

    def meddle(registry: FakeSource, target: str) -> None:
        if "cursor=" in target:
            registry.interrupt = None
            for index in (0, 5, 59):
                registry.publish(f"io.github.user{index}/server-{index:05d}", "9.0.0")
            registry.delete("io.github.user30/server-00030", "1.3.0")

    fake.interrupt = meddle
    sync(source, "full")
    sync(source)
    assert mirrored(source) == fake.state()


def test_random_changes_are_followed(fake: FakeSource, source: Source) -> None:
    fake.fill(25, 75)
    sync(source)
    chance = fake.chance
    for _ in range(8):
        for _ in range(10):
            name = f"io.github.user{(index := chance.randrange(25))}/server-{index:05d}"
            known = [version for one, version in fake.rows if one == name]
            if chance.random() < 0.5:
                fake.publish(name, f"{chance.randrange(3)}.{chance.randrange(50)}.{chance.randrange(9)}")
            else:
                fake.set_status(name, chance.choice(known), chance.choice(["deleted", "deprecated", "active"]))
        assert sync(source).state == "done"
        assert mirrored(source) == fake.state()
    sync(source, "full")
    assert mirrored(source) == fake.state()


def test_bursts_of_refusals_are_waited_out(fake: FakeSource, source: Source) -> None:
    fake.fill(50, 150)
    fake.failures = [429, 503, (429, {"Retry-After": "0"}), 500, 502]
    assert sync(source).state == "done"
    assert mirrored(source) == fake.state()


def test_a_registry_that_stays_down_ends_the_run_and_the_next_one_goes_on(fake: FakeSource, source: Source) -> None:
    fake.fill(150, 350)
    pages = 0

    def fail_later(registry: FakeSource, target: str) -> None:
        nonlocal pages
        pages += 1
        if pages == 3:
            registry.failures = [503] * QUICK.attempts

    fake.interrupt = fail_later
    failed = sync(source)
    assert failed.state == "failed"
    assert "503" in failed.message
    fake.interrupt = None
    fake.requests.clear()
    done = sync(source)
    assert done.resumed
    assert "cursor=" in fake.requests[0]
    assert mirrored(source) == fake.state()


def test_dirty_documents_are_kept_and_told(fake: FakeSource, source: Source) -> None:
    fake.fill(5, 5)
    for name, version, document in dirty():
        fake.publish(name, version, document)
    done = sync(source)
    assert done.state == "done"
    assert Reject.objects.count() == 4
    reasons = " ".join(done.report["reasons"])
    assert "no name" in reasons
    assert "longer than" in reasons
    kept = mirrored(source)
    broken = ("com.dirty/control", "1")
    assert all(kept[key] == state for key, state in fake.state().items() if key in kept and key != broken)
    assert kept[broken][:2] == ("active", True)
    assert len(kept) + 4 == len(fake.rows)
    snake = Entry.objects.get(upstream_name="com.dirty/snake")
    assert snake.authentication["env_var"] == "TOKEN"
    assert Entry.objects.get(upstream_name="com.dirty/twice").read().packages[2].transport == "sse"
    assert {entry.name for entry in Entry.objects.filter(upstream_name__iexact="com.dirty/case")} != {"com.dirty-case"}
    assert Version.objects.get(name="com.dirty/kind").problem == ""
    assert "no usable package" in Version.objects.get(name="com.dirty/nothing").problem


def test_a_data_reset_is_noticed_and_nothing_is_deleted(fake: FakeSource, source: Source) -> None:
    fake.fill(40, 80)
    sync(source)
    before = mirrored(source)
    fake.reset()
    noticed = sync(source)
    assert noticed.state == "refused"
    source.refresh_from_db()
    assert "lost" in source.alarm or "no longer knows" in source.alarm
    fake.publish("io.github.new/one", "1.0.0")
    refused = sync(source, "full")
    assert refused.state == "refused"
    assert "1 of" in refused.message
    assert {key: value for key, value in mirrored(source).items() if key in before} == before


def test_an_accepted_reset_marks_what_is_gone_as_missing(fake: FakeSource, source: Source) -> None:
    fake.fill(40, 80)
    sync(source)
    fake.reset()
    fake.publish("io.github.new/one", "1.0.0")
    Source.objects.update(reset_accepted=True)
    assert sync(source, "full").state == "done"
    assert mirrored(source) == fake.state()
    assert Version.objects.count() == 81
    assert Entry.objects.filter(availability="missing").count() == 40


def test_what_a_full_pass_does_not_find_is_missing_until_it_is_back(fake: FakeSource, source: Source) -> None:
    fake.fill(10, 20)
    sync(source)
    gone = fake.rows.pop(("io.github.user3/server-00003", "1.1.0"))
    fake._keys = None
    fake.rows["io.github.user3/server-00003", "1.0.0"].latest = True
    sync(source, "full")
    assert mirrored(source) == fake.state()
    fake.rows["io.github.user3/server-00003", "1.1.0"] = gone
    fake.rows["io.github.user3/server-00003", "1.0.0"].latest = False
    fake._keys = None
    sync(source, "full")
    assert mirrored(source) == fake.state()


def test_two_runs_at_once_are_one_too_many(fake: FakeSource, source: Source) -> None:
    lease = Lease(source)
    with pytest.raises(SyncInProgress):
        sync(source)
    lease.give_back()
    sync(source)


def test_the_lease_of_a_dead_process_is_free(source: Source, fake: FakeSource) -> None:
    lease = Lease(source)
    holder = Source.objects.get().holder
    host, pid, mark = holder.split(":")
    Source.objects.update(holder=f"{host}:999999:{mark}")
    assert sync(source).state == "done"
    del lease, pid


def test_a_registry_without_flags_is_ordered_by_the_rules(fake: FakeSource, source: Source) -> None:
    for version in ("1.9.0", "1.10.0", "1.2.0"):
        fake.publish("com.example/plain", version)
    plain = dict(fake.rows)
    fake._list = lambda query: (  # type: ignore[method-assign]
        200, {}, json.dumps({"servers": [{"server": row.document} for row in plain.values()], "metadata": {}}).encode()
    )  # fmt: skip
    assert sync(source).state == "done"
    assert Version.objects.get(is_latest=True).version == "1.10.0"


def test_a_stored_item_is_shown_with_the_flag_the_mirror_knows() -> None:
    with FakeSource() as fake:
        fake.publish("com.example/a", "1", server("com.example/a", "1"))
        raw = fake.rows["com.example/a", "1"].encoded().decode()
    assert with_flag(raw, True) == raw
    assert json.loads(with_flag(raw, False))["_meta"]["io.modelcontextprotocol.registry/official"]["isLatest"] is False


def test_an_endless_list_is_left(fake: FakeSource, source: Source) -> None:
    fake.fill(150, 150)
    listed = fake._list

    def looping(query: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        return listed({name: value for name, value in query.items() if name != "cursor"})

    fake._list = looping  # type: ignore[method-assign]
    done = sync(source)
    assert done.state == "failed"
    assert "same cursor" in done.message
