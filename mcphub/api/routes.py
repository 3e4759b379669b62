"""Routes of the API: literal parts match in any case, a trailing slash is optional, names may hold encoded slashes.

The resolver is given the request's path as it was sent (`gates.as_sent`), percent-encoding and all: a slash inside a
name travels as `%2F` and is decoded only after the path was cut into segments. `<name>` takes one segment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, re_path
from django.urls.resolvers import RegexPattern
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.api.envelope import refusal
from mcphub.api.views import HubView, HubViewSet
from mcphub.errors import NotFound

_PARAMETER = re.compile(r"<(\w+)>")


class HubRoute(RegexPattern):
    """A pattern that forgives case and a trailing slash, decodes what its parameters took, and shows its template."""

    def __init__(self, template: str, name: str | None = None) -> None:
        parts = _PARAMETER.split(template)
        literal, parameters = parts[::2], parts[1::2]
        expression = re.escape(literal[0])
        for parameter, following in zip(parameters, literal[1:], strict=True):
            expression += f"(?P<{parameter}>[^/]+){re.escape(following)}"
        super().__init__(f"^{expression}/?$", name, is_endpoint=True)
        self.template = template
        # Instead of the one Django compiles at first use; an inline flag would keep it from building addresses.
        self.__dict__["regex"] = re.compile(f"^{expression}/?$", re.IGNORECASE)

    def match(self, path: str) -> Any:
        found = super().match(path)
        if found is None:
            return None
        rest, args, kwargs = found
        return rest, args, {name: unquote(value) for name, value in kwargs.items()}

    def __str__(self) -> str:
        return self.template


def route(template: str, view: type[HubView], actions: Mapping[str, str] | None = None) -> URLPattern:
    """A path of the API. `actions` maps lower-case methods to the methods of a view set."""
    name = template.replace("/", "-").replace("<", "").replace(">", "")
    callback = view.as_view(dict(actions or {})) if issubclass(view, HubViewSet) else view.as_view()
    return URLPattern(HubRoute(template, name), callback, {}, name)


class Unknown(HubView):
    """What lies below /api and is no route: 401 without a credential, as everything there, else 404."""

    def _refuse(self, request: Request) -> Response:
        raise NotFound("There is no such path in this API.")

    get = post = put = patch = delete = _refuse


def _elsewhere(request: HttpRequest) -> HttpResponse:
    return refusal(404, "There is nothing here.", "not_found")


#: The last routes of the API: everything below /api that no other took, and the hosted edition's door, which is shut.
UNKNOWN: list[URLPattern] = [
    re_path(r"^[Aa][Pp][Ii](?:/.*)?$", Unknown.as_view()),
    re_path(r"^internal/", csrf_exempt(_elsewhere)),
]
