"""RegistryView: the registry API's manners: its callers, its plans' limits, its errors and headers.

Above: the views at the host's root. Below: `callers`, `limits`, the REST glue.
"""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.actor import Actor
from mcphub.api.bodies import members
from mcphub.api.callers import address_of
from mcphub.api.envelope import Refusal
from mcphub.api.views import HubView
from mcphub.context import request_id
from mcphub.errors import HubError, InvalidInput
from registry.api import limits
from registry.api.callers import RegistryAuthentication

#: The API's codes for the hub's; what is not here is told by its status.
_CODES = {
    "not_authenticated": "UNAUTHORIZED",
    "not_allowed": "FORBIDDEN",
    "read_only": "FORBIDDEN",
    "server_not_found": "SERVER_NOT_FOUND",
    "already_exists": "ALREADY_EXISTS",
    "version_conflict": "VERSION_CONFLICT",
    "rate_limited": "RATE_LIMITED",
    "sync_failed": "SYNC_FAILED",
}
_BY_STATUS = {400: "INVALID_REQUEST", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "SERVER_NOT_FOUND", 409: "CONFLICT",
              429: "RATE_LIMITED"}  # fmt: skip
FAILURE = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "details": {"type": "object"}},
            "required": ["code", "message", "details"],
        },
        "request_id": {"type": "string"},
    },
    "required": ["error", "request_id"],
}


class RegistryView(HubView):
    """See the module."""

    authentication_classes = (RegistryAuthentication,)
    unlimited = True
    tag = "Registry API"
    failure_schema: ClassVar[dict[str, Any]] = FAILURE
    plan_standing: limits.Standing | None = None

    def shape(self, refused: Refusal) -> dict[str, Any]:
        fallback = "INTERNAL_ERROR" if refused.status >= 500 else "INVALID_REQUEST"
        code = _CODES.get(refused.code) or _BY_STATUS.get(refused.status, fallback)
        details = {name: value for name, value in refused.members.items() if name != "retryAfter"}
        if code == "FORBIDDEN" and refused.code == "not_allowed":
            details |= {"required_role": "admin", "current_role": "user"}
        return {"error": {"code": code, "message": refused.message, "details": details}, "request_id": request_id.get()}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if not request_id.get().startswith("req_"):
            # The form this API promises; the middleware, which began the request, tells it in the header.
            request_id.set(f"req_{request_id.get()}")
        self._spend_plan(request)
        super().initial(request, *args, **kwargs)

    def _spend_plan(self, request: Request) -> None:
        try:
            actor = request.user if isinstance(request.user, Actor) else None
        except HubError:
            actor = None  # a token that no longer counts is told by the view, and counted for its address
        if actor is not None and actor.is_admin:
            self.plan_standing = limits.unlimited()
            return
        subject = f"user:{actor.username}" if actor else f"address:{address_of(request)}"
        self.plan_standing = limits.spend(subject, limits.plan_limit(actor.username if actor else ""))
        if self.plan_standing.exceeded:
            raise limits.PlanExceeded(self.plan_standing)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        for name, value in (self.plan_standing or limits.unlimited()).headers.items():
            final.headers[name] = value
        return final


def required(request: Request, **kinds: type) -> dict[str, Any]:
    """Required members of a body, each of its type. Raises `InvalidInput` naming all that are missing."""
    body = members(request)
    missing = [name for name in kinds if body.get(name) is None]
    if missing:
        raise InvalidInput(f"Missing: {', '.join(missing)}.", data={"missing_fields": missing})
    for name, kind in kinds.items():
        if not isinstance(body[name], kind) or (kind is not bool and isinstance(body[name], bool)):
            word = {bool: "true or false", str: "a string", list: "a list"}[kind]
            raise InvalidInput(f"{name} must be {word}.", data={"field": name})
    return {name: body[name] for name in kinds}
