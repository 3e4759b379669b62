"""Templates: what leaves a hub, and what comes into one."""

from __future__ import annotations

import json

import pytest
from pytest_django import Settings

from mcphub.actor import HUB
from servers.actions import add_group, add_server
from servers.models import Group, Server
from servers.placeholders import variables, without_secrets
from tests.tools.rest import Caller

EXPORT, IMPORT = "/api/templates/export", "/api/templates/import"

SEARCH = {
    "command": "npx",
    "args": [
        "-y", "search", "--api-key", "k-123", "--token=t-456", "https://u:pw@host.example/x?key=q&lang=en",
        "--header", "Authorization: Bearer abcdefghijkl", "DB_PASSWORD=pw", "sk-abcdefghijklmnopqrstuv", "plain",
    ],
    "env": {"SEARCH_API_KEY": "k-789", "LEVEL": "debug", "HOME_DIR": "${HOME}", "NOTE": "ghp_abcdefghijklmnop1234"},
    "proxy": {"enabled": True, "host": "proxy.example", "port": 1080, "username": "u", "password": "pp"},
}  # fmt: skip
FAR = {
    "type": "streamable-http", "url": "https://far.example/mcp?api_key=s3cret&lang=en", "enabled": False,
    "headers": {"Authorization": "Bearer s3cret-s3cret", "X-Api-Key": "s3cret", "Accept-Language": "en"},
    "oauth": {"clientId": "c", "clientSecret": "s3cret", "accessToken": "s3cret", "pendingAuthorization": {"s": "x"}},
}  # fmt: skip
API = {
    "type": "openapi", "enabled": False,
    "openapi": {
        "url": "https://api.example/openapi.json?token=s3cret",
        "security": {"type": "apiKey", "apiKey": {"name": "X-Weather-Key", "in": "header", "value": "s3cret"}},
        "specSecurity": {"type": "http", "http": {"scheme": "bearer", "credentials": "s3cret"}},
    },
}  # fmt: skip


def test_secrets_become_variables_wherever_they_are() -> None:
    told = without_secrets(SEARCH)
    assert told["args"] == [
        "-y", "search", "--api-key", "${API_KEY}", "--token=${TOKEN}",
        "https://u:${URL_PASSWORD}@host.example/x?key=${KEY}&lang=en", "--header", "Authorization: ${AUTHORIZATION}",
        "DB_PASSWORD=${DB_PASSWORD}", "${ARG_10}", "plain",
    ]  # fmt: skip
    assert told["env"] == {
        "SEARCH_API_KEY": "${SEARCH_API_KEY}",
        "LEVEL": "debug",
        "HOME_DIR": "${HOME}",
        "NOTE": "${NOTE}",
    }
    assert told["proxy"] == {**SEARCH["proxy"], "password": "${PROXY_PASSWORD}"}  # type: ignore[dict-item]


def test_secrets_of_remote_and_described_servers_become_variables() -> None:
    far, api = without_secrets(FAR), without_secrets(API)
    assert "s3cret" not in json.dumps([far, api])
    assert far["url"] == "https://far.example/mcp?api_key=${API_KEY}&lang=en"
    assert far["headers"] == {
        "Authorization": "${AUTHORIZATION}", "X-Api-Key": "${X_API_KEY}", "Accept-Language": "en",
    }  # fmt: skip
    assert far["oauth"] == {
        "clientId": "c", "clientSecret": "${OAUTH_CLIENT_SECRET}", "accessToken": "${OAUTH_ACCESS_TOKEN}",
    }  # fmt: skip
    assert api["openapi"]["security"]["apiKey"]["value"] == "${X_WEATHER_KEY}"
    assert api["openapi"]["specSecurity"]["http"]["credentials"] == "${OPENAPI_HTTP_CREDENTIALS}"
    assert "OPENAPI_HTTP_CREDENTIALS" in variables(api)


def test_only_variables_without_a_default_are_required() -> None:
    assert variables({"a": "${A}", "b": ["x ${B:-b} ${C}"], "c": {"d": "$D", "e": "pa$WORD"}}) == {"A", "C", "D"}


@pytest.fixture
def team(db: None) -> None:
    add_server(actor=HUB, name="search", config={**SEARCH, "owner": "admin", "visibility": "public"})
    add_server(actor=HUB, name="far", config={**FAR, "owner": "admin"})
    add_server(actor=HUB, name="api", config={**API, "owner": "dana"})
    members = [{"name": "search", "alias": "s", "tools": ["find"], "pinnedTools": ["find"]}, "far"]
    add_group(actor=HUB, name="team", servers=members, visibility="public", description="all of us")


def test_a_template_makes_the_same_servers_and_groups_elsewhere(team: None, admin: Caller) -> None:
    template = admin.post(EXPORT, {"name": "t", "includeDisabledServers": True}).data
    assert template["requiredEnvVars"] == sorted(template["requiredEnvVars"])
    assert "HOME" in template["requiredEnvVars"]
    Server.objects.all().delete()
    Group.objects.all().delete()
    made = admin.post(IMPORT, template)
    assert made.status == 200
    assert (made.data["serversCreated"], made.data["groupsCreated"]) == (3, 1)
    assert made.data["requiredEnvVars"] == template["requiredEnvVars"]
    again = admin.post(EXPORT, {"name": "t", "includeDisabledServers": True}).data
    for part in ("servers", "groups", "requiredEnvVars"):
        assert again[part] == template[part]
    (group,) = admin.get("/api/groups").data
    assert group["servers"][0]["alias"] == "s"
    assert group["visibility"] == "private"
    assert admin.post(IMPORT, template).status == 400  # everything is there already


def test_only_enabled_servers_are_exported_unless_asked(team: None, admin: Caller) -> None:
    template = admin.post(EXPORT, {"name": "t", "groupIds": ["team"]}).data
    assert list(template["servers"]) == ["search"]
    assert [member["name"] for member in template["groups"][0]["servers"]] == ["search"]
    assert admin.get(f"{EXPORT}/groups/team").data["servers"] == template["servers"]


def test_values_of_a_server_that_one_may_only_use_stay_behind(team: None, dana: Caller) -> None:
    template = dana.post(EXPORT, {"name": "t", "includeDisabledServers": True}).data
    assert set(template["servers"]) == {"search", "api"}
    assert template["servers"]["search"]["env"]["LEVEL"] == "${LEVEL}"
    assert template["groups"][0]["servers"][0]["name"] == "search"


def test_an_import_can_do_no_more_than_its_bearer(dana: Caller) -> None:
    template = {
        "version": "1.0",
        "name": "t",
        "servers": {"sh": {"command": "sh"}, "far": {**FAR, "owner": "admin", "visibility": "public"}, "bad": None},
        "groups": [{"name": "g", "servers": ["sh", "far"]}, None, {"name": "h", "servers": [5]}],
    }
    made = dana.post(IMPORT, template)
    assert made.status == 200
    assert {(one["type"], one["name"], one["action"]) for one in made.data["details"]} == {
        ("server", "sh", "failed"), ("server", "far", "created"), ("server", "bad", "failed"),
        ("group", "g", "created"), ("group", "", "failed"), ("group", "h", "failed"),
    }  # fmt: skip
    server = Server.objects.get()
    assert (server.owner, server.visibility) == ("dana", "private")


@pytest.mark.parametrize("body", [{}, {"version": "1.0", "name": "t"}, {"name": "t", "servers": {}, "groups": []}])
def test_what_is_no_template_is_refused(admin: Caller, body: object) -> None:
    reply = admin.post(IMPORT, body)
    assert reply.status == 400
    assert [one["action"] for one in reply.data["details"]] == ["failed"]


def test_templates_have_a_limit_of_their_own(admin: Caller, settings: Settings) -> None:
    settings.API_RATE_LIMIT = 600
    statuses = [admin.post(EXPORT, {"name": "t"}).status for _ in range(201)]
    assert statuses == [200] * 200 + [429]
    assert admin.get("/api/groups").status == 200
