"""Routes of activities and audit: from the wire to readings and actions and back."""

from __future__ import annotations

import time

from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from activities import actions, criteria, exports, readings, shapes
from activities.criteria import names_of, owned
from activities.filters import asked_audit, asked_calls
from activities.models import AuditEntry, CallRecord, Level, Span
from activities.settings_reader import switches
from activities.shapes import NOWHERE
from mcphub.actor import Viewer
from mcphub.api.callers import actor_of
from mcphub.api.documents import FLAG, NUMBER, TEXT, array_of, object_of
from mcphub.api.envelope import reply
from mcphub.api.operations import Allow, operation
from mcphub.api.pages import Page, PaginationSerializer, page_asked, page_parameters, whole_parameter
from mcphub.api.views import HubView
from mcphub.errors import InvalidInput, NotFound

_MOST = 100
_DEFAULT = 20
_BUCKETS = ("", "minute", "hour", "day")
_LINES = ("", "server", "tool", "user", "key", "group")
#: What a chart without a start shows, in seconds.
_CHART = 86_400
_OWN = "Admins see all calls, others their own."

_TIMES = (
    OpenApiParameter("startDate", str, description="ISO date or time; without an offset it is UTC."),
    OpenApiParameter("endDate", str, description="The same; a date alone means its end."),
)
_FILTERS = (
    *(
        OpenApiParameter(name, str, description="Part of the name, in this case.")
        for name in ("server", "tool", "group", "username", "keyName")
    ),
    OpenApiParameter("keyId", str, description="The key's id."),
    OpenApiParameter("status", str, description="`success`, `error` or `cancelled`; anything else is ignored."),
    OpenApiParameter("method", str, description="`tools/call`, `prompts/get` or `resources/read`."),
    OpenApiParameter("text", str, description="Part of the name or the error; a day back unless `startDate` is given."),
    *_TIMES,
)
_FORMAT = OpenApiParameter("format", str, enum=list(exports.MEDIA), default="csv")
_RECORD = {
    "id": "5f1c9a.1f", "timestamp": "2026-09-01T10:00:00.000Z", "server": "time", "tool": "now", "duration": 12.4,
    "status": "error", "outcome": "tool_error", "input": "{\n  \"tz\": \"X\"\n}", "output": None, "username": "dana",
    "keyName": "ci", "sourceIp": "10.0.0.9", "errorMessage": "bad zone",
}  # fmt: skip
_CHANGE = {
    "id": 17, "timestamp": "2026-09-01T10:00:00.000Z", "actor": "admin", "via": "session", "keyId": None,
    "sourceIp": "10.0.0.9", "requestId": "5f1c9a", "action": "servers.change_server",
    "subject": {"kind": "server", "id": "0d1e4f52-7a0c-4a53-9b62-0f4c1f0a9e11", "name": "time"},
    "before": {"description": "clock"}, "after": {"description": "time of all zones"},
    "hash": "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab", "previous": "0" * 64,
}  # fmt: skip


def forgiving_page(request: Request) -> Page:
    """`page` and `limit` as this family always read them: 0 and what is no number stand for the default."""

    def number(name: str, default: int) -> int:
        sent = request.query_params.get(name, "").strip()
        whole = sent.lstrip("+-").isdecimal() and len(sent) < 12
        return (int(sent) if whole else default) or default

    page = Page(number("page", 1), number("limit", _DEFAULT))
    if page.number < 1 or not 1 <= page.limit <= _MOST:
        raise InvalidInput(f"page counts from 1, and limit lies between 1 and {_MOST}.")
    return page


class Available(HubView):
    """GET /api/activities/available."""

    tag = "Activities"

    @operation(
        "Tell whether calls are recorded",
        note="They are unless `activityLog.enabled` is false.",
        data=object_of(available=FLAG),
        example={"success": True, "data": {"available": True}},
    )
    def get(self, request: Request) -> Response:
        return reply({"available": switches().enabled})


class Activities(HubView):
    """GET /api/activities."""

    tag = "Activities"

    @operation(
        "List calls",
        note=f"Newest first. {_OWN}",
        query=(*page_parameters(_MOST, _DEFAULT), *_FILTERS),
        data=array_of(shapes.CALL),
        members={"pagination": PaginationSerializer},
        example={"success": True, "data": [_RECORD], "pagination": Page(1, 1).among(1)},
        refuses={400: "`page`, `limit` or a date is not valid."},
    )
    def get(self, request: Request) -> Response:
        page = forgiving_page(request)
        asked = asked_calls(request.query_params, actor_of(request))
        rows = readings.page(asked, page.cut.start, page.limit)
        return reply([shapes.call(row) for row in rows], pagination=page.among(readings.count(asked)))


class Stats(HubView):
    """GET /api/activities/stats."""

    tag = "Activities"

    @operation(
        "Sum up calls",
        note=f"Takes the filters of the list. With `status`, percentiles are still those of all outcomes. {_OWN}",
        query=_FILTERS,
        data=shapes.SUMS,
        example={
            "success": True,
            "data": {"totalCalls": 10, "successCount": 9, "errorCount": 1, "avgDuration": 85, "p95": 240.0},
        },
        refuses={400: "A date is not valid."},
    )
    def get(self, request: Request) -> Response:
        return reply(shapes.sums(readings.sums(asked_calls(request.query_params, actor_of(request)))))


class Names(HubView):
    """GET /api/activities/filters."""

    tag = "Activities"

    @operation(
        "List the names that calls can be filtered by",
        note=_OWN,
        data=shapes.NAMES,
        example={
            "success": True,
            "data": {"servers": ["time"], "tools": ["now"], "groups": [], "usernames": ["dana"], "keyNames": ["ci"]},
        },
    )
    def get(self, request: Request) -> Response:
        viewer = actor_of(request)
        servers = names_of(viewer, "server")
        if (
            owned(viewer)
            .rollups(Span.MONTH, Level.SERVER if viewer.is_admin else Level.FULL)
            .filter(server="")
            .exists()
        ):
            servers = sorted({*servers, NOWHERE})
        return reply(
            {
                "servers": servers,
                "tools": names_of(viewer, "item"),
                "groups": names_of(viewer, "group"),
                "usernames": names_of(viewer, "username"),
                "keyNames": names_of(viewer, "key_name"),
            }
        )


class Series(HubView):
    """GET /api/activities/series."""

    tag = "Activities"

    @operation(
        "Draw calls over time",
        note="Calls, errors and durations (mean, p50, p95, p99) by minute, hour or day. With `by`, one line for each "
        "of the ten busiest and one (`name` null) for the rest. The last 24 hours unless dates are given. Buckets "
        f"without calls are left out; those finer than what is kept of that time become coarser. {_OWN}",
        query=(
            OpenApiParameter("bucket", str, enum=[*_BUCKETS[1:]]),
            OpenApiParameter("by", str, enum=[*_LINES[1:]]),
            *(each for each in _FILTERS if each.name not in ("status", "method", "text")),
        ),
        data=shapes.CHART,
        example={
            "success": True,
            "data": {
                "bucket": 3600,
                "series": [{"name": "time", "points": [{"time": 1790000000, "calls": 3, "errors": 0, "p95": 12.5}]}],
            },
        },
        refuses={400: "`bucket`, `by` or a date is not valid."},
    )
    def get(self, request: Request) -> Response:
        viewer = actor_of(request)
        by, bucket = _word(request, "by", _LINES), _word(request, "bucket", _BUCKETS)
        asked = asked_calls(request.query_params, viewer)
        if not asked.is_summed or asked.outcome:
            raise InvalidInput("Charts can be filtered by names and times only.")
        until = int(time.time()) if asked.until is None else asked.until // 1000
        since = until - _CHART if asked.since is None else asked.since // 1000
        if since > until:
            raise InvalidInput("endDate lies before startDate.")
        drawn = readings.chart(asked, since, until, by, bucket)
        return reply(shapes.chart(drawn, _labels(viewer, by)))


def _labels(viewer: Viewer, by: str) -> dict[str, str]:
    if by == "key":
        return criteria.key_names(viewer)
    return {"": NOWHERE} if by == "server" else {}


def _word(request: Request, name: str, allowed: tuple[str, ...]) -> str:
    sent = request.query_params.get(name, "")
    if sent not in allowed:
        raise InvalidInput(f"{name} must be one of {', '.join(allowed[1:])}.")
    return sent


class Export(HubView):
    """GET /api/activities/export."""

    tag = "Activities"

    @operation(
        "Export calls",
        note=f"All calls that the filters of the list let through, newest first, streamed. {_OWN}",
        query=(_FORMAT, *_FILTERS),
        whole={"type": "string"},
        example="id,timestamp,server,tool,status\n5f1c9a.1f,2026-09-01T10:00:00.000Z,time,now,error\n",
        media=("text/csv", "application/jsonl"),
        refuses={400: "`format` or a date is not valid."},
        query_token=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        form = exports.form_of(request.query_params)
        asked = asked_calls(request.query_params, actor_of(request))
        return exports.download(exports.calls(asked, form, shapes.call), "activities", form)


class CleanUp(HubView):
    """DELETE /api/activities/cleanup."""

    tag = "Activities"

    @operation(
        "Remove old calls",
        allow=Allow.ADMIN,
        note="Removes calls older than `daysOld` days; the hub does so by itself, too (`activityLog.retentionDays`).",
        query=(OpenApiParameter("daysOld", {"type": "integer", "minimum": 1, "default": 30}),),
        data=object_of(deletedCount=NUMBER, cutoffDate=TEXT),
        example={"success": True, "data": {"deletedCount": 120, "cutoffDate": "2026-08-25T10:00:00.000Z"}},
        refuses={400: "`daysOld` is no whole number of at least 1."},
    )
    def delete(self, request: Request) -> Response:
        days = whole_parameter(request, "daysOld", 30, most=36_500)
        removed, before = actions.clean_up_calls(days, actor=actor_of(request))
        return reply({"deletedCount": removed, "cutoffDate": shapes.moment(before)})


class Activity(HubView):
    """GET /api/activities/<id>."""

    tag = "Activities"

    @operation(
        "Show a call",
        note=_OWN,
        data=shapes.CALL,
        example={"success": True, "data": _RECORD},
        refuses={404: "There is no such call, or it is somebody else's."},
    )
    def get(self, request: Request, id: str) -> Response:
        calls = CallRecord.objects.visible_to(actor_of(request)).select_related("payload")
        found = calls.filter(pk=id[:64]).first()
        if found is None:
            raise NotFound("There is no such call.")
        return reply(shapes.call(found))


class Audit(HubView):
    """GET /api/audit."""

    tag = "Audit"
    filters = (
        OpenApiParameter("actor", str, description="The user name of who changed something."),
        OpenApiParameter("action", str, description="Beginning of the action's name, such as `servers.`."),
        OpenApiParameter("subject", str, description="Kind of thing: server, group, key, user, settings …"),
        OpenApiParameter("subjectId", str),
        OpenApiParameter("name", str, description="Part of the thing's name, in any case."),
        OpenApiParameter("requestId", str, description="As in the log and in `X-Request-Id`."),
        *_TIMES,
    )

    @operation(
        "List changes",
        allow=Allow.ADMIN,
        note="Who changed what, when and from where, newest first; before and after with secrets masked. Entries are "
        "chained by hashes, which `manage.py verifyaudit` checks.",
        query=(*page_parameters(_MOST, _DEFAULT), *filters),
        data=array_of(shapes.AUDIT),
        members={"pagination": PaginationSerializer},
        example={
            "success": True,
            "data": [_CHANGE],
            "pagination": {
                "page": 1,
                "limit": 50,
                "total": 1,
                "totalPages": 1,
                "hasNextPage": False,
                "hasPrevPage": False,
            },
        },
        refuses={400: "`page`, `limit` or a date is not valid."},
    )
    def get(self, request: Request) -> Response:
        page = page_asked(request, default=_DEFAULT, most=_MOST)
        asked = asked_audit(request.query_params, actor_of(request))
        return reply([shapes.audit(row) for row in asked[page.cut]], pagination=page.among(asked.count()))


class AuditExport(HubView):
    """GET /api/audit/export."""

    tag = "Audit"

    @operation(
        "Export changes",
        allow=Allow.ADMIN,
        query=(_FORMAT, *Audit.filters),
        whole={"type": "string"},
        example="id,timestamp,actor,action,subject\n17,2026-09-01T10:00:00.000Z,admin,servers.change_server,time\n",
        media=("text/csv", "application/jsonl"),
        refuses={400: "`format` or a date is not valid."},
        query_token=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        form = exports.form_of(request.query_params)
        return exports.download(
            exports.audit(asked_audit(request.query_params, actor_of(request)), form, shapes.audit), "audit", form
        )


class AuditOne(HubView):
    """GET /api/audit/<id>."""

    tag = "Audit"

    @operation(
        "Show a change",
        allow=Allow.ADMIN,
        data=shapes.AUDIT,
        example={"success": True, "data": _CHANGE},
        refuses={404: "There is no such entry."},
    )
    def get(self, request: Request, id: str) -> Response:
        entries = AuditEntry.objects.visible_to(actor_of(request))
        found = entries.filter(pk=int(id)).first() if id.isdecimal() and len(id) < 19 else None
        if found is None:
            raise NotFound("There is no such entry.")
        return reply(shapes.audit(found))
