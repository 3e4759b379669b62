"""Who may enter which door (REST contract 2.6 and 4.5, behaviour 1.2 and 6.4, defects 4, 18, 41, 42, 49)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mcphub.bus import KeyRevoked
from mcphub.gateway.principal import Principal
from mcphub.gateway.snapshot import GroupSpec, Member, Snapshot, Switches
from tests.gateway.world import TOKENS, FakeAuthenticator, World, server, snapshot, tool, until

NARROW = "22222222-2222-4222-8222-222222222222"
WIDE = "11111111-1111-4111-8111-111111111111"


def key(access: str, *, groups: tuple[str, ...] = (), servers: tuple[str, ...] = ()) -> Principal:
    return Principal(
        f"key:{access}",
        unrestricted=True,
        access=access,  # type: ignore[arg-type]
        groups=frozenset(groups),
        servers=frozenset(servers),
    )


KEYS = {
    "groups": key("groups", groups=("narrow",)),
    "groups-by-id": key("groups", groups=(WIDE,)),
    "servers": key("servers", servers=("public",)),
    "custom": key("custom", groups=("narrow",), servers=("private",)),
}


def things(**switches: Any) -> Snapshot:
    """public (everyone), shared (with dana), private (admin's), danas (dana's), off (switched off)."""
    groups = [
        GroupSpec(WIDE, "wide", (Member("public"), Member("private")), visibility=None),
        GroupSpec(NARROW, "narrow", (Member("public"),), visibility=None),
        GroupSpec("33333333-3333-4333-8333-333333333333", "empty", (), visibility="public"),
        GroupSpec("44444444-4444-4444-8444-444444444444", "hidden", (Member("public"),), visibility="private"),
        GroupSpec("55555555-5555-4555-8555-555555555555", "danas-group", (Member("public"),), owner="dana"),
    ]
    return snapshot(
        server("public", tool("t")),
        server("shared", tool("t"), visibility="group", shared_with=frozenset({"dana"})),
        server("private", tool("t"), visibility="private"),
        server("danas", tool("t"), visibility="private", owner="dana"),
        server("off", tool("t"), enabled=False),
        groups={group.key: group for group in groups},
        switches=Switches(rate_per_minute=0, **switches),
    )


@pytest.fixture
async def hub() -> Any:
    made = World(authenticator=FakeAuthenticator({**TOKENS, **KEYS}, {"jwt-dana": TOKENS["dana"]}))
    made.app.swap(things())
    yield made
    await made.aclose()


async def knock(hub: World, path: str, token: str | None, headers: dict[str, str] | None = None) -> int:
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18",
            "capabilities": {}}}  # fmt: skip
    return (await hub.request("POST", path, body, token=token, headers=headers)).status


async def tools(hub: World, path: str, token: str | None) -> list[str]:
    reply = await hub.modern("tools/list", path=path, token=token)
    return [each["name"] for each in reply.json["result"]["tools"]]


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        ("all", "/mcp", 200),
        ("all", "/mcp/wide", 200),
        ("all", f"/mcp/{NARROW}", 200),
        ("all", "/mcp/private", 200),
        ("all", "/mcp/nope", 404),
        ("all", "/mcp/Public", 404),
        ("groups", "/mcp", 401),
        ("groups", "/mcp/narrow", 200),
        ("groups", f"/mcp/{NARROW}", 200),
        ("groups", "/mcp/wide", 401),
        ("groups", "/mcp/public", 401),
        ("groups", "/mcp/nope", 401),
        ("groups-by-id", "/mcp/wide", 200),
        ("servers", "/mcp", 401),
        ("servers", "/mcp/public", 200),
        ("servers", "/mcp/private", 401),
        ("servers", "/mcp/narrow", 200),
        ("servers", "/mcp/wide", 401),
        ("servers", "/mcp/empty", 401),
        ("servers", "/mcp/nope", 401),
        ("custom", "/mcp/narrow", 200),
        ("custom", "/mcp/private", 200),
        ("custom", "/mcp/public", 401),
        ("custom", "/mcp/wide", 401),
        ("dana", "/mcp", 200),
        ("dana", "/mcp/shared", 200),
        ("dana", "/mcp/danas", 200),
        ("dana", "/mcp/private", 404),
        ("dana", "/mcp/wide", 200),
        ("dana", "/mcp/hidden", 404),
        ("dana", "/mcp/danas-group", 200),
        ("erin", "/mcp/shared", 404),
        ("erin", "/mcp/danas-group", 404),
        ("bad", "/mcp", 401),
        (None, "/mcp", 401),
    ],
)
async def test_every_door_has_its_keys(hub: World, token: str | None, path: str, status: int) -> None:
    assert await knock(hub, path, token) == status


async def test_users_see_their_own_the_shared_and_the_public_servers(hub: World) -> None:
    assert await tools(hub, "/mcp", "dana") == ["public-t", "shared-t", "danas-t"]
    assert await tools(hub, "/mcp", "erin") == ["public-t"]
    assert await tools(hub, "/mcp/wide", "dana") == ["public-t"]
    assert await tools(hub, "/mcp", "all") == ["public-t", "shared-t", "private-t", "danas-t"]


async def test_what_is_hidden_and_what_does_not_exist_look_the_same(hub: World) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    hidden = await hub.request("POST", "/mcp/private", body, token="dana")
    missing = await hub.request("POST", "/mcp/nope", body, token="dana")
    assert (hidden.status, hidden.body) == (missing.status, missing.body)
    listed = await hub.modern("tools/call", {"name": "private-t"}, token="dana")
    nothing = await hub.modern("tools/call", {"name": "nowhere-t"}, token="dana")
    assert listed.body.replace(b"private", b"nowhere") == nothing.body


async def test_anonymous_callers_see_public_servers_only(hub: World) -> None:
    hub.app.swap(things(bearer_auth=False))
    assert await tools(hub, "/mcp", None) == ["public-t"]
    assert await tools(hub, "/mcp", "unknown token") == ["public-t"]
    assert await knock(hub, "/mcp/private", None) == 404
    assert await knock(hub, "/mcp/narrow", None) == 200
    assert await knock(hub, "/mcp/hidden", None) == 404
    assert await tools(hub, "/mcp", "dana") == ["public-t", "shared-t", "danas-t"]


async def test_a_refusal_tells_where_to_sign_in(hub: World) -> None:
    reply = await hub.request("POST", "/mcp/narrow", {}, token=None)
    url = "http://localhost:3000/.well-known/oauth-protected-resource"
    assert reply.json["error"] == "invalid_token"
    assert reply.json["resource_metadata"] == url
    assert reply.headers["www-authenticate"].startswith("Bearer ")
    assert f'resource_metadata="{url}"' in reply.headers["www-authenticate"]


async def test_other_schemes_are_no_credential(hub: World) -> None:
    assert await knock(hub, "/mcp", None, {"authorization": "Basic eDp5"}) == 401
    assert await knock(hub, "/mcp", None, {"authorization": "bearer all"}) == 200


async def test_the_credential_may_travel_in_another_header(hub: World) -> None:
    hub.app.swap(things(bearer_header="X-Hub-Key"))
    assert await knock(hub, "/mcp", "all") == 401
    assert await knock(hub, "/mcp", None, {"x-hub-key": "Bearer all"}) == 200


async def test_routes_that_are_switched_off_are_closed(hub: World) -> None:
    hub.app.swap(things(global_route=False))
    assert await knock(hub, "/mcp", "all") == 403
    assert await knock(hub, "/dana/mcp", "dana") == 403
    assert (await hub.request("GET", "/sse", token="all")).status == 403
    assert await knock(hub, "/mcp/public", "all") == 200
    hub.app.swap(things(group_name_route=False))
    assert await knock(hub, "/mcp/narrow", "all") == 404
    assert await knock(hub, "/mcp/narrow", "groups") == 401
    assert await knock(hub, f"/mcp/{NARROW}", "groups") == 200


async def test_a_group_shadows_a_server_of_its_name(hub: World) -> None:
    made = things()
    group = GroupSpec(NARROW, "public", (Member("private"),), visibility=None)
    hub.app.swap(replace(made, groups={**made.groups, NARROW: group}))
    assert await tools(hub, "/mcp/public", "all") == ["private-t"]


@pytest.mark.parametrize(
    ("path", "token", "headers", "status"),
    [
        ("/dana/mcp", "dana", {}, 200),
        ("/dana/mcp/public", "dana", {}, 200),
        ("/erin/mcp", "dana", {}, 403),
        ("/dana/mcp", "all", {}, 200),
        ("/ghost/mcp", "all", {}, 404),
        ("/dana/mcp", None, {}, 401),
        ("/dana/mcp", None, {"x-auth-token": "jwt-dana"}, 200),
        ("/erin/mcp", None, {"x-auth-token": "jwt-dana"}, 403),
        ("/mcp", None, {"x-auth-token": "jwt-dana"}, 401),
    ],
)
async def test_a_users_route_is_for_that_user(
    hub: World, path: str, token: str | None, headers: dict[str, str], status: int
) -> None:
    assert await knock(hub, path, token, headers) == status


async def test_a_users_route_needs_a_credential_even_where_others_do_not(hub: World) -> None:
    hub.app.swap(things(bearer_auth=False))
    assert await knock(hub, "/dana/mcp", None) == 401


@pytest.mark.parametrize(
    ("path", "owned"),
    [
        ("/mcp", True),
        ("/mcp/", True),
        ("/mcp/a/b", True),
        ("/sse", True),
        ("/sse/x", True),
        ("/messages", True),
        ("/dana/mcp", True),
        ("/dana/mcp/x", True),
        ("/dana/sse/x", True),
        ("/dana/messages", True),
        ("/.well-known/oauth-protected-resource", True),
        ("/.well-known/oauth-protected-resource/mcp/x", True),
        ("/.well-known/oauth-authorization-server", False),
        ("/api/mcp/x", False),
        ("/admin/mcp", False),
        ("/api/servers", False),
        ("/", False),
        ("", False),
        ("//mcp", False),
        ("/mcpx", False),
        ("/messages/x", False),
        ("/dana/other", False),
    ],
)
async def test_the_gateway_knows_its_paths(hub: World, path: str, owned: bool) -> None:
    assert hub.app.owns(path) is owned


async def test_a_base_path_comes_first() -> None:
    hub = World(base_path="/hub")
    hub.app.swap(snapshot(server("a", tool("t"))))
    assert hub.app.owns("/hub/mcp/a")
    assert hub.app.owns("/hub/dana/mcp")
    assert not hub.app.owns("/mcp")
    assert not hub.app.owns("/hubmcp")
    assert await knock(hub, "/hub/mcp/a", "all") == 200
    refused = await hub.request("POST", "/hub/mcp", {}, token=None)
    assert refused.json["resource_metadata"].endswith("/.well-known/oauth-protected-resource/hub")
    await hub.aclose()


async def test_the_protected_resource_metadata_is_served(hub: World) -> None:
    root = await hub.request("GET", "/.well-known/oauth-protected-resource", token=None)
    assert root.json["resource"] == "http://localhost:3000"
    assert root.json["authorization_servers"] == ["http://localhost:3000"]
    assert root.json["bearer_methods_supported"] == ["header"]
    below = await hub.request("GET", "/.well-known/oauth-protected-resource/mcp/a", token=None)
    assert below.json["resource"] == "http://localhost:3000/mcp/a"


async def test_a_deleted_users_keys_are_forgotten_with_the_user(hub: World) -> None:
    hub.authenticator.tokens["danas-key"] = Principal("key:7", username="dana", key_id="7")
    assert await knock(hub, "/mcp", "danas-key") == 200
    del hub.authenticator.tokens["danas-key"]
    hub.bus.publish(KeyRevoked("user:erin"))
    hub.bus.publish(KeyRevoked("user:dana"))
    await until(lambda: not hub.app._callers._known)
    assert await knock(hub, "/mcp", "danas-key") == 401


async def test_a_revoked_key_is_refused_at_once(hub: World) -> None:
    assert await knock(hub, "/mcp", "all") == 200
    asked = hub.authenticator.asked
    assert await knock(hub, "/mcp", "all") == 200
    assert hub.authenticator.asked == asked
    del hub.authenticator.tokens["all"]
    hub.bus.publish(KeyRevoked("key:all"))
    await until(lambda: not hub.app._callers._known)
    assert await knock(hub, "/mcp", "all") == 401
    assert await knock(hub, "/mcp", "all") == 401
    assert hub.authenticator.asked == asked + 1
    hub.authenticator.tokens["all"] = TOKENS["all"]
    hub.bus.publish(KeyRevoked(""))
    await until(lambda: not hub.app._callers._unknown)
    assert await knock(hub, "/mcp", "all") == 200
