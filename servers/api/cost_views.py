"""Routes of the context cost (REST contract, section 14): what tools cost a model before it has done anything."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authenticator import principal_of_actor
from mcphub.api.callers import actor_of
from mcphub.api.documents import FLAG, NUMBER, TEXT, array_of, object_of
from mcphub.api.envelope import reply
from mcphub.api.operations import operation
from mcphub.api.views import HubView
from servers import footprints

_ITEM = object_of(kind={"enum": ["tool", "prompt", "resource"]}, name=TEXT, cost=NUMBER, enabled=FLAG)
_NOTE = "Estimated tokens of the definitions. `gross` counts everything, `exposed` what clients are offered. "


class ServerCosts(HubView):
    """GET /api/cost/servers."""

    tag = "Context cost"

    @operation(
        "Show what each server costs in context",
        note=_NOTE + "A server that is not connected costs nothing.",
        data=array_of(
            object_of(name=TEXT, connected=FLAG, exposed=NUMBER, gross=NUMBER, items=array_of(_ITEM))
        ),
        example={
            "success": True,
            "data": [
                {
                    "name": "time", "connected": True, "exposed": 90, "gross": 120,
                    "items": [
                        {"kind": "tool", "name": "time-now", "cost": 90, "enabled": True},
                        {"kind": "tool", "name": "time-zones", "cost": 30, "enabled": False},
                    ],
                }
            ],
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        return reply(footprints.of_servers(principal_of_actor(actor_of(request))))


class GroupCosts(HubView):
    """GET /api/cost/groups."""

    tag = "Context cost"

    @operation(
        "Show what each group costs in context",
        note=_NOTE + "`smartRouting` is null while smart routing is off; else what its few tools cost instead.",
        data=array_of(
            object_of(
                id=TEXT,
                name=TEXT,
                connectedCount=NUMBER,
                totalCount=NUMBER,
                direct=object_of(exposed=NUMBER, gross=NUMBER),
                smartRouting={"type": ["object", "null"]},
            )
        ),
        example={
            "success": True,
            "data": [
                {
                    "id": "0d1e5c7a-7d0a-4a57-8c5e-0d6c1e0b9a11", "name": "dev", "connectedCount": 1, "totalCount": 2,
                    "direct": {"exposed": 90, "gross": 120}, "smartRouting": None,
                }
            ],
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        return reply(footprints.of_groups(principal_of_actor(actor_of(request))))
