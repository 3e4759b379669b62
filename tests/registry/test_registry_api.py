"""Every route of the registry API over HTTP: shapes, filters, errors, headers, limits, who may what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.actions import create_key
from accounts.models import User
from mcphub.actor import HUB
from registry.actions import change_entry, install_entry
from registry.models import Entry, Installation, UserSelection
from servers.models import Server
from servers.snapshots import DatabaseSnapshots
from tests.registry.conftest import discover
from tests.tools.rest import Caller, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shipped")]


def code(reply: Any) -> str:
    assert set(reply.body) == {"error", "request_id"}
    assert reply.body["request_id"] == reply.headers["X-Request-Id"]
    assert reply.body["request_id"].startswith("req_")
    return str(reply.body["error"]["code"])


def install(actor_name: str = "admin", visibility: str = "public") -> Server:
    server = install_entry("time", actor=HUB).server
    Server.objects.filter(pk=server.pk).update(visibility=visibility)
    discover(server, "get_current_time", "convert_time")
    return Server.objects.get(pk=server.pk)


# -- the catalogue ---------------------------------------------------------------------------------------------------


def test_anyone_lists_the_catalogue_in_the_order_of_names(nobody: Caller) -> None:
    body = nobody.get("/mcp_registry").body
    names = [server["name"] for server in body["servers"]]
    assert body["total"] == len(names) == 126
    assert names == sorted(names)
    assert set(body["servers"][0]) >= {
        "name", "display_name", "description", "version", "tools_count", "category", "tags", "url", "icon",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("category=version-control", {"github", "gitlab"}),
        ("tag=browser", {"playwright"}),
        ("search=postgr", {"postgres"}),
        ("search=Web+Sear&category=custom", {"brave-search"}),
        ("transport=sse", {"home-assistant"}),
        ("source=builtin", {"time"}),
    ],
)
def test_filters_narrow_the_catalogue(nobody: Caller, query: str, expected: set[str]) -> None:
    body = nobody.get(f"/mcp_registry?{query}").body
    assert expected <= {server["name"] for server in body["servers"]}
    assert body["total"] <= 126


def test_a_page_is_cut_by_limit_and_offset(nobody: Caller) -> None:
    every = [server["name"] for server in nobody.get("/mcp_registry").body["servers"]]
    page = nobody.get("/mcp_registry?limit=5&offset=10").body
    assert [server["name"] for server in page["servers"]] == every[10:15]
    assert page["total"] == 126


def test_an_entry_tells_its_credentials(nobody: Caller) -> None:
    body = nobody.get("/mcp_registry/github").body
    assert body["authentication"] == {
        "type": "token",
        "required": True,
        "env_var": "GITHUB_PERSONAL_ACCESS_TOKEN",
        "setup_url": "https://github.com/settings/personal-access-tokens",
    }
    assert body["supported_platforms"] == ["linux", "macos", "windows"]
    assert {"name", "description"} == set(body["tools"][0])


def test_every_path_answers_with_a_trailing_slash_too(nobody: Caller) -> None:
    assert nobody.get("/mcp_registry/").status == nobody.get("/mcp_registry/time/").status == 200


def test_an_unknown_entry_is_not_found(nobody: Caller) -> None:
    reply = nobody.get("/mcp_registry/nope")
    assert (reply.status, code(reply)) == (404, "SERVER_NOT_FOUND")


def test_drafts_and_hidden_entries_are_unknown(nobody: Caller, admin: Caller) -> None:
    change_entry("time", actor=HUB, status="hidden")
    assert nobody.get("/mcp_registry/time").status == admin.get("/mcp_registry/time").status == 404
    assert nobody.get("/mcp_registry").body["total"] == 125


# -- curation --------------------------------------------------------------------------------------------------------

ACME = {"name": "acme", "display_name": "Acme", "config": {"command": "acme-mcp", "args": ["--stdio"]}}


def test_an_admin_makes_changes_and_removes_an_entry(admin: Caller, nobody: Caller) -> None:
    made = admin.post(
        "/admin/mcp_registry", {**ACME, "tags": ["a"], "tools_count": 3, "rate_limit": {"requests_per_hour": 60}}
    )
    assert made.status == 201
    assert made.body == nobody.get("/mcp_registry/acme").body
    assert (made.body["category"], made.body["source"], made.body["rate_limit"]) == (
        "custom",
        "custom",
        {"requests_per_hour": 60},
    )
    changed = admin("PATCH", "/admin/mcp_registry/acme", {"description": "New", "category": "databases"})
    assert (changed.status, changed.body["description"], changed.body["category"]) == (200, "New", "databases")
    assert admin.delete("/admin/mcp_registry/acme").status == 204
    assert nobody.get("/mcp_registry/acme").status == 404


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"display_name": "X"}, {"missing_fields": ["name"]}),
        ({}, {"missing_fields": ["name", "display_name"]}),
        ({"name": 5, "display_name": "X"}, {"field": "name"}),
        ({"name": "Bad Name", "display_name": "X"}, {"field": "name"}),
        ({**ACME, "category": "games"}, {"field": "category"}),
        ({**ACME, "tools_count": -1}, {"field": "tools_count"}),
        ({**ACME, "tags": "a"}, {"field": "tags"}),
        ({**ACME, "url": "javascript:alert(1)"}, {"field": "website"}),
    ],
)
def test_a_wrong_entry_is_refused_by_field(admin: Caller, body: dict[str, Any], details: dict[str, Any]) -> None:
    reply = admin.post("/admin/mcp_registry", body)
    assert (reply.status, code(reply)) == (400, "INVALID_REQUEST")
    assert reply.body["error"]["details"] == details


def test_a_taken_name_conflicts(admin: Caller) -> None:
    reply = admin.post("/admin/mcp_registry", {**ACME, "name": "time"})
    assert (reply.status, code(reply)) == (409, "ALREADY_EXISTS")


def test_malformed_json_is_an_invalid_request(admin: Caller) -> None:
    reply = admin.post("/admin/mcp_registry", "{")
    assert (reply.status, code(reply)) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/admin/mcp_registry"), ("PATCH", "/admin/mcp_registry/time"), ("DELETE", "/admin/mcp_registry/time"),
     ("POST", "/admin/mcp_registry/sync-to-supabase")],
)  # fmt: skip
def test_only_admins_curate(dana: Caller, nobody: Caller, method: str, path: str) -> None:
    refused = dana(method, path, {})
    assert (refused.status, code(refused)) == (403, "FORBIDDEN")
    assert refused.body["error"]["details"] == {"required_role": "admin", "current_role": "user"}
    assert (nobody(method, path, {}).status, code(nobody(method, path, {}))) == (401, "UNAUTHORIZED")


def test_what_an_admin_edited_outlives_the_next_load_and_what_is_removed_stays_away(
    admin: Caller, nobody: Caller
) -> None:
    from registry.actions import load_catalogue

    admin("PATCH", "/admin/mcp_registry/time", {"description": "Ours"})
    admin.delete("/admin/mcp_registry/fetch")
    Entry.objects.filter(name="time").update(upstream={})
    load_catalogue(actor=HUB)
    time = nobody.get("/mcp_registry/time").body
    assert (time["description"], time["display_name"]) == ("Ours", "Time")
    assert nobody.get("/mcp_registry/fetch").status == 404


def test_a_deleted_entry_leaves_its_servers(admin: Caller) -> None:
    server = install()
    assert admin.delete("/admin/mcp_registry/time").status == 204
    assert Server.objects.filter(pk=server.pk).exists()


# -- one's own servers -----------------------------------------------------------------------------------------------


def test_servers_carry_ones_own_state(admin: Caller, dana: Caller) -> None:
    install()
    body = dana.get("/mcp_servers").body
    time = next(server for server in body["servers"] if server["name"] == "time")
    assert (time["installed"], time["enabled"], time["tools_count"]) == (True, True, 2)
    assert (body["total"], body["enabled_count"]) == (126, 1)
    assert [one["name"] for one in dana.get("/mcp_servers?installed=true").body["servers"]] == ["time"]
    assert dana.get("/mcp_servers?enabled=false").body["total"] == 125
    assert dana.get("/mcp_servers?enabled=maybe").status == 400


def test_a_server_that_is_not_ones_own_to_see_is_not_installed(dana: Caller) -> None:
    install(visibility="private")
    assert dana.get("/mcp_servers?installed=true").body["total"] == 0
    assert dana.get("/tools/installed").body == {"tools": [], "total": 0}


def test_a_switch_is_ones_own(dana: Caller, admin: Caller) -> None:
    server = install()
    off = dana.post("/mcp_servers/toggle", {"server": "time", "enabled": False})
    assert off.body == {"server": "time", "enabled": False, "status": "deactivated", "tools_enabled": 0}
    assert dana.get("/mcp_servers").body["enabled_count"] == 0
    assert admin.get("/mcp_servers").body["enabled_count"] == 1
    assert DatabaseSnapshots().build().servers["time"].switched_off == frozenset({"dana"})
    on = dana.post("/mcp_servers/toggle", {"server": "time", "enabled": True})
    assert on.body == {"server": "time", "enabled": True, "status": "activated", "tools_enabled": 2}
    assert Server.objects.get(pk=server.pk).enabled


def test_installed_tools_bear_their_own_names(dana: Caller) -> None:
    install()
    body = dana.get("/tools/installed").body
    assert body["total"] == 2
    assert body["tools"][0] == {
        "name": "get_current_time",
        "server": "time",
        "description": "Does get_current_time",
        "enabled": True,
    }


def test_switching_on_installs_what_needs_nothing(admin: Caller) -> None:
    reply = admin.post("/mcp_servers/toggle", {"server": "time", "enabled": True})
    assert (reply.status, reply.body["status"]) == (200, "activated")
    installation = Installation.objects.get()
    assert (installation.entry_name, installation.server.transport) == ("time", "stdio")


def test_missing_credentials_are_named(admin: Caller) -> None:
    reply = admin.post("/mcp_servers/toggle", {"server": "brave-search", "enabled": True})
    assert (reply.status, code(reply)) == (400, "INVALID_REQUEST")
    assert reply.body["error"]["details"]["missing_env"] == ["BRAVE_API_KEY"]
    given = {"server": "brave-search", "enabled": True, "answers": {"BRAVE_API_KEY": "secret"}}
    assert admin.post("/mcp_servers/toggle", given).status == 200
    assert Server.objects.get(name="brave-search").config["env"] == {"BRAVE_API_KEY": "secret"}


def test_users_install_only_what_is_open_to_them(dana: Caller) -> None:
    refused = dana.post("/mcp_servers/toggle", {"server": "time", "enabled": True})
    assert (refused.status, code(refused)) == (403, "FORBIDDEN")
    change_entry("time", actor=HUB, self_service=True)
    assert dana.post("/mcp_servers/toggle", {"server": "time", "enabled": True}).status == 200
    assert Server.objects.get().owner == "dana"


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"server": "nope", "enabled": True}, 404, "SERVER_NOT_FOUND"),
        ({"server": "nope", "enabled": False}, 404, "SERVER_NOT_FOUND"),
        ({"enabled": True}, 400, "INVALID_REQUEST"),
        ({"server": "time", "enabled": "yes"}, 400, "INVALID_REQUEST"),
        ({"server": 5, "enabled": True}, 400, "INVALID_REQUEST"),
    ],
)
def test_a_wrong_toggle_is_refused(admin: Caller, body: dict[str, Any], status: int, expected: str) -> None:
    reply = admin.post("/mcp_servers/toggle", body)
    assert (reply.status, code(reply)) == (status, expected)


@pytest.mark.parametrize("path", ["/mcp_servers", "/tools/installed", "/user-servers/servers"])
def test_ones_own_state_needs_a_key(nobody: Caller, path: str) -> None:
    reply = nobody.get(path)
    assert (reply.status, code(reply)) == (401, "UNAUTHORIZED")
    assert "X-RateLimit-Limit" in reply.headers


# -- devices ---------------------------------------------------------------------------------------------------------


def test_a_selection_travels_between_devices(dana: Caller) -> None:
    install()
    first = dana.get("/user-servers/servers").body
    assert (first["enabled_servers"], first["enabled_packs"]) == (["time"], [])
    stored = dana.post("/user-servers/servers", {"enabled_servers": ["time", "fetch", "nope"]}).body
    assert stored["applied"] == ["time"]
    assert stored["skipped"] == [
        {"server": "fetch", "reason": "not_installed"},
        {"server": "nope", "reason": "not_found"},
    ]
    assert dana.get("/user-servers/servers").body["enabled_servers"] == ["time", "fetch", "nope"]
    stale = dana.post("/user-servers/servers", {"installed_servers": [], "version": stored["version"] - 1})
    assert (stale.status, code(stale)) == (409, "VERSION_CONFLICT")
    empty = dana.post("/user-servers/servers", {"installed_servers": [], "version": stored["version"]}).body
    assert (empty["applied"], empty["version"]) == ([], stored["version"] + 1)
    assert dana.get("/mcp_servers").body["enabled_count"] == 0


def test_a_selection_names_what_lacks_credentials(dana: Caller) -> None:
    change_entry("brave-search", actor=HUB, self_service=True)
    body = dana.post("/user-servers/servers", {"enabled_servers": ["brave-search"]}).body
    assert body["skipped"] == [{"server": "brave-search", "reason": "missing_env"}]


@pytest.mark.parametrize(
    "body", [{}, {"enabled_servers": "time"}, {"enabled_servers": [1]}, {"enabled_servers": [], "version": "7"}]
)
def test_a_wrong_selection_is_refused(dana: Caller, body: dict[str, Any]) -> None:
    reply = dana.post("/user-servers/servers", body)
    assert (reply.status, code(reply)) == (400, "INVALID_REQUEST")


def test_the_selection_is_applied_again_by_a_job(dana: Caller) -> None:
    from registry.tasks import reapply_selection

    dana.post("/user-servers/servers", {"enabled_servers": ["time"]})
    install()
    reply = dana.post("/user-servers/sync-trigger")
    assert (reply.status, reply.body["status"]) == (202, "queued")
    assert reply.body["task_id"]
    assert reapply_selection("dana") == 1
    assert UserSelection.objects.get().servers == ["time"]


# -- keys and limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key", "X-Admin-Key"])
def test_any_key_of_the_hub_is_accepted_in_any_header(add_user: Callable[..., User], header: str) -> None:
    add_user("dana")
    _, token = create_key(actor=HUB, name="mine", kind="user", owner="dana")
    value = f"Bearer {token}" if header == "Authorization" else token
    assert Caller({header: value}).get("/mcp_servers").status == 200
    assert Caller({header: value + "x"}).get("/mcp_servers").status == 401


def test_a_key_in_the_address_is_none(add_user: Callable[..., User]) -> None:
    add_user("dana")
    _, token = create_key(actor=HUB, name="mine", kind="user", owner="dana")
    assert Caller({}).get(f"/mcp_servers?api_key={token}&token={token}").status == 401


def test_a_system_key_for_everything_is_an_admins(db: None) -> None:
    _, token = create_key(actor=HUB, name="all", access="all")
    assert Caller({"X-Admin-Key": token}).post("/admin/mcp_registry", ACME).status == 201


@pytest.mark.parametrize(("plan", "own", "limit"), [("free", None, 10), ("pro", None, 100), ("enterprise", 3, 3)])
def test_a_plan_bounds_the_requests_of_a_minute(
    add_user: Callable[..., User], plan: str, own: int | None, limit: int
) -> None:
    user = add_user("dana", plan=plan)
    User.objects.filter(pk=user.pk).update(plan_limit=own)
    caller = signed_in(user)
    for used in range(1, limit + 1):
        reply = caller.get("/mcp_registry/time")
        assert reply.status == 200
        assert int(reply.headers["X-RateLimit-Remaining"]) == limit - used
    refused = caller.get("/mcp_registry")
    assert (refused.status, code(refused)) == (429, "RATE_LIMITED")
    details = refused.body["error"]["details"]
    assert (details["limit"], details["window_seconds"]) == (limit, 60)
    assert int(refused.headers["Retry-After"]) == details["retry_after"]
    assert refused.headers["X-RateLimit-Limit"] == str(limit)


def test_anonymous_callers_share_their_addresss_limit(nobody: Caller) -> None:
    statuses = [nobody.get("/mcp_registry/time").status for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2


def test_admins_are_not_limited(admin: Caller) -> None:
    assert {admin.get("/mcp_registry/time").status for _ in range(30)} == {200}
