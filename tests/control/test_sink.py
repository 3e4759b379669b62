"""Batches of calls reach the database whole, once, and without secrets."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from activities import payloads
from activities.models import CallPayload, CallRecord
from activities.sink import store
from mcphub.gateway.calls import CallRecord as Remembered
from mcphub.gateway.snapshot import ServerSpec, Snapshot, StdioSpec
from mcphub.secrecy import Secrecy

pytestmark = pytest.mark.django_db


def remembered(number: int = 1, **changes: Any) -> Remembered:
    values: dict[str, Any] = {
        "id": f"call-{number}",
        "started": 1_790_000_000.25,
        "duration_ms": 1.2345,
        "method": "tools/call",
        "server": "raw",
        "item": "raw-echo",
        "status": "ok",
        "key_id": "10000000-0000-4000-8000-000000000001",
        "request_size": 10,
        "response_size": 20,
    }
    return Remembered(**(values | changes))


def test_every_field_of_a_call_is_stored_under_its_own_name() -> None:
    store([remembered(trace={"traceparent": "00-1"}, error="no", error_code=-1, username="dana", route="dev")])
    row = CallRecord.objects.get()
    assert (row.started, row.duration, row.item, row.key_id) == (
        1_790_000_000_250, 1.2345, "raw-echo", "10000000-0000-4000-8000-000000000001",
    )  # fmt: skip
    assert (row.trace, row.error, row.error_code, row.username, row.route) == (
        {"traceparent": "00-1"}, "no", -1, "dana", "dev",
    )  # fmt: skip
    assert not CallPayload.objects.exists()


def test_a_batch_that_is_stored_twice_counts_once() -> None:
    batch = [remembered(number, input=b'{"text":"x"}', output=b"{}") for number in range(3)]
    store(batch)
    store(batch)
    assert (CallRecord.objects.count(), CallPayload.objects.count()) == (3, 3)


def test_payloads_are_stored_without_secrets() -> None:
    store([remembered(input=b'{"password":"hunter22","text":"Bearer abcdefghijkl"}', output=b'{"cut":"token=abcdefgh')])
    payload = CallPayload.objects.get()
    assert "hunter22" not in payload.input and "abcdefghijkl" not in payload.input
    assert json.loads(payload.input)["password"] == "********"
    assert "abcdefgh" not in payload.output


def test_a_known_secret_is_found_however_json_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Secrecy()
    spec = StdioSpec("true", env={"API_KEY": "slash/and-\u00fcmlaut"})
    known.learn(Snapshot(servers={"raw": ServerSpec("key", "raw", "stdio", spec, connection="1")}))
    monkeypatch.setattr(payloads, "secrecy", known)
    store([remembered(input=rb'{"a":"slash\/and-\u00fcmlaut","b":"sl\u0061sh/and-\u00fcmlaut"}', output=b'"fine"')])
    assert CallPayload.objects.get().input == '{"a":"********","b":"********"}'


def test_texts_that_a_database_cannot_hold_are_made_to_fit() -> None:
    store([remembered(item="a\0b" + "x" * 1000, error="\0" + "e" * 5000)])
    row = CallRecord.objects.get()
    assert (row.item[:2], len(row.item)) == ("ab", 512)
    assert len(row.error) == 2000


def test_batches_of_any_size_are_stored_whole_one_after_the_other() -> None:
    batches = [range(1), range(1, 100), range(100, 200), range(200, 451)]
    for numbers in batches:
        store([remembered(n, item=f"tool-{n}", trace={"n": n} if n % 3 else None, input=b"{}") for n in numbers])
    rows = {row.id: row for row in CallRecord.objects.all()}
    assert len(rows) == CallPayload.objects.count() == 451
    for n in (0, 1, 99, 100, 199, 299, 300, 450):
        assert (rows[f"call-{n}"].item, rows[f"call-{n}"].trace) == (f"tool-{n}", {"n": n} if n % 3 else None)


def test_an_error_that_is_no_text_does_not_keep_the_others_back() -> None:
    store([remembered(1), remembered(2, status="error", error="file \udcff"), remembered(3, username="\udcff")])
    assert set(CallRecord.objects.values_list("id", "error")) == {("call-1", ""), ("call-2", "file ?")}


def test_a_thousand_calls_are_stored_in_a_fraction_of_a_second() -> None:
    batch = [remembered(number, input=b'{"text":"hello"}') for number in range(1000)]
    began = time.thread_time()
    store(batch)
    assert time.thread_time() - began < 0.3
