"""Calls, audit entries and sums as the REST API and the exports show them.

Above: the API, the pages. Below: `models`, `payloads`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from activities.models import AuditEntry, CallRecord
from activities.payloads import OMITTED, shown
from activities.readings import Chart, Sums
from mcphub.api.documents import NUMBER, TEXT, array_of, object_of

#: Shown where a call led to no server.
NOWHERE = "unknown"

_OPTIONAL: dict[str, Any] = {"type": ["string", "null"]}
_DURATION: dict[str, Any] = {"type": ["number", "null"], "description": "Milliseconds."}
CALL = object_of(
    id=TEXT,
    timestamp={"type": "string", "format": "date-time"},
    server=TEXT,
    tool=TEXT,
    method=TEXT,
    duration={"type": "number", "description": "Milliseconds."},
    status={"type": "string", "enum": ["success", "error"]},
    outcome={"type": "string", "enum": CallRecord.Status.values},
    input=_OPTIONAL,
    output=_OPTIONAL,
    group=_OPTIONAL,
    username=_OPTIONAL,
    keyId=_OPTIONAL,
    keyName=_OPTIONAL,
    sourceIp=_OPTIONAL,
    errorMessage=_OPTIONAL,
    errorCode={"type": ["integer", "null"]},
    door=TEXT,
    requestSize=NUMBER,
    responseSize=NUMBER,
    traceId=_OPTIONAL,
)
SUMS = object_of(
    totalCalls=NUMBER,
    successCount=NUMBER,
    errorCount=NUMBER,
    cancelledCount=NUMBER,
    avgDuration=NUMBER,
    p50=_DURATION,
    p95=_DURATION,
    p99=_DURATION,
)
NAMES = object_of(**{name: array_of(TEXT) for name in ("servers", "tools", "groups", "usernames", "keyNames")})
POINT = object_of(time={"type": "integer", "description": "Epoch seconds."}, calls=NUMBER, errors=NUMBER, p95=_DURATION)
CHART = object_of(bucket=NUMBER, series=array_of(object_of(name=_OPTIONAL, totals=SUMS, points=array_of(POINT))))
AUDIT = object_of(
    id=NUMBER,
    timestamp={"type": "string", "format": "date-time"},
    actor=TEXT,
    via=TEXT,
    keyId=_OPTIONAL,
    sourceIp=_OPTIONAL,
    requestId=_OPTIONAL,
    action=TEXT,
    subject=object_of(kind=TEXT, id=TEXT, name=TEXT),
    before={"type": ["object", "null"]},
    after={"type": ["object", "null"]},
    hash=TEXT,
    previous=TEXT,
)
LINE = object_of(
    id=TEXT,
    timestamp={"type": "integer", "description": "Epoch milliseconds."},
    type={"type": "string", "enum": ["debug", "info", "warn", "error"]},
    source={"type": "string", "enum": ["child", "connection", "hub"]},
    message=TEXT,
    processId=TEXT,
)
#: Where the line concerns one.
LINE["properties"] |= {"server": TEXT, "callId": TEXT, "requestId": TEXT}


def moment(at: datetime) -> str:
    """A time as the contract writes it: UTC, milliseconds, Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def call(record: CallRecord, *, payloads: bool = True) -> dict[str, Any]:
    """A call; unset members are null."""
    whole = {
        "id": record.id,
        "timestamp": moment(record.started_at),
        "server": record.server or NOWHERE,
        "tool": record.item,
        "method": record.method,
        "duration": round(record.duration, 3),
        "status": "success" if record.status == CallRecord.Status.OK else "error",
        "outcome": record.status,
        "group": record.group or None,
        "username": record.username or None,
        "keyId": record.key_id or None,
        "keyName": record.key_name or None,
        "sourceIp": record.address or None,
        "errorMessage": record.error or None,
        "errorCode": record.error_code,
        "door": record.door,
        "requestSize": record.request_size,
        "responseSize": record.response_size,
        "traceId": (record.trace or {}).get("traceId"),
    }
    return whole | _payloads(record) if payloads else whole


def _payloads(record: CallRecord) -> dict[str, Any]:
    stored = getattr(record, "payload", None)
    if stored is None:
        return {"input": OMITTED, "output": OMITTED}
    return {"input": shown(stored.input), "output": shown(stored.output)}


def sums(found: Sums) -> dict[str, Any]:
    """Sums over calls. In the contract every call that did not succeed is an error, cancelled ones as well."""
    return {
        "totalCalls": found.calls,
        "successCount": found.succeeded,
        "errorCount": found.errors + found.cancelled,
        "cancelledCount": found.cancelled,
        "avgDuration": round(found.average),
        **found.percentiles,
    }


def chart(drawn: Chart, labels: dict[str, str]) -> dict[str, Any]:
    """Lines over time; buckets without calls are left out of `points`. `labels`: names to show instead."""
    return {"bucket": drawn.bucket, "series": [_line(labels, name, line) for name, line in drawn.lines.items()]}


def _line(labels: dict[str, str], name: str | None, line: dict[int, Sums]) -> dict[str, Any]:
    totals = Sums()
    for found in line.values():
        totals.add(found)
    points = [
        {
            "time": start,
            "calls": found.calls,
            "errors": found.errors,
            "avg": round(found.average, 3),
            **found.percentiles,
        }
        for start, found in sorted(line.items())
    ]
    return {"name": None if name is None else labels.get(name, name), "totals": sums(totals), "points": points}


def audit(entry: AuditEntry) -> dict[str, Any]:
    """An audit entry."""
    return {
        "id": entry.pk,
        "timestamp": moment(entry.at),
        "actor": entry.actor,
        "via": entry.via,
        "keyId": entry.key_id or None,
        "sourceIp": entry.address or None,
        "requestId": entry.request or None,
        "action": entry.action,
        "subject": {"kind": entry.subject, "id": entry.subject_id, "name": entry.subject_name},
        "before": entry.before,
        "after": entry.after,
        "hash": entry.hash,
        "previous": entry.previous,
    }
