"""Requests nobody thought of: no failure of the hub's own, and no reply outside the description.

Few in everyday runs; `FUZZ_REQUESTS=20000 pytest tests/api/test_fuzz.py --timeout=900` sends about that many. Routes
that change things run without a data plane (a real one would start the commands that are made up here); routes that
call tools run against a whole hub.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
import requests
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, assume
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import User
from accounts.tokens import issue
from mcphub import plane
from mcphub.api.descriptions import description
from servers.models import SystemSettings
from tests.tools.hub import PASSWORD, TestHub, hub, stdio
from tests.tools.rest import StandInHub

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "600"))
CALLERS = {"admin": True, "dana": False}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
#: Empties the caches of whoever runs the tests; asks hosts outside, whose silence is a 500; never ends.
LEFT_OUT = r"^/api/(cache/clear$|cloud/|registry/|changelog/)|/stream$"
#: What needs a data plane to answer.
CALLING = r"^/api/(tools/|mcp/|openapi|resources/read$|\{\w+\}/(openapi|tools))"

operations = sum(len(methods) for methods in json.loads(description("json"))["paths"].values())
# About a third more is sent on top: documented examples and edge cases.
examples = max(2, REQUESTS // (operations * len(CALLERS)))
thorough = hypothesis_settings(
    max_examples=examples,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
changing = schemathesis.openapi.from_wsgi("/api/schema/", get_wsgi_application()).exclude(
    path_regex=f"{LEFT_OUT}|{CALLING}"
)
calling = schemathesis.openapi.from_dict(json.loads(description("json"))).include(path_regex=CALLING)


def fresh_token(username: str) -> str:
    """A token of a user who is as he should be, whatever was done to him before; and a hub that lets people in."""
    user, _ = User.objects.get_or_create(username=username)
    if user.is_admin != CALLERS[username] or not user.is_active:
        User.objects.filter(pk=user.pk).update(is_admin=CALLERS[username], is_active=True)
        user.refresh_from_db()
    SystemSettings.objects.filter(pk=1).delete()
    return issue(user)


@pytest.fixture
def _one_connection(settings: Settings, db: None) -> Iterator[None]:
    """As Django's own client does: the end of a request must not close the connection of the test's transaction."""
    settings.ALLOWED_HOSTS = ["*"]
    both = (request_started, request_finished)
    for signal in both:
        signal.disconnect(close_old_connections)
    plane.register(StandInHub(up="connected", down="retrying"))
    yield
    plane.register(None)
    for signal in both:
        signal.connect(close_old_connections)


@pytest.mark.parametrize("who", CALLERS)
@changing.parametrize()
@thorough
def test_the_api_answers_as_described(case: schemathesis.Case, who: str, _one_connection: None) -> None:
    response = case.call(headers={"x-auth-token": fresh_token(who)})
    assume(response.status_code != 405)  # a made-up name that is a path of its own, such as /api/resources/read
    case.validate_response(response, checks=CHECKS)


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[TestHub, dict[str, str]]]:
    """A hub with a server behind it, and a token of each caller."""
    with hub({"raw": stdio() | {"visibility": "public"}}, env={"API_RATE_LIMIT": "0"}) as found:
        found.api("POST", "/users", {"username": "dana", "password": PASSWORD})
        yield found, {name: sign_in(found, name) for name in CALLERS}


def sign_in(found: TestHub, username: str) -> str:
    reply = requests.post(
        found.url + "/api/auth/login", json={"username": username, "password": PASSWORD}, timeout=30
    ).json()
    return str(reply["token"])


@pytest.mark.slow
@pytest.mark.parametrize("who", CALLERS)
@calling.parametrize()
@thorough
def test_calls_answer_as_described(case: schemathesis.Case, who: str, running: tuple[TestHub, dict[str, str]]) -> None:
    found, tokens = running
    response = case.call(base_url=found.url, headers={"x-auth-token": tokens[who]})
    case.validate_response(response, checks=CHECKS)
