"""Sums, pages and charts: what roll-ups answer is what counting every call would."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from activities import readings, retention
from activities.criteria import Criteria, holding, keys_named, names_of, owned
from activities.models import CallRecord, CallRollup, Level, Span
from activities.retention import cutoff, prune_calls, prune_rollups
from activities.sink import store
from mcphub.gateway.calls import CallRecord as Remembered
from tests.activities.conftest import ADMIN, DANA, call, many, stored

pytestmark = pytest.mark.django_db
_SUCCESS, _CANCELLED = ("ok",), ("cancelled",)
#: Members of calls as the database holds them.
_USERS = {None: "system"}


def user_of(each: Remembered) -> str:
    return each.username or ("system" if each.key_id else "")


def chosen(calls: list[Remembered], **asked: Any) -> list[Remembered]:
    def fits(each: Remembered) -> bool:
        return all(
            (user_of(each) if name == "username" else getattr(each, name) or "") in of for name, of in asked.items()
        )

    return [each for each in calls if fits(each)]


ASKED: list[dict[str, frozenset[str]]] = [
    {},
    {"server": frozenset({"time", "files"})},
    {"server": frozenset({"time"}), "item": frozenset({"now"})},
    {"username": frozenset({"dana"})},
    {"username": frozenset({"system"}), "key_id": frozenset({"k1"})},
    {"group": frozenset({"dev"}), "server": frozenset({"search"})},
]


@pytest.mark.parametrize("names", ASKED)
@pytest.mark.parametrize(("first", "last"), [(None, None), (3.3, None), (None, 1.7), (4.6, 1.2), (0.2, 0.1)])
def test_sums_are_those_of_the_calls(names: dict[str, frozenset[str]], first: float | None, last: float | None) -> None:
    calls = stored(many(600, days=6))
    now = time.time()
    since, until = (None if days is None else int((now - days * 86_400) * 1000) for days in (first, last))
    within = [
        each
        for each in chosen(calls, **names)
        if (since is None or int(each.started * 1000) >= since) and (until is None or int(each.started * 1000) <= until)
    ]
    sums = readings.sums(Criteria(names, since, until))
    assert sums.calls == len(within)
    assert sums.cancelled == sum(each.status == "cancelled" for each in within)
    assert sums.errors == sum(each.status not in ("ok", "cancelled") for each in within)
    assert sums.duration == pytest.approx(sum(each.duration_ms for each in within))
    assert sum(sums.bins) == len(within)
    for outcome, statuses in (("success", _SUCCESS), ("cancelled", _CANCELLED)):
        assert readings.count(Criteria(names, since, until, outcome)) == sum(e.status in statuses for e in within)  # type: ignore[arg-type]
    assert readings.count(Criteria(names, since, until, "error")) == sum(e.status != "ok" for e in within)


def test_the_mean_of_one_outcome_is_its_own() -> None:
    stored(
        [call(duration_ms=10.0), call(duration_ms=100.0, status="error"), call(duration_ms=40.0, status="cancelled")]
    )
    assert readings.sums(Criteria(outcome="success")).average == 10.0
    assert readings.sums(Criteria(outcome="error")).average == 70.0


def test_a_batch_that_comes_twice_counts_once() -> None:
    calls = [call() for _ in range(5)]
    store(calls)
    store([*calls, call()])
    assert (CallRecord.objects.count(), readings.sums(Criteria()).calls) == (6, 6)


def test_all_levels_and_spans_tell_the_same_total() -> None:
    stored(many(300, days=2))
    totals = {
        (level, span): sum(CallRollup.objects.filter(level=level, span=span).values_list("calls", flat=True))
        for level in Level
        for span in Span
    }
    assert set(totals.values()) == {300}


def test_deep_pages_are_the_same_as_walking_there(monkeypatch: pytest.MonkeyPatch) -> None:
    stored(many(900, days=8))
    now = int(time.time() * 1000)
    rare = {"username": frozenset({"rare"}), "server": frozenset({"time"})}
    stored([call(username="rare", server="time", started=now / 1000 - days * 86_400) for days in (0, 1.9, 2, 5.1, 7.4)])
    monkeypatch.setattr(readings, "_FAR", -1)
    for asked in (
        Criteria(),
        Criteria(until=now - 100_000_000),
        Criteria({"server": frozenset({"time"})}, outcome="error"),
        Criteria({"server": frozenset({"time", "files"})}),
        Criteria({"key_id": frozenset({"k1", "k2"})}, until=now - 100_000_000),
        Criteria(rare),
        Criteria(rare, until=now - 2 * 86_400_000),
        Criteria({**rare, "server": frozenset({"never met"})}),
    ):
        rows = list(asked.calls().values_list("id", flat=True))
        for length in (2, 97):
            found = [row.id for first in range(0, len(rows) + 1, length) for row in readings.page(asked, first, length)]
            assert found == rows
        assert readings.count(asked) == len(rows)


def test_charts_show_the_busiest_and_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "MOST_SERIES", 2)
    now = int(time.time())
    stored([call(server=name) for name in ("a", "b", "c", "c", "b", "c")] + [call(server="c", started=now - 3600)])
    chart = readings.chart(Criteria(), now - 7200, now + 60, by="server")
    assert {name: sum(sums.calls for sums in line.values()) for name, line in chart.lines.items()} == {
        "c": 4, "b": 2, None: 1
    }  # fmt: skip
    assert chart.bucket == 60
    assert len(chart.lines["c"]) == 2


@pytest.mark.parametrize("most_keys", [0, 1000])
@pytest.mark.parametrize(
    ("by", "column"),
    [("server", "server"), ("tool", "item"), ("user", "username"), ("key", "key_id"), ("group", "group")],
)
def test_charts_draw_the_busiest_as_counting_every_call_does(
    by: str, column: str, most_keys: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "MOST_SERIES", 2)
    monkeypatch.setattr(readings, "_MOST_KEYS", most_keys)
    now = int(time.time())
    # Busiest of all, but not within most of the times that are asked for.
    busy = {"server": "old", "item": "old", "username": "old", "key_id": "old", "group": "old"}
    stored([*many(1_500, days=70), *(call(**busy, started=now - 69 * 86_400) for _ in range(700))])
    asked_for: list[tuple[dict[str, frozenset[str]], float, float]] = [
        ({}, 90, 0), ({}, 66, 0), ({}, 50, 9), ({}, 10, 0), ({}, 1, 0), ({}, 0.2, 0),
        ({"server": frozenset({"time"})}, 66, 0), ({"username": frozenset({"dana"})}, 66, 0),
        ({"username": frozenset({"nobody"})}, 66, 0),
    ]  # fmt: skip
    for names, first, last in asked_for:
        since, until = int(now - first * 86_400), int(now - last * 86_400)
        drawn = readings.chart(Criteria(names), since, until, by=by)
        counted: dict[str, dict[int, int]] = {}
        for row in Criteria(names).calls().values_list(column, "started"):
            start = row[1] // 1000 // drawn.bucket * drawn.bucket
            if drawn.starts[0] <= start <= drawn.starts[-1]:
                line = counted.setdefault(row[0], {})
                line[start] = line.get(start, 0) + 1
        busiest = sorted(counted, key=lambda name: (-sum(counted[name].values()), name))
        lines = {name: {at: sums.calls for at, sums in line.items()} for name, line in drawn.lines.items()}
        rest = lines.pop(None, {})
        assert list(lines) == busiest[:2]
        assert lines == {name: counted[name] for name in busiest[:2]}
        assert sum(rest.values()) == sum(sum(counted[name].values()) for name in busiest[2:])


@pytest.mark.parametrize(
    ("hours_ago", "length", "wanted", "bucket"),
    [
        (1, 1, "", 60), (24, 24, "", 3600), (24 * 90, 24 * 90, "", 86_400), (1, 1, "day", 86_400),
        (24 * 60, 1, "minute", 86_400),
    ],
)  # fmt: skip
def test_buckets_are_as_fine_as_what_is_kept(hours_ago: int, length: int, wanted: str, bucket: int) -> None:
    since = int(time.time()) - hours_ago * 3600
    assert readings.bucket_for(since, since + length * 3600, wanted) == bucket


def test_names_are_those_a_viewer_may_see() -> None:
    stored([call(username="dana", server="a", group="g"), call(username="erin", server="b", key_id="k", key_name="ci")])
    assert names_of(ADMIN, "server") == ["a", "b"]
    assert (names_of(DANA, "server"), names_of(DANA, "group"), names_of(DANA, "key_name")) == (["a"], ["g"], [])
    assert (holding(ADMIN, "username", "an"), keys_named(ADMIN, "c")) == ({"dana"}, {"k"})
    assert owned(DANA).calls().count() == 1


def test_pruning_removes_the_oldest_and_keeps_the_sums_right() -> None:
    stored(many(400, days=10))
    before = cutoff(4)
    old = CallRecord.objects.filter(started__lt=before).count()
    assert prune_calls(before, 7) == 7
    assert prune_calls(before) == old - 7
    assert not CallRecord.objects.filter(started__lt=before).exists()
    assert readings.sums(Criteria()).calls == readings.count(Criteria()) == CallRecord.objects.count()


@pytest.mark.django_db(transaction=True)
def test_pruning_leaves_no_wait_for_the_disk_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SETTLE", -1)
    stored(many(300, days=10))
    with CaptureQueriesContext(connection) as asked:
        assert prune_calls(cutoff(0)) == 300
    wanted = {"postgresql": "synchronous_commit = off", "sqlite": "wal_checkpoint"}[connection.vendor]
    assert sum(wanted in query["sql"] for query in asked) >= 2


def test_fine_roll_ups_go_first() -> None:
    ages = (0.1, 3, 120, 900)
    stored([call(started=time.time() - days * 86_400) for days in ages])
    prune_rollups()
    kept = [
        CallRollup.objects.filter(span=span, level=Level.ALL).count() for span in (Span.MINUTE, Span.HOUR, Span.DAY)
    ]
    assert kept == [1, 2, 3]


def test_days_begin_at_midnight_utc() -> None:
    stored([call(started=datetime(2026, 3, 1, 23, 59, 59, 999_000, UTC).timestamp())])
    row = CallRollup.objects.get(span=Span.DAY, level=Level.ALL)
    assert datetime.fromtimestamp(row.start, UTC) == datetime(2026, 3, 1, tzinfo=UTC)
