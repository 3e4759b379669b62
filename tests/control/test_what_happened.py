"""The audit's chain and the sink of call records."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from activities import audit
from activities.models import AuditEntry, AuditHead, CallPayload, CallRecord
from activities.sink import DatabaseCallSink, store
from mcphub.bridge import in_database
from mcphub.changes import Change, changed
from mcphub.gateway.calls import CallRecord as Remembered
from mcphub.masking import MASK
from servers import actions, revision
from servers.models import Server
from tests.control.conftest import ADMIN, DANA, REMOTE

pytestmark = pytest.mark.django_db(transaction=True)


def record(number: int, **members: Any) -> Remembered:
    known = {"started": 1_800_000_000.5, "duration_ms": 1.25, "method": "tools/call", "server": "a", "item": "a-x"}
    return Remembered(id=f"call-{number}", **{**known, "status": "ok", **members})


def test_changes_form_a_chain(add: Callable[..., Server]) -> None:
    for name in ("a", "b", "c"):
        add(name)
    entries = list(AuditEntry.objects.order_by("pk"))
    assert [entry.previous for entry in entries] == ["0" * 64, entries[0].hash, entries[1].hash]
    assert audit.first_broken() is None


@pytest.mark.parametrize(
    "tamper",
    [
        lambda second: AuditEntry.objects.filter(pk=second.pk).update(actor="someone"),
        lambda second: AuditEntry.objects.filter(pk=second.pk).update(after={"name": "x"}),
        lambda second: second.delete(),
        lambda second: AuditEntry.objects.filter(pk__gte=second.pk).delete(),
        lambda second: AuditHead.objects.update(entries=7),
    ],
)
def test_what_was_altered_shows(add: Callable[..., Server], tamper: Callable[[AuditEntry], object]) -> None:
    for name in ("a", "b", "c"):
        add(name)
    tamper(AuditEntry.objects.order_by("pk")[1])
    assert audit.first_broken() is not None


def test_the_audit_holds_no_secrets_and_any_value(db: None) -> None:
    odd = {
        "password": "s3cr3t",
        "text": "a\0b",
        "n": 1e10,
        "x": 0.1,
        "list": [(1,), None],
        "note": "Bearer s3cr3t-value-x",
    }
    changed(Change("test.action", ADMIN, "thing", "1", "n", None, odd))
    entry = AuditEntry.objects.get()
    assert entry.after is not None and "s3cr3t" not in json.dumps(entry.after)
    assert entry.after["password"] == MASK and entry.after["text"] == "ab" and entry.after["list"] == [[1], None]
    assert audit.first_broken() is None


def test_the_audit_is_for_admins(add: Callable[..., Server]) -> None:
    add("a")
    assert AuditEntry.objects.visible_to(ADMIN).exists() and not AuditEntry.objects.visible_to(DANA).exists()


def test_changes_at_once_are_numbered_in_a_line(db: None) -> None:
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(5):
                actions.add_server(actor=ADMIN, name=f"s{worker}-{number}", config=REMOTE)
                actions.toggle_server(f"s{worker}-{number}", actor=ADMIN, enabled=False)
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert revision.current() == 40 and AuditEntry.objects.count() == 40
    assert audit.first_broken() is None
    assert len(set(Server.objects.values_list("revision", flat=True))) == 20


async def test_a_batch_stored_twice_counts_once(db: None) -> None:
    batch = [record(number, username="dana", key_id="k", trace={"t": 1}) for number in range(700)]
    sink = DatabaseCallSink()
    await sink.store(batch)
    await sink.store([*batch, record(700)])
    assert await in_database(CallRecord.objects.count) == 701
    row = await in_database(CallRecord.objects.get, pk="call-3")
    assert (row.started, row.duration, row.username, row.trace) == (1_800_000_000_500, 1.25, "dana", {"t": 1})
    assert row.started_at.isoformat() == "2027-01-15T08:00:00.500000+00:00"


def test_payloads_are_masked_whole_or_cut(db: None) -> None:
    whole = json.dumps({"arguments": {"password": "s3cr3t", "text": "grün"}}).encode()
    cut = b'{"arguments":{"api_key":"s3cr3t","te\xc3'
    store([record(1, input=whole, output=b'"plain"'), record(2, input=cut), record(3)])
    payloads = {payload.call_id: payload for payload in CallPayload.objects.all()}
    assert payloads.keys() == {"call-1", "call-2"}
    assert json.loads(payloads["call-1"].input or "") == {"arguments": {"password": MASK, "text": "grün"}}
    assert "s3cr3t" not in (payloads["call-2"].input or "") and payloads["call-1"].output == '"plain"'


def test_odd_names_and_errors_are_stored(db: None) -> None:
    store([record(1, item="x\0" * 600, server="", error="failed with token=s3cr3t", error_code=-32000, status="error")])
    row = CallRecord.objects.get()
    assert "\0" not in row.item and len(row.item) <= 512 and "s3cr3t" not in row.error


def test_people_see_their_own_calls(db: None) -> None:
    store([record(1, username="dana"), record(2), record(3, username="erin")])
    assert [row.pk for row in CallRecord.objects.visible_to(DANA)] == ["call-1"]
    assert CallRecord.objects.visible_to(ADMIN).count() == 3


def test_thousands_of_records_take_little_time(db: None) -> None:
    batch = [record(number, username="dana", key_id="k") for number in range(5000)]
    began = time.perf_counter()
    store(batch)
    took = time.perf_counter() - began
    print(f"5000 records in {took * 1000:.0f} ms")
    assert took < 3
