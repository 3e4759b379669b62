"""Alerts: what somebody should know, raised once, told by a signed webhook, and over when it is.

`judge` compares what is with what was raised before; it is given the facts, so that it needs no running hub. Above:
`mcphub.watch`, which gathers the facts, and `tasks`, which deliver. Below: `models`, the settings.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
import time
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from activities.models import Alert, CallRollup, Level, Span
from activities.settings_reader import ActivitySwitches
from mcphub.secrecy import secrecy

#: The error rate is that of so many minutes.
WINDOW = 5
_TIMEOUT = 10.0
_WORKS = frozenset(("connected", "sleeping"))
_LONGEST_SECRET_KEPT = 2000


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one enabled server stands: state and reason as in `gateway.ports.UpstreamState`."""

    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What alerts are judged by. `changed`: by server, the tools whose definitions changed since `changed_since`."""

    servers: Mapping[str, Standing] = field(default_factory=dict)
    changed: Mapping[str, Sequence[str]] = field(default_factory=dict)


@transaction.atomic
def judge(facts: Facts, limits: ActivitySwitches, now: datetime) -> list[Alert]:
    """Raise, keep or end alerts, and return those that are to be told now."""
    open_alerts = {
        (alert.kind, alert.server): alert for alert in Alert.objects.select_for_update().filter(ended_at=None)
    }
    judged = _Judgement(open_alerts, now)
    for server, standing in facts.servers.items():
        _judge_server(judged, server, standing, limits)
    for kind, server in list(open_alerts):
        if kind in (Alert.Kind.SERVER_DOWN, Alert.Kind.AUTHORIZATION_NEEDED) and server not in facts.servers:
            judged.end(kind, server)  # removed or switched off
    for server, tools in facts.changed.items():
        judged.tell(Alert.Kind.TOOLS_CHANGED, server, {"tools": list(tools)[:100], "count": len(tools)})
    _judge_errors(judged, limits)
    return judged.told


class _Judgement:
    """The open alerts while they are judged."""

    def __init__(self, alerts: dict[tuple[str, str], Alert], now: datetime) -> None:
        self.alerts = alerts
        self.now = now
        self.told: list[Alert] = []

    def raise_(self, kind: Alert.Kind, server: str, detail: dict[str, Any], after: timedelta = timedelta()) -> None:
        """Raise an alert unless it is, and tell it when it has lasted so long."""
        alert = self.alerts.get((kind, server))
        if alert is None:
            alert = Alert(kind=kind, server=server, raised_at=self.now)
            self.alerts[kind, server] = alert
        alert.detail = detail
        if alert.told_at is None and self.now - alert.raised_at >= after:
            alert.told_at = self.now
            self.told.append(alert)
        alert.save()

    def end(self, kind: str, server: str) -> Alert | None:
        """End an alert, if it is raised; returns it where it had been told."""
        alert = self.alerts.pop((kind, server), None)
        if alert is None:
            return None
        if alert.told_at is None:
            alert.delete()
            return None
        alert.ended_at = self.now
        alert.save(update_fields=["ended_at"])
        return alert

    def tell(self, kind: Alert.Kind, server: str, detail: dict[str, Any]) -> None:
        """Tell something that is over as soon as it is told."""
        alert = Alert(kind=kind, server=server, detail=detail, raised_at=self.now, told_at=self.now, ended_at=self.now)
        alert.save()
        self.told.append(alert)


def _judge_server(judged: _Judgement, server: str, standing: Standing, limits: ActivitySwitches) -> None:
    detail = {"state": standing.state, "reason": secrecy.hide(standing.reason, server)[:_LONGEST_SECRET_KEPT]}
    if standing.state == "oauth_required":
        judged.raise_(Alert.Kind.AUTHORIZATION_NEEDED, server, detail)
        return
    if standing.state in _WORKS:
        judged.end(Alert.Kind.AUTHORIZATION_NEEDED, server)
        down = judged.end(Alert.Kind.SERVER_DOWN, server)
        if down is not None:
            seconds = round((judged.now - down.raised_at).total_seconds())
            judged.tell(Alert.Kind.SERVER_UP, server, {"downSince": down.raised_at.isoformat(), "seconds": seconds})
    elif limits.down_minutes:
        judged.raise_(Alert.Kind.SERVER_DOWN, server, detail, timedelta(minutes=limits.down_minutes))


def _judge_errors(judged: _Judgement, limits: ActivitySwitches) -> None:
    since = int(judged.now.timestamp()) - WINDOW * 60
    rows = CallRollup.objects.filter(span=Span.MINUTE, level=Level.SERVER, username="", start__gt=since).exclude(
        server=""
    )
    too_many = {}
    if limits.error_percent:
        for row in rows.values("server").order_by().annotate(all=Sum("calls"), failed=Sum("errors")):
            percent = 100 * row["failed"] / row["all"]
            if row["all"] >= limits.error_calls and percent >= limits.error_percent:
                too_many[row["server"]] = {
                    "calls": row["all"], "errors": row["failed"], "percent": round(percent, 1), "minutes": WINDOW
                }  # fmt: skip
    for kind, server in list(judged.alerts):
        if kind == Alert.Kind.ERROR_RATE and server not in too_many:
            judged.end(kind, server)
    for server, detail in too_many.items():
        judged.raise_(Alert.Kind.ERROR_RATE, server, detail)


# -- delivery --------------------------------------------------------------------------------------------------------


def message_of(alert: Alert, hub: str) -> dict[str, Any]:
    """What the webhook is told. `hub`: the hub's address."""
    assert alert.told_at is not None
    return {
        "id": str(uuid.uuid4()),
        "event": alert.kind,
        "server": alert.server or None,
        "raisedAt": alert.raised_at.isoformat(),
        "toldAt": alert.told_at.isoformat(),
        "detail": alert.detail,
        "hub": hub,
    }


def signature(secret: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA256 over the time and the body, as `sha256=…`; the receiver refuses old times."""
    return "sha256=" + hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


class NotDelivered(Exception):
    """The webhook did not take an alert; it is tried again."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed message goes where it was meant to go, or nowhere."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def deliver(message: dict[str, Any], url: str, secret: str) -> None:
    """Post one message. Raises `NotDelivered` unless the answer is 2xx."""
    body = json.dumps(message).encode()
    stamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "MCPHub",
        "X-MCPHub-Event": message["event"],
        "X-MCPHub-Delivery": message["id"],
        "X-MCPHub-Timestamp": stamp,
    }
    if secret:
        headers["X-MCPHub-Signature"] = signature(secret, stamp, body)
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 (http and https only, checked when it was set)
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            answer.read(1024)
    except (OSError, http.client.HTTPException, ssl.SSLError, ValueError) as failure:
        raise NotDelivered(f"{type(failure).__name__}: {failure}") from None


def now() -> datetime:
    """The present moment."""
    return timezone.now()
