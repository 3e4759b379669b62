"""The OpenAPI description: complete, as checked in, and shown without any other host."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from mcphub.api.descriptions import description
from mcphub.api.operations import Operation
from mcphub.api.routes import Unknown
from mcphub.api.views import HubView
from tests.tools.processes import REPOSITORY

SNAPSHOT = REPOSITORY / "docs" / "openapi.yaml"
RENEW = "python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml"


def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(description("yaml"))
    return found


def operations() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_description_is_the_one_checked_in() -> None:
    assert SNAPSHOT.read_bytes() == description("yaml"), f"the API changed; review and renew with: {RENEW}"


def test_every_operation_says_who_may_what_happens_and_how_it_looks() -> None:
    wanting = []
    for name, operation in operations():
        success = [reply for status, reply in operation["responses"].items() if status.startswith("2")]
        shown = [content.get("examples") for reply in success for content in reply.get("content", {}).values()]
        if not operation.get("summary") or "**Permission:**" not in operation["description"]:
            wanting.append(f"{name}: no summary or permission")
        if not any(status.startswith("4") for status in operation["responses"]):
            wanting.append(f"{name}: no refusal")
        if not success or (any(reply.get("content") for reply in success) and not all(shown)):
            wanting.append(f"{name}: no example of the reply")
        if "requestBody" in operation and not all(
            content.get("examples") for content in operation["requestBody"]["content"].values()
        ):
            wanting.append(f"{name}: no example of the request")
    assert wanting == []


def test_every_method_of_every_route_is_declared() -> None:
    undeclared = []
    for pattern in patterns():
        view = getattr(pattern.callback, "cls", None)
        if view is None or not issubclass(view, HubView) or view is Unknown:
            continue
        actions: dict[str, str] = getattr(pattern.callback, "actions", None) or {
            method: method for method in view.http_method_names if hasattr(view, method)
        }
        for method, name in actions.items():
            if method != "head" and not isinstance(getattr(getattr(view, name), "operation", None), Operation):
                undeclared.append(f"{method.upper()} {pattern.pattern}")
    assert undeclared == []


def patterns() -> list[URLPattern]:
    found, waiting = [], list(get_resolver().url_patterns)
    while waiting:
        one = waiting.pop()
        if isinstance(one, URLResolver):
            waiting.extend(one.url_patterns)
        elif isinstance(one, URLPattern):
            found.append(one)
    return found


@pytest.mark.parametrize(("query", "kind"), [("", "json"), ("?format=yaml", "yaml")])
def test_the_description_is_served_to_anyone(query: str, kind: str) -> None:
    reply = Client().get(f"/api/schema/{query}")
    assert reply.status_code == 200
    assert kind in reply.headers["Content-Type"]
    assert yaml.safe_load(reply.content)["openapi"] == "3.1.0"


def test_the_viewer_needs_no_other_host() -> None:
    page, script = Client().get("/api/docs/"), Client().get("/api/docs/?script=")
    text = page.content.decode() + script.content.decode()
    assert page.status_code == script.status_code == 200
    assert "/api/schema" in text
    assert not re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text)
    for path in re.findall(r"(?:src|href)=\"(/static/[^\"]+)\"", page.content.decode()):
        assert Client().get(path).status_code == 200, path
