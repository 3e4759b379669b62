"""Settings, exports, what anyone may know, and health, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from django.db import OperationalError

from mcphub import plane
from mcphub.actor import HUB
from servers.actions import add_server, change_settings
from servers.models import SystemSettings
from tests.tools.rest import Caller, StandInHub, key_caller

CONFIG = "/api/system-config"
SECRETS = ("s3cr3t-env", "upstream-secret", "sk-secret", "mk-secret", "argument-secret", "query-secret")


@pytest.fixture
def servers(db: None) -> None:
    """One server of each kind, with a secret wherever one can be."""
    stdio = {
        "type": "stdio",
        "command": "uvx",
        "args": ["time", "--api-key", "argument-secret"],
        "env": {"API_TOKEN": "s3cr3t-env"},
    }
    remote = {
        "type": "streamable-http",
        "url": "https://example.org/mcp?api_key=query-secret",
        "headers": {"Authorization": "Bearer upstream-secret"},
        "enabled": False,
    }
    add_server(actor=HUB, name="time", config=stdio)
    add_server(actor=HUB, name="remote", config=remote)
    change_settings(
        actor=HUB, values={"smartRouting": {"openaiApiKey": "sk-secret"}, "mcpRouter": {"apiKey": "mk-secret"}}
    )


def test_admins_read_everything_but_secrets(admin: Caller, servers: None) -> None:
    key_caller(access="all")
    data = admin.get("/api/settings").data
    assert set(data["mcpServers"]) == {"time", "remote"}
    assert [server["name"] for server in data["servers"]] == ["time", "remote"]
    assert data["mcpServers"]["time"]["command"] == "uvx"
    assert data["bearerKeys"][0]["token"].startswith("mcphub_") and "..." in data["bearerKeys"][0]["token"]
    assert data["users"][0]["username"] == "admin"
    told = str(data)
    assert not [secret for secret in SECRETS if secret in told]
    assert "password" not in str(data["users"])


def test_the_export_holds_no_secret_either(admin: Caller, dana: Caller, servers: None) -> None:
    key_caller(access="all")
    path = "/api/mcp-settings/export"
    whole = admin.get(path).data
    assert not [secret for secret in SECRETS if secret in str(whole)]
    assert all("token" not in key for key in whole["bearerKeys"])
    assert admin.get(f"{path}?serverName=").data.keys() == whole.keys()
    assert admin.get(f"{path}?serverName=time").data.keys() == {"mcpServers"}
    assert admin.get(f"{path}?serverName=nope").status == 404
    assert dana.get(path).status == 403


def test_others_read_the_address_and_their_own_keys(dana: Caller, servers: None) -> None:
    key_caller(access="all")
    _, own = key_caller(kind="user", owner="dana")
    data = dana.get("/api/settings").data
    assert data["mcpServers"] == {}
    assert data["systemConfig"] == {"install": {"baseUrl": "http://localhost:3000"}}
    assert [key["id"] for key in data["bearerKeys"]] == [str(own.pk)]


def test_a_masked_value_that_comes_back_keeps_the_stored_one(admin: Caller, servers: None) -> None:
    shown = admin.get("/api/settings").data["systemConfig"]["smartRouting"]
    assert "*" in shown["openaiApiKey"]
    reply = admin.put(CONFIG, {"smartRouting": shown | {"openaiApiEmbeddingModel": "m"}})
    assert reply.status == 200
    stored = SystemSettings.objects.get().values["smartRouting"]
    assert (stored["openaiApiKey"], stored["openaiApiEmbeddingModel"]) == ("sk-secret", "m")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"bogus": 1},
        {"routing": {}},
        {"routing": "x"},
        {"routing": {"enableBearerAuth": "yes"}},
        {"discovery": {"enabled": True}},
        {"oauth": {"enabled": True}},
        {"routing": {"jsonBodyLimit": "10b"}},
        {"routing": {"jsonBodyLimit": "lots"}},
        {"routing": {"bearerAuthHeaderName": "bad header"}},
        {"routing": {"bearerAuthHeaderName": "x-auth-token"}},
        {"nameSeparator": ""},
        {"oauthServer": {"accessTokenLifetime": -5}},
        {"auth": {"betterAuth": {"providers": {"oidc": {"prompt": "bogus"}}}}},
    ],
)
def test_what_does_not_apply_or_would_lock_people_out_is_refused(admin: Caller, body: object) -> None:
    assert admin.put(CONFIG, body).status == 400
    assert admin.get("/api/settings").data["systemConfig"]["routing"]["jsonBodyLimit"] == "1mb"


def test_only_admins_change_settings(dana: Caller, anonymous: Caller, db: None) -> None:
    assert dana.put(CONFIG, {"nameSeparator": "_"}).status == 403
    assert anonymous.put(CONFIG, {"nameSeparator": "_"}).status == 401


def test_a_body_limit_counts_at_once(admin: Caller) -> None:
    assert admin.put(CONFIG, {"routing": {"jsonBodyLimit": " 20kb "}}).data["routing"]["jsonBodyLimit"] == "20kb"
    assert admin.put(CONFIG, {"mcpRouter": {"title": "x" * 30_000}}).status == 413
    assert admin.put(CONFIG, {"routing": {"jsonBodyLimit": "1mb"}}).status == 200


def test_another_bearer_header_counts_at_once(admin: Caller) -> None:
    caller, _ = key_caller(access="all")
    assert admin.put(CONFIG, {"routing": {"bearerAuthHeaderName": " X-MCP-Auth "}}).status == 200
    assert caller.get("/api/auth/user").status == 401
    assert Caller({"X-MCP-Auth": caller.headers["Authorization"]}).get("/api/auth/user").status == 200


def test_bearer_keys_can_be_switched_off(admin: Caller) -> None:
    caller, _ = key_caller(access="all")
    admin.put(CONFIG, {"routing": {"enableBearerAuth": False}})
    assert caller.get("/api/auth/user").status == 401


def test_with_skip_auth_everyone_is_a_guest_who_may_do_everything(admin: Caller, anonymous: Caller) -> None:
    admin.put(CONFIG, {"routing": {"skipAuth": True}})
    guest = {"username": "guest", "isAdmin": True, "permissions": ["*", "x"]}
    assert anonymous.get("/api/auth/user").body["user"] == guest
    assert Caller({"Authorization": "Bearer wrong"}).get("/api/auth/user").body["user"] == guest
    assert Caller({"x-auth-token": "garbage"}).get("/api/auth/user").status == 401
    assert anonymous.get("/public-config").data["permissions"] == ["*", "x"]
    body = {"currentPassword": "x", "newPassword": "G00d!pass"}
    assert anonymous.post("/api/auth/change-password", body).status == 404
    assert anonymous.put(CONFIG, {"routing": {"skipAuth": False}}).status == 200
    assert anonymous.get("/api/auth/user").status == 401


@pytest.mark.parametrize("provider", [{}, {"openaiApiKey": "k"}, {"embeddingProvider": "azure", "openaiApiKey": "k"}])
def test_smart_routing_is_switched_on_only_with_all_it_needs(admin: Caller, provider: dict[str, str]) -> None:
    reply = admin.put(CONFIG, {"smartRouting": {"enabled": True, "dbUrl": "postgresql://x/y"} | provider})
    assert reply.status == 400
    assert "success" not in reply.body and reply.body["message"]


def test_smart_routing_can_be_switched_on(admin: Caller) -> None:
    complete = {
        "enabled": True,
        "dbUrl": "postgresql://x/y",
        "llmProviderApiKey": "k",
        "llmProviderBaseUrl": "https://api.example.org/v1",
        "embeddingModel": "m",
    }
    assert admin.put(CONFIG, {"smartRouting": complete}).data["smartRouting"]["enabled"] is True


def test_anyone_may_know_where_the_hub_is(anonymous: Caller, db: None) -> None:
    assert anonymous.get("/config").data == {"basePath": "", "version": "1.0.0", "name": "mcphub"}
    public = anonymous.get("/public-config").data
    assert (public["skipAuth"], public["permissions"], public["betterAuth"]["enabled"]) == (False, {}, False)
    assert anonymous.post("/config", {}).status == 405
    assert anonymous.get("/internal/v1/hosted/runtime-catalog").status == 404


@pytest.fixture
def run_hub() -> Iterator[Any]:
    yield lambda hub: plane.register(hub)
    plane.register(None)


@pytest.mark.parametrize(
    ("hub", "status", "numbers"),
    [
        (StandInHub(), "healthy", (0, 0, 0)),
        (StandInHub(a="connected", b="off"), "healthy", (1, 1, 0)),
        (StandInHub(a="connected", b="sleeping"), "healthy", (2, 1, 0)),
        (StandInHub(a="connected", b="new"), "starting", (2, 1, 1)),
        (StandInHub(a="connected", b="connecting", age=1000), "degraded", (2, 1, 1)),
        (StandInHub(a="connected", b="retrying"), "degraded", (2, 1, 1)),
        (StandInHub(a="oauth_required"), "degraded", (1, 0, 1)),
    ],
)
def test_health_tells_how_the_hub_is(
    hub: StandInHub, status: str, numbers: tuple[int, int, int], run_hub: Any, anonymous: Caller, db: None
) -> None:
    run_hub(hub)
    reply = anonymous.get("/health")
    counts = reply.body["servers"]
    assert (reply.status, reply.body["status"]) == (200, status)
    assert (counts["total"], counts["connected"], counts["disconnected"]) == numbers
    assert "details" not in reply.body


def test_health_tells_admins_which_server_and_why(run_hub: Any, admin: Caller, anonymous: Caller) -> None:
    run_hub(StandInHub(secretive="retrying"))
    (detail,) = admin.get("/health").body["details"]
    assert (detail["name"], detail["state"], detail["reason"]) == ("secretive", "retrying", "because")
    body = anonymous.get("/health", headers={"x-auth-token": "stale"}).body
    assert body["reasons"] == ["1 server is failing and being retried."]
    assert "secretive" not in str(body)


def test_a_hub_without_its_database_is_unhealthy(run_hub: Any, anonymous: Caller, db: None) -> None:
    run_hub(StandInHub(a="connected"))
    with mock.patch("servers.health.connection.cursor", side_effect=OperationalError):
        assert anonymous.get("/health").status == 503


def test_clearing_caches_tells_of_each_tool(
    admin: Caller, dana: Caller, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    npm = tmp_path / "npm"
    npm.write_text('#!/bin/sh\ntest -z "$JWT_SECRET" || exit 3\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("JWT_SECRET", "x")
    monkeypatch.setattr("servers.caches.shutil.which", lambda name: str(npm) if name == "npm" else None)
    assert dana.post("/api/cache/clear").status == 403
    results = admin.post("/api/cache/clear").body["results"]
    assert (results["npm"]["status"], results["uv"]["status"]) == ("cleared", "skipped")
