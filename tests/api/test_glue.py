"""What every route has in common: envelope, paths, bodies, foreign pages, limits, read-only mode, base path."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import OperationalError
from django.urls import URLPattern, path
from pytest_django import Settings
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from mcphub.api.bodies import decoded
from mcphub.api.envelope import reply
from mcphub.api.operations import Allow, operation
from mcphub.api.routes import UNKNOWN, route
from mcphub.api.views import HubView
from mcphub.errors import InvalidInput
from tests.tools.rest import PASSWORD, Caller, signed_in


class Echo(HubView):
    """A route of the tests' own."""

    @operation("Say the name", allow=Allow.ANYONE)
    def get(self, request: Request, name: str) -> Response:
        return reply(name)

    @operation("Fail", allow=Allow.ANYONE)
    def post(self, request: Request, name: str) -> Response:
        raise {"database": OperationalError("gone"), "bug": KeyError("secret detail")}[name]

    @operation("Return the body", allow=Allow.ANYONE, changes=False)
    def put(self, request: Request, name: str) -> Response:
        return reply(request.data)


urlpatterns: list[URLPattern] = [route("api/echo/<name>/end", Echo), path("page", lambda r: None), *UNKNOWN]


@pytest.fixture
def echo(settings: Settings, anonymous: Caller, db: None) -> Iterator[Caller]:
    settings.ROOT_URLCONF = __name__
    yield anonymous


def test_an_unknown_path_is_told_in_json(admin: Caller, anonymous: Caller) -> None:
    assert anonymous.get("/api/nope").status == 401
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        reply = admin(method, "/api/nope")
        assert (reply.status, reply.body["success"], reply.body["code"]) == (404, False, "not_found")


def test_a_method_a_path_does_not_take_is_405(admin: Caller) -> None:
    reply = admin("PATCH", "/api/auth/user", {})
    assert (reply.status, reply.body["success"]) == (405, False)


@pytest.mark.parametrize("path", ["/api/auth/user/", "/API/Auth/USER", "/api/auth/user"])
def test_case_and_a_trailing_slash_do_not_matter(admin: Caller, path: str) -> None:
    assert admin.get(path).status == 200


@pytest.mark.parametrize(
    ("sent", "meant"),
    [("a%2Fb", "a/b"), ("%25", "%"), ("%2525", "%25"), ("file%3A%2F%2F%2Fx.md", "file:///x.md"), ("Ä", "Ä")],
)
def test_names_may_hold_what_paths_cannot(echo: Caller, sent: str, meant: str) -> None:
    assert echo.get(f"/api/echo/{sent}/end").data == meant


def test_a_nul_character_is_refused_everywhere(echo: Caller) -> None:
    assert echo.get("/api/echo/%00/end").status == 400
    assert echo.get("/api/echo/x/end?q=%00").status == 400
    assert echo.put("/api/echo/x/end", '{"a": "x\\u0000"}').status == 400
    assert echo.put("/api/echo/x/end", '{"a": "\\\\u0000"}').data == {"a": "\\u0000"}


@pytest.mark.parametrize("body", ["{bad", '"text"', "5", "[1,2", b"\xff\xfe", "[" * 100_000, '{"a": NaN}'])
def test_a_body_that_is_no_json_object_is_the_callers_mistake(echo: Caller, body: str | bytes) -> None:
    reply = echo.put("/api/echo/x/end", body)
    assert (reply.status, reply.body["success"]) == (400, False)


def test_no_body_an_array_and_a_form_are_empty(echo: Caller) -> None:
    assert echo.put("/api/echo/x/end").data == {}
    assert echo.put("/api/echo/x/end", "[1]").data == {}
    assert echo.put("/api/echo/x/end", "a=1", content_type="application/x-www-form-urlencoded").data == {}


def test_a_body_over_the_limit_is_413(echo: Caller) -> None:
    assert echo.put("/api/echo/x/end", {"a": "x" * 1_100_000}).status == 413


def test_a_failure_nobody_foresaw_tells_nothing_but_where_to_look(
    echo: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    reply = echo.post("/api/echo/bug/end", headers={"X-Request-Id": "my-request-1"})
    assert reply.status == 500
    assert "secret" not in str(reply.body)
    assert reply.body["requestId"] == reply.headers["X-Request-Id"] == "my-request-1"
    assert "my-request-1" in caplog.text


def test_a_database_that_is_away_is_503(echo: Caller) -> None:
    reply = echo.post("/api/echo/database/end")
    assert (reply.status, reply.headers["Retry-After"]) == (503, "5")


def test_a_foreign_host_name_is_refused_in_json(anonymous: Caller, db: None) -> None:
    reply = anonymous.get("/api/auth/user", HTTP_HOST="evil.example")
    assert (reply.status, reply.body["code"]) == (400, "unknown_host")


def test_an_unusable_request_id_is_replaced(anonymous: Caller, db: None) -> None:
    assert anonymous.get("/api/nope", headers={"X-Request-Id": "a b\n"}).headers["X-Request-Id"] != "a b\n"


class TestForeignPages:
    """CORS."""

    PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-auth-token"}

    def test_the_own_origin_may_call(self, anonymous: Caller, db: None) -> None:
        origin = {"Origin": "http://testserver"}
        reply = anonymous("OPTIONS", "/api/servers", headers=origin | self.PREFLIGHT)
        assert reply.status == 204
        assert reply.headers["Access-Control-Allow-Origin"] == "http://testserver"
        assert reply.headers["Access-Control-Allow-Credentials"] == "true"
        assert reply.headers["Access-Control-Allow-Headers"] == "x-auth-token"
        assert anonymous.get("/api/nope", headers=origin).headers["Access-Control-Allow-Origin"] == "http://testserver"

    def test_a_foreign_page_gets_no_leave(self, anonymous: Caller, db: None) -> None:
        reply = anonymous("OPTIONS", "/api/servers", headers={"Origin": "https://evil.example"} | self.PREFLIGHT)
        assert reply.status == 401
        assert "Access-Control-Allow-Origin" not in reply.headers

    def test_a_listed_page_may_call(self, anonymous: Caller, settings: Settings, db: None) -> None:
        settings.ALLOWED_ORIGINS = ["https://app.example"]
        reply = anonymous.get("/api/nope", headers={"Origin": "https://app.example"})
        assert reply.headers["Access-Control-Allow-Origin"] == "https://app.example"

    def test_openapi_documents_are_for_every_page(self, anonymous: Caller, db: None) -> None:
        reply = anonymous(
            "OPTIONS", "/api/dev/openapi.json", headers={"Origin": "https://evil.example"} | self.PREFLIGHT
        )
        assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (204, "*")
        assert "Access-Control-Allow-Credentials" not in reply.headers


class TestRateLimit:
    """The general limit of the contract."""

    def test_requests_are_counted_and_the_one_too_many_is_refused(self, admin: Caller, settings: Settings) -> None:
        settings.API_RATE_LIMIT = 3
        first = admin.get("/api/auth/keys")
        assert first.headers["RateLimit-Policy"] == "3;w=900"
        assert (first.headers["RateLimit-Limit"], first.headers["RateLimit-Remaining"]) == ("3", "2")
        assert 0 < int(first.headers["RateLimit-Reset"]) <= 900
        admin.get("/api/auth/keys")
        admin.get("/api/auth/keys")
        refused = admin.get("/api/auth/keys")
        assert (refused.status, refused.body["success"]) == (429, False)
        assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
        assert refused.headers["RateLimit-Remaining"] == "0"

    def test_showing_oneself_costs_two(self, admin: Caller, settings: Settings) -> None:
        settings.API_RATE_LIMIT = 10
        assert admin.get("/api/auth/user").headers["RateLimit-Remaining"] == "8"

    def test_requests_without_a_credential_do_not_count(
        self, anonymous: Caller, admin: Caller, settings: Settings
    ) -> None:
        settings.API_RATE_LIMIT = 3
        for _ in range(5):
            assert anonymous.get("/api/auth/keys").status == 401
        assert admin.get("/api/auth/keys").headers["RateLimit-Remaining"] == "2"

    def test_addresses_count_apart(self, admin: Caller, settings: Settings) -> None:
        settings.API_RATE_LIMIT = 1
        assert admin.get("/api/auth/keys", REMOTE_ADDR="192.0.2.1").status == 200
        assert admin.get("/api/auth/keys", REMOTE_ADDR="192.0.2.1").status == 429
        assert admin.get("/api/auth/keys", REMOTE_ADDR="192.0.2.2").status == 200


class TestReadOnly:
    """READONLY=true."""

    def test_nothing_can_be_changed(self, admin: Caller, anonymous: Caller, settings: Settings) -> None:
        settings.READONLY = True
        assert admin.post("/api/users", {}).status == 403
        assert admin.delete("/api/users/dana").status == 403
        assert anonymous.post("/api/users", {}).status == 403
        assert admin.get("/api/users").status == 200
        assert admin("HEAD", "/api/users").status == 200

    def test_people_still_sign_in(self, anonymous: Caller, dana_user: User, settings: Settings) -> None:
        settings.READONLY = True
        assert anonymous.post("/api/auth/login", {"username": "dana", "password": PASSWORD}).status == 200


class TestBasePath:
    """BASE_PATH=/hub."""

    @pytest.fixture(autouse=True)
    def _mount(self, settings: Settings) -> None:
        settings.BASE_PATH = settings.FORCE_SCRIPT_NAME = "/hub"

    def test_the_api_lies_below_it(self, dana_user: User) -> None:
        dana = signed_in(dana_user)
        assert dana.get("/hub/api/auth/user", SCRIPT_NAME="/hub", PATH_INFO="/api/auth/user").status == 200

    @pytest.mark.parametrize("path", ["/api/auth/user", "/hubx/api/auth/user", "/other"])
    def test_outside_there_is_nothing(self, anonymous: Caller, path: str, db: None) -> None:
        from django.test import RequestFactory

        from mcphub.api.gates import mounted

        request = RequestFactory().get(path)
        request.path = path
        assert mounted(lambda _: pytest.fail("let in"))(request).status_code == 404


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(InvalidInput):
        decoded(b'{"a": "\\ud800"}')
