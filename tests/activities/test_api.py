"""Activities, audit and log over HTTP, as admins and others see them."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from django.test import Client

from activities.logs import logbook
from activities.models import AuditEntry, CallRecord
from mcphub.gateway.ports import LogLine
from tests.activities.conftest import call, many, stored
from tests.tools.rest import Caller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def some(db: None) -> None:
    stored(
        [
            call(id="a", started=1_790_000_000.0, username="dana", input=b'{"tz":"X"}', output=b'{"content":[]}'),
            call(id="b", started=1_790_000_100.0, key_id="k1", key_name="ci", item="later", group="dev", route="dev"),
            call(id="c", started=1_790_000_200.0, server="", item="nope", status="refused", error="no such tool",
                 username="dana", route="dev"),
            call(id="d", started=1_790_000_300.0, username="erin", server="files", status="cancelled"),
        ]
    )  # fmt: skip


def ids(caller: Caller, query: str = "") -> list[str]:
    answer = caller.get(f"/api/activities{query}")
    assert answer.status == 200, answer.body
    return [each["id"] for each in answer.data]


def test_a_call_is_shown_as_the_contract_has_it(admin: Caller, some: None) -> None:
    shown = admin.get("/api/activities/a").data
    assert shown["timestamp"] == "2026-09-21T14:13:20.000Z"
    assert json.loads(shown["input"]) == {"tz": "X"}
    assert "\n" in shown["input"]
    assert (shown["server"], shown["tool"], shown["status"], shown["keyId"]) == ("time", "now", "success", None)
    refused = admin.get("/api/activities/c").data
    assert (refused["server"], refused["status"], refused["outcome"]) == ("unknown", "error", "refused")
    assert (refused["errorMessage"], refused["group"]) == ("no such tool", "dev")
    assert "_omitted" in json.loads(refused["input"])
    assert admin.get("/api/activities/b").data["username"] == "system"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "dcba"), ("?server=im", "ba"), ("?server=unkn", "c"), ("?tool=late", "b"), ("?tool=LATE", ""),
        ("?group=dev", "cb"), ("?username=da", "ca"), ("?keyName=c", "b"), ("?keyId=k1", "b"), ("?keyId=k", ""),
        ("?status=success", "ba"), ("?status=error", "dc"), ("?status=cancelled", "d"), ("?status=bogus", "dcba"),
        ("?startDate=2026-09-21T14:15:00Z", "dcb"), ("?startDate=2026-09-21T16:15:00+02:00", "dcb"),
        ("?endDate=2026-09-21T14:15:00", "ba"), ("?endDate=2026-09-21", "dcba"), ("?endDate=2026-09-20", ""),
        ("?startDate=2026-09-22", ""), ("?method=prompts/get", ""), ("?text=such&startDate=2026-09-01", "c"),
        ("?text=such", ""), ("?page=2&limit=3", "a"), ("?page=0&limit=0", "dcba"), ("?page=x", "dcba"),
        ("?server=nothing-like-it", ""), ("?username=dana&server=time", "a"),
    ],
)  # fmt: skip
def test_calls_are_filtered(admin: Caller, some: None, query: str, found: str) -> None:
    assert ids(admin, query.replace("+", "%2B")) == list(found)
    total = admin.get(f"/api/activities{query.replace('+', '%2B')}").body["pagination"]["total"]
    assert total == len(found) or "page" in query


@pytest.mark.parametrize("query", ["page=-1", "limit=-1", "limit=101", "startDate=garbage", "endDate=2026-13-01"])
def test_what_cannot_be_understood_is_refused(admin: Caller, query: str) -> None:
    assert admin.get(f"/api/activities?{query}").status == 400
    assert "page" in query or "limit" in query or admin.get(f"/api/activities/stats?{query}").status == 400


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_people_see_their_own_calls_only(dana: Caller, some: None) -> None:
    assert ids(dana) == ["c", "a"]
    assert ids(dana, "?username=erin") == []
    assert dana.get("/api/activities/b").status == 404
    assert dana.get("/api/activities/stats").data["totalCalls"] == 2
    assert dana.get("/api/activities/filters").data == {
        "servers": ["time", "unknown"], "tools": ["nope", "now"], "groups": ["dev"], "usernames": ["dana"],
        "keyNames": [],
    }  # fmt: skip
    drawn = dana.get("/api/activities/series?startDate=2026-09-21&endDate=2026-09-22").data
    assert drawn["series"][0]["totals"]["totalCalls"] == 2
    assert b"erin" not in exported(dana, "jsonl")
    assert dana.delete("/api/activities/cleanup?daysOld=1").status == 403


def test_sums_obey_the_filters(admin: Caller, some: None) -> None:
    every = admin.get("/api/activities/stats").data
    assert (every["totalCalls"], every["successCount"], every["errorCount"], every["avgDuration"]) == (4, 2, 2, 5)
    good = admin.get("/api/activities/stats?server=time&status=success").data
    assert (good["totalCalls"], good["successCount"], good["errorCount"]) == (2, 2, 0)


def test_names_are_listed(admin: Caller, some: None) -> None:
    assert admin.get("/api/activities/filters").data == {
        "servers": ["files", "time", "unknown"], "tools": ["later", "nope", "now"], "groups": ["dev"],
        "usernames": ["dana", "erin", "system"], "keyNames": ["ci"],
    }  # fmt: skip


def test_charts_are_drawn_by_key(admin: Caller) -> None:
    stored([call(key_id="k1", key_name="ci"), call(key_id="k1", key_name="ci", status="error"), call()])
    lines = {line["name"]: line for line in admin.get("/api/activities/series?by=key").data["series"]}
    assert (lines["ci"]["totals"]["totalCalls"], lines["ci"]["points"][0]["errors"]) == (2, 1)
    for wrong in ("by=x", "bucket=week", "status=error", "startDate=2026-02-02&endDate=2026-02-01"):
        assert admin.get(f"/api/activities/series?{wrong}").status == 400


def test_unknown_ids_are_not_found(admin: Caller, some: None) -> None:
    for path in ("nope", "x" * 500, quote("a/b"), "cleanup"):
        assert admin.get(f"/api/activities/{path}").status in (404, 405)
    assert admin.get("/api/activities/available").data == {"available": True}


def exported(caller: Caller, form: str, path: str = "activities", query: str = "") -> bytes:
    answer = Client().get(f"/api/{path}/export?format={form}{query}", headers=caller.headers)
    assert answer.status_code == 200
    return b"".join(answer)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_exports_hold_every_row_once_and_in_order(admin: Caller) -> None:
    stored([*many(2300, days=3), *(call(id=f"same-{n}", started=time.time() - 1000) for n in range(1200))])
    order = list(CallRecord.objects.values_list("id", flat=True))
    assert [json.loads(line)["id"] for line in exported(admin, "jsonl").splitlines()] == order
    rows = list(csv.DictReader(io.StringIO(exported(admin, "csv").decode())))
    assert [row["id"] for row in rows] == order
    assert (
        len(exported(admin, "jsonl", query="&server=time").splitlines())
        == CallRecord.objects.filter(server="time").count()
    )


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_no_cell_is_a_formula(admin: Caller) -> None:
    stored([call(item="=HYPERLINK(1)", input=b"{}")])
    assert next(csv.DictReader(io.StringIO(exported(admin, "csv").decode())))["tool"] == "'=HYPERLINK(1)"


def test_old_calls_are_removed_and_that_is_audited(admin: Caller) -> None:
    stored([call(started=time.time() - days * 86_400) for days in (1, 9, 40)])
    answer = admin.delete("/api/activities/cleanup?daysOld=7").data
    cutoff = datetime.fromisoformat(answer["cutoffDate"])
    assert answer["deletedCount"] == 2
    assert abs(datetime.now(UTC) - timedelta(days=7) - cutoff) < timedelta(minutes=1)
    assert AuditEntry.objects.get(action="activities.clean_up_calls").after["removed"] == 2
    for wrong in ("0", "-1", "abc", "1.5"):
        assert admin.delete(f"/api/activities/cleanup?daysOld={wrong}").status == 400


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_the_audit_is_read_by_admins(admin: Caller, dana: Caller) -> None:
    admin.post("/api/users", {"username": "frank", "password": "S3cret!pass"}, headers={"X-Request-Id": "abc-12345678"})
    newest = admin.get("/api/audit?limit=1").data[0]
    assert (newest["actor"], newest["requestId"], newest["subject"]["name"]) == ("admin", "abc-12345678", "frank")
    assert admin.get("/api/audit?requestId=abc-12345678&action=accounts.").body["pagination"]["total"] == 1
    assert admin.get("/api/audit?startDate=2099-01-01").data == []
    assert admin.get(f"/api/audit/{newest['id']}").data == newest
    assert json.loads(exported(admin, "jsonl", "audit").splitlines()[0]) == newest
    assert admin.get("/api/audit/x").status == 404
    assert [dana.get(path).status for path in ("/api/audit", "/api/audit/1", "/api/audit/export")] == [403] * 3


def test_the_whole_log_is_for_admins_and_a_servers_for_its_owner(admin: Caller, dana: Caller, servers: None) -> None:
    logbook().clear()
    for server in ("danas", "erins", ""):
        logbook().write(LogLine(time.time(), "info", "child", f"line of {server or 'the hub'}", server))
    assert [each["message"] for each in dana.get("/api/logs?server=danas").data] == ["line of danas"]
    assert {"line of the hub", "line of erins"} <= {each["message"] for each in admin.get("/api/logs").data}
    refused = dana.get("/api/logs")
    assert (refused.status, refused.body["error"]) == (403, refused.body["message"])
    asked = {
        name: dana.get(f"/api/logs/stream?server={name}").status for name in ("all", "erins", "none", "danas,erins")
    }
    assert asked == {"all": 403, "erins": 404, "none": 404, "danas,erins": 404}
    assert admin.get("/api/logs?level=loud").status == 400
    assert [dana.delete("/api/logs").status, admin.delete("/api/logs").status] == [403, 200]
    assert "line of danas" not in str(admin.get("/api/logs").data)


def test_payloads_are_masked_cut_and_never_executed(admin: Caller) -> None:
    stored(
        [
            call(id="m", input=b'{"password":"hunter22x","note":"Bearer abcdefgh123"}',
                 output=b'{"a":"sk-abcdefghijklmnop1"}'),
            call(id="t", input=b"{}", output=b'{"text":"' + b"y" * 16_000, response_size=70_000),
        ]
    )  # fmt: skip
    masked = admin.get("/api/activities/m").data
    assert not any(secret in json.dumps(masked) for secret in ("hunter22x", "abcdefgh123", "sk-abcdef"))
    cut = json.loads(admin.get("/api/activities/t").data["output"])
    assert (cut["_truncated"], cut["_originalLength"]) == (True, 70_000)
