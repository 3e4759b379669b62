"""HubView and HubViewSet: gate, credential, rate limit, permission, in this order, from a route's `operation`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSetMixin

from mcphub.actor import Actor
from mcphub.api.bodies import JsonBody, give_length
from mcphub.api.callers import actor_of, address_of
from mcphub.api.envelope import AlwaysJson, EnvelopeRenderer, Refusal, explain
from mcphub.api.limits import Limit, Standing, spend
from mcphub.api.operations import Allow, Operation
from mcphub.errors import NotAllowed, NotAuthenticated, ReadOnly, TooManyRequests

#: The window of the general limit and of the further ones, in seconds.
WINDOW = 15 * 60
#: What a method without a declaration is judged as: it will be refused as unknown, after the credential.
UNDECLARED = Operation(summary="", changes=False)


def general_limit() -> Limit:
    """Every authenticated request counts against this one."""
    return Limit("general", settings.API_RATE_LIMIT, WINDOW)


class HubView(APIView):
    """One path of the API. Subclasses declare each method with `operation`.

    `limits` are counted in addition to the general one (`unlimited` leaves that out). `shape` is the body of a
    refusal; families that answer otherwise override it.
    """

    renderer_classes = (EnvelopeRenderer,)
    parser_classes: Sequence[type[BaseParser]] = (JsonBody,)
    content_negotiation_class = AlwaysJson
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    unlimited: ClassVar[bool] = False
    tag: ClassVar[str] = ""

    def limits(self) -> tuple[Limit, ...]:
        """Further rate limits of this family."""
        return ()

    def shape(self, refused: Refusal) -> dict[str, Any]:
        """The body of a refusal."""
        return refused.envelope

    def get_exception_handler(self) -> Any:
        return explain

    @property
    def operation(self) -> Operation:
        """The declaration of the method in progress."""
        handler = getattr(self, (self.request.method or "").lower(), None)
        found = getattr(handler, "operation", None)
        return found if isinstance(found, Operation) else UNDECLARED

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        give_length(request)
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Judge the request before its method runs."""
        self.format_kwarg = None
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        declared = self.operation
        if declared is UNDECLARED and not self._takes(request.method or ""):
            raise MethodNotAllowed(request.method or "")
        if settings.READONLY and declared.changes_something(request.method or ""):
            raise ReadOnly
        if declared.allow is not Allow.ANYONE and not isinstance(request.user, Actor):
            raise NotAuthenticated
        self._spend(request, declared.cost)
        if declared.allow is Allow.ADMIN and not actor_of(request).is_admin:
            raise NotAllowed("Only admins may do this.")

    def _takes(self, method: str) -> bool:
        # The preflight of a foreign page is judged like any request without a credential.
        return method == "OPTIONS" or (method.lower() in self.http_method_names and hasattr(self, method.lower()))

    def _spend(self, request: Request, cost: int) -> None:
        if not settings.API_RATE_LIMIT:
            return
        counted = self.limits() if self.unlimited else (general_limit(), *self.limits())
        address = address_of(request)
        standings: list[Standing] = []
        for limit in counted:
            standing = spend(limit, address, cost)
            standings.append(standing)
            self.standing = min(standings, key=lambda one: one.limit.most - one.used)
            if standing.exceeded:
                raise TooManyRequests(retry_after=standing.reset)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        final: Response = super().finalize_response(request, response, *args, **kwargs)
        standing: Standing | None = getattr(self, "standing", None)
        if standing is not None:
            for name, value in standing.headers.items():
                final.headers[name] = value
        final.headers.setdefault("Cache-Control", "no-store")
        return final


class HubViewSet(ViewSetMixin, HubView):
    """Several paths of one family; `routes.route` maps methods to its actions."""
