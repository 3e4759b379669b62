"""Alerts: raised once, told once, over when it is; signed, and sent again where nobody took them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from activities.alerts import Facts, NotDelivered, Standing, deliver, judge, message_of, signature
from activities.models import Alert
from activities.settings_reader import ActivitySwitches
from tests.activities.conftest import call, stored

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
LIMITS = ActivitySwitches(down_minutes=5, error_percent=20, error_calls=10)


def told(state: str | None, minute: float, limits: ActivitySwitches = LIMITS, **facts: Any) -> list[str]:
    servers = {} if state is None else {"s": Standing(state, "it said password=hunter22x")}
    return [alert.kind for alert in judge(Facts(servers, **facts), limits, NOW + timedelta(minutes=minute))]


def test_a_server_that_stays_down_is_told_once_and_so_is_its_return() -> None:
    assert told("retrying", 0) == []
    assert told("connecting", 4.9) == []
    assert told("retrying", 5) == ["server.down"]
    assert told("retrying", 60) == []
    assert "hunter22x" not in json.dumps(Alert.objects.get().detail)
    assert told("connected", 61) == ["server.up"]
    assert Alert.objects.get(kind="server.up").detail["seconds"] == 61 * 60
    assert told("connected", 62) == []


def test_a_short_absence_is_not_worth_a_word() -> None:
    assert told("retrying", 0) == told("connected", 3) == []
    assert told("retrying", 4) == told("retrying", 8.9) == []
    assert told("sleeping", 9) == []
    assert not Alert.objects.exists()


def test_a_server_that_was_removed_is_down_no_longer() -> None:
    assert told("retrying", 0) + told("retrying", 6) == ["server.down"]
    assert told(None, 7) == []
    assert Alert.objects.filter(ended_at=None).count() == 0


def test_needed_authorization_is_told_at_once() -> None:
    assert told("oauth_required", 0) == ["authorization.needed"]
    assert told("oauth_required", 1) == []
    assert told("connected", 2) == []
    assert told("oauth_required", 3) == ["authorization.needed"]


def test_changed_tools_are_told_each_time() -> None:
    assert told("connected", 0, changed={"s": ["a", "b"]}) == ["tools.changed"]
    assert Alert.objects.get().detail == {"tools": ["a", "b"], "count": 2}


def test_many_errors_are_told_until_they_are_over() -> None:
    at = (NOW - timedelta(minutes=1)).timestamp()
    stored([call(server="s", started=at, status="error" if n < 3 else "ok") for n in range(12)])
    stored([call(server="few", started=at, status="error")])
    assert told("connected", 0) == ["error.rate"]
    assert Alert.objects.get().detail == {"calls": 12, "errors": 3, "percent": 25.0, "minutes": 5}
    assert told("connected", 0.5) == []
    assert told("connected", 7) == []
    assert Alert.objects.get().ended_at is not None
    assert told("connected", 0, ActivitySwitches(error_percent=0)) == []


class _Hook(BaseHTTPRequestHandler):
    answers: list[int]
    got: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.answers.pop(0) if self.answers else 204)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        return None


@pytest.fixture
def hook() -> Iterator[tuple[str, type[_Hook]]]:
    handler = type("Hook", (_Hook,), {"answers": [], "got": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", handler
    server.shutdown()
    server.server_close()


def test_an_alert_is_signed_so_that_its_receiver_can_tell(hook: tuple[str, type[_Hook]]) -> None:
    url, receiver = hook
    alert = Alert.objects.create(kind="server.down", server="s", told_at=NOW)
    deliver(message_of(alert, "https://hub.example"), url, "shared")
    headers, body = receiver.got[0]
    assert headers["x-mcphub-signature"] == signature("shared", headers["x-mcphub-timestamp"], body)
    assert json.loads(body)["event"] == headers["x-mcphub-event"] == "server.down"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_was_not_taken_is_sent_again(hook: tuple[str, type[_Hook]], status: int) -> None:
    url, receiver = hook
    receiver.answers.append(status)
    message = message_of(Alert(kind="server.up", told_at=NOW), "x")
    with pytest.raises(NotDelivered):
        deliver(message, url, "")
    deliver(message, url, "")
    assert [json.loads(body)["id"] for _, body in receiver.got] == [message["id"]] * 2


def test_nobody_there_is_no_delivery() -> None:
    with pytest.raises(NotDelivered):
        deliver(message_of(Alert(kind="server.up", told_at=NOW), "x"), "http://127.0.0.1:9/hook", "")
