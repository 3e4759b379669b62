"""Routes of the log: what is there, what comes, and forgetting it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.authentication import actor_for
from activities.actions import clear_log
from activities.logs import Wanted, logbook
from activities.logs.events import events
from activities.policies import require_log_access
from activities.questions import wanted_lines
from activities.shapes import LINE
from mcphub.actor import Actor
from mcphub.api.callers import actor_of
from mcphub.api.documents import TEXT, array_of, object_of
from mcphub.api.envelope import Refusal, reply
from mcphub.api.operations import Allow, operation
from mcphub.api.pages import whole_parameter
from mcphub.api.views import HubView
from mcphub.bridge import in_database
from mcphub.errors import NotAuthenticated

#: Lines of an answer unless `limit` says otherwise.
_LINES = 1000
_FILTERS = (
    OpenApiParameter("level", str, enum=["debug", "info", "warning", "error"], description="The least level."),
    OpenApiParameter("server", str, description="Names, comma-separated. Owners may read their servers' lines only."),
    OpenApiParameter("source", str, description="child, connection, hub; comma-separated."),
    OpenApiParameter("text", str, description="Part of the message, in any case."),
)
_NOTE = "Admins see everything, others the lines of servers they own, which they have to name (`server`)."
_FAILURE = {403: "The caller is no admin and names no server, or not one of theirs."}
_NO_SERVER = "A server that does not exist, or that the caller may not see."


_LINE = {
    "id": "5f1c9a2b-1f", "timestamp": 1790000000000, "type": "info", "source": "child", "message": "ready",
    "processId": "5f1c9a2b", "server": "time",
}  # fmt: skip


class LogView(HubView):
    """What the log's routes share: their refusals carry `error` besides `message`."""

    tag = "Log"
    failure_schema = object_of(success={"type": "boolean", "const": False}, message=TEXT, error=TEXT)

    def shape(self, refused: Refusal) -> dict[str, Any]:
        return refused.envelope | {"error": refused.message}

    def wanted(self, request: Request) -> Wanted:
        """The lines a request asks for, and may see."""
        wanted = wanted_lines(request.query_params)
        require_log_access(actor_of(request), wanted.servers)
        return wanted


class Logs(LogView):
    """GET and DELETE /api/logs."""

    @operation(
        "Show the log",
        note=f"The newest lines of all processes of the hub, oldest first. {_NOTE}",
        query=(
            *_FILTERS,
            OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 10_000, "default": _LINES}),
        ),
        data=array_of(LINE),
        example={
            "success": True,
            "data": [_LINE],
        },
        refuses={**_FAILURE, 400: "`level` or `limit` is not valid.", 404: _NO_SERVER},
    )
    def get(self, request: Request) -> Response:
        wanted = self.wanted(request)
        most = whole_parameter(request, "limit", _LINES, most=10_000)
        return reply([kept.entry.shown() for kept in logbook().newest(wanted, most).lines])

    @operation(
        "Clear the log",
        allow=Allow.ADMIN,
        note="In all processes of the hub. Readers of the stream are not told.",
        example={"success": True, "message": "The log was cleared."},
    )
    def delete(self, request: Request) -> Response:
        clear_log(actor=actor_of(request))
        return reply(message="The log was cleared.")


class LogStream(LogView):
    """GET /api/logs/stream."""

    @operation(
        "Follow the log",
        note="Server-sent events whose data is `{type: initial, logs}`, `{type: log, log}` or `{type: gap, missed}`. "
        "Each has an id; a reader that comes back with `Last-Event-ID` (or `after`) goes on behind it, at any process "
        f"of the hub. A comment every 15 seconds shows that the stream lives. {_NOTE} The same over a websocket: "
        "`/api/logs/socket`.",
        query=(*_FILTERS, OpenApiParameter("after", str, description="The id of the last event seen.")),
        whole={"type": "string"},
        example='id: 18c2-web-7\ndata: {"type":"log","log":{"level":"info","source":"child","message":"ready"}}\n\n',
        media="text/event-stream",
        refuses={**_FAILURE, 400: "`level` is not valid.", 404: _NO_SERVER},
        query_token=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        wanted = self.wanted(request)
        after = request.headers.get("Last-Event-ID") or request.query_params.get("after", "")
        caller = actor_of(request)

        async def recheck() -> None:
            await in_database(still_allowed, request, caller, wanted)

        body = events(logbook(), wanted, after, recheck=recheck)
        return StreamingHttpResponse(
            body, content_type="text/event-stream", headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        )


def still_allowed(request: Any, caller: Actor, wanted: Wanted) -> None:
    """Raise where the credential of a long request has lost its force, or its owner the right to read."""
    found = actor_for(request, query_token=True)
    if found is None or found.username != caller.username:
        raise NotAuthenticated
    require_log_access(found, wanted.servers)
