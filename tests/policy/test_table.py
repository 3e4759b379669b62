"""The one table of who may do what, asked at every door: REST, MCP, templates.

What a caller may not see must answer as what does not exist: same status, same words, same length.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.policy.world import CALLERS, GROUPS, SERVERS, USERS, Answer, World

#: Which servers each person may see and use, and which they manage.
SEEN = {
    "admin": {"private", "shared", "public", "foreign"},
    "alice": {"public", "foreign"},
    "bob": {"shared", "public"},
    "carol": {"public"},
}
MANAGED = {"admin": set(SERVERS), "alice": {"foreign"}, "bob": set(), "carol": set()}
#: Over REST only people and keys to everything are someone.
REST_SEEN = SEEN | {"key-all": SEEN["admin"]}
REST_MANAGED = MANAGED | {"key-all": SEEN["admin"]}
#: What each may reach over MCP: on the global route, and on the routes of single servers.
MCP_GLOBAL = SEEN | {"key-all": SEEN["admin"], "key-user": SEEN["bob"]}
MCP_SERVER = MCP_GLOBAL | {"key-servers": {"shared"}, "key-custom": {"foreign"}}
#: … and on the routes of groups, each of which holds the one server it is named after. A key for every server of a
#: group is a key for the group.
MCP_GROUP = MCP_SERVER | {"key-groups": {"private"}, "key-custom": {"public", "foreign"}}
#: Callers that are nobody at a door, whatever they ask for.
SCOPED = {"key-groups", "key-servers", "key-custom"}


def strangers(table: dict[str, set[str]]) -> set[str]:
    return set(CALLERS) - table.keys()


def alike(one: Answer, other: Answer, *names: str) -> None:
    """Two answers that differ in nothing but the names that were asked for."""
    assert one.status == other.status
    assert without(one.body, names) == without(other.body, names)
    assert one.size == other.size
    assert steady(one) == steady(other)


def steady(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.lower() not in ("date", "x-request-id")}


def without(body: Any, names: tuple[str, ...]) -> str:
    return re.sub("|".join(map(re.escape, names)), "…", str(body))


@pytest.mark.parametrize("who", CALLERS)
class TestRest:
    """Routes of servers and groups."""

    def test_lists_show_what_may_be_seen_and_in_the_stored_order(self, world: World, who: str) -> None:
        servers, groups = world.ask(who, "GET", "/api/servers"), world.ask(who, "GET", "/api/groups")
        if who not in REST_SEEN:
            assert (servers.status, groups.status) == (401, 401)
            return
        seen = [name for name in SERVERS if name in REST_SEEN[who]]
        assert [server["name"] for server in servers.body["data"]] == seen
        assert [group["name"] for group in groups.body["data"]] == [f"g-{name}" for name in seen]
        paged = world.ask(who, "GET", "/api/servers?limit=1").body
        assert paged["pagination"]["total"] == len(paged["allServers"]) == len(seen)
        assert [cost["name"] for cost in world.ask(who, "GET", "/api/cost/servers").body["data"]] == seen
        named = world.ask(who, "GET", "/api/openapi/servers").body["data"]
        assert named == seen

    @pytest.mark.parametrize("server", SERVERS)
    def test_reading_shows_how_a_server_is_reached_only_to_who_manages_it(
        self, world: World, who: str, server: str
    ) -> None:
        read = world.ask(who, "GET", f"/api/servers/{server}")
        if who not in REST_SEEN:
            assert read.status == 401
        elif server not in REST_SEEN[who]:
            assert read.status == 404
        else:
            config = read.body["data"]["config"]
            assert ("command" in config) == ("args" in config) == (server in REST_MANAGED[who])
            assert config.get("configRestricted", False) == (server not in REST_MANAGED[who])

    @pytest.mark.parametrize("server", SERVERS)
    def test_writing_is_for_who_manages(self, world: World, who: str, server: str) -> None:
        change = {"config": {"description": f"changed by {who}"}}
        expected = self.expected_of_a_write(who, server)
        assert world.ask(who, "PUT", f"/api/servers/{server}", change).status == expected
        described = world.ask(who, "PUT", f"/api/servers/{server}/tools/nope/description", {"description": who})
        assert described.status == expected
        # Of groups the contract tells no difference between what may not be changed and what is not there.
        group = world.ask(who, "PUT", f"/api/groups/g-{server}", {"description": f"changed by {who}"})
        assert group.status == (404 if expected == 403 else expected)

    def expected_of_a_write(self, who: str, server: str) -> int:
        if who not in REST_SEEN:
            return 401
        if server not in REST_SEEN[who]:
            return 404
        return 200 if server in REST_MANAGED[who] else 403

    @pytest.mark.parametrize("server", SERVERS)
    def test_calling_is_for_who_sees(self, world: World, who: str, server: str) -> None:
        expected = 401 if who not in REST_SEEN else 200 if server in REST_SEEN[who] else 404
        body = {"toolName": "echo", "arguments": {"text": "hi"}}
        assert world.ask(who, "POST", f"/api/tools/call/{server}", body).status == expected
        assert world.ask(who, "POST", f"/api/tools/{server}/echo", {"text": "hi"}).status == expected
        assert world.ask(who, "POST", f"/api/g-{server}/tools/{server}/echo", {"text": "hi"}).status == expected
        assert world.ask(who, "GET", f"/api/{server}/openapi.json").status == expected
        prompt = {"arguments": {"name": "you"}}
        assert world.ask(who, "POST", f"/api/mcp/{server}/prompts/greet", prompt).status == expected

    @pytest.mark.parametrize("server", SERVERS)
    def test_exports_hold_only_what_may_be_seen(self, world: World, who: str, server: str) -> None:
        whole = world.ask(who, "POST", "/api/templates/export", {"name": "t"})
        group = world.ask(who, "GET", f"/api/templates/export/groups/g-{server}")
        if who not in REST_SEEN:
            assert (whole.status, group.status) == (401, 401)
            return
        assert set(whole.body["data"]["servers"]) == REST_SEEN[who]
        assert {one["name"] for one in whole.body["data"]["groups"]} == {f"g-{name}" for name in REST_SEEN[who]}
        assert group.status == (200 if server in REST_SEEN[who] else 404)
        by_id = world.ask(who, "POST", "/api/templates/export", {"name": "t", "groupIds": [f"g-{server}"]})
        assert set(by_id.body["data"]["servers"]) == {server} & REST_SEEN[who]


@pytest.mark.parametrize("who", CALLERS)
class TestMcp:
    """Routes of the gateway."""

    def test_the_global_route_lists_what_may_be_seen(self, world: World, who: str) -> None:
        listed = world.rpc(who, "/mcp", "tools/list")
        if who in strangers(MCP_GLOBAL):
            assert listed.status == 401
            return
        names = [tool["name"].partition("-")[0] for tool in listed.body["result"]["tools"]]
        assert list(dict.fromkeys(names)) == [name for name in SERVERS if name in MCP_GLOBAL[who]]

    @pytest.mark.parametrize("server", SERVERS)
    def test_a_server_and_its_group_are_doors_for_who_may_use_them(self, world: World, who: str, server: str) -> None:
        for path, table in ((f"/mcp/{server}", MCP_SERVER), (f"/mcp/g-{server}", MCP_GROUP)):
            tool = f"{server}-echo"
            called = world.rpc(who, path, "tools/call", {"name": tool, "arguments": {"text": "hi"}}, tool)
            assert called.status == self.expected_of_a_call(who, server, table), path
            if called.status == 200:
                assert called.body["result"]["content"][0]["text"] == "hi"

    def expected_of_a_call(self, who: str, server: str, table: dict[str, set[str]]) -> int:
        if server in table.get(who, ()):
            return 200
        return 401 if who in strangers(MCP_GLOBAL) else 404

    @pytest.mark.parametrize("server", SERVERS)
    def test_the_global_route_calls_only_what_may_be_seen(self, world: World, who: str, server: str) -> None:
        tool = f"{server}-echo"
        called = world.rpc(who, "/mcp", "tools/call", {"name": tool, "arguments": {"text": "hi"}}, tool)
        if who in strangers(MCP_GLOBAL):
            assert called.status == 401
        else:
            assert ("result" in called.body) == (server in MCP_GLOBAL[who])


def hidden_from(who: str) -> list[str]:
    return sorted(set(SERVERS) - REST_SEEN.get(who, set()))


#: Every way to ask for one server or group by name: method, path, body.
PROBES: list[tuple[str, str, Any]] = [
    ("GET", "/api/servers/{name}", None),
    ("PUT", "/api/servers/{name}", {"config": {"description": "x"}}),
    ("DELETE", "/api/servers/{name}", None),
    ("POST", "/api/servers/{name}/toggle", {"enabled": True}),
    ("POST", "/api/servers/{name}/reload", {}),
    ("POST", "/api/servers/{name}/reinstall", {}),
    ("POST", "/api/servers/{name}/oauth/disconnect", {}),
    ("GET", "/api/servers/{name}/share-candidates", None),
    ("POST", "/api/servers/{name}/tools/echo/toggle", {"enabled": True}),
    ("PUT", "/api/servers/{name}/tools/echo/description", {"description": "x"}),
    ("DELETE", "/api/servers/{name}/prompts/greet/description", None),
    ("POST", "/api/tools/call/{name}", {"toolName": "echo"}),
    ("POST", "/api/tools/{name}/echo", {"text": "x"}),
    ("GET", "/api/tools/{name}/echo?text=x", None),
    ("POST", "/api/{name}/tools/{name}/echo", {"text": "x"}),
    ("POST", "/api/mcp/{name}/prompts/greet", {}),
    ("GET", "/api/{name}/openapi.json", None),
    ("GET", "/api/openapi.json?servers={name}", None),
    ("GET", "/api/openapi.json?group=g-{name}", None),
    ("GET", "/api/groups/g-{name}", None),
    ("PUT", "/api/groups/g-{name}", {"description": "x"}),
    ("DELETE", "/api/groups/g-{name}", None),
    ("POST", "/api/groups/g-{name}/servers", {"serverName": "public"}),
    ("GET", "/api/groups/g-{name}/server-configs", None),
    ("GET", "/api/templates/export/groups/g-{name}", None),
]


@pytest.mark.parametrize("who", USERS)
@pytest.mark.parametrize(("method", "path", "body"), PROBES, ids=[f"{method} {path}" for method, path, _ in PROBES])
def test_what_is_hidden_answers_as_what_is_not_there(world: World, who: str, method: str, path: str, body: Any) -> None:
    for server in hidden_from(who):
        missing = "x" * len(server)
        hidden = world.ask(who, method, path.format(name=server), body)
        absent = world.ask(who, method, path.format(name=missing), body)
        alike(hidden, absent, server, missing)


@pytest.mark.parametrize("who", USERS)
def test_over_mcp_too_what_is_hidden_answers_as_what_is_not_there(world: World, who: str) -> None:
    for server in hidden_from(who):
        missing = "x" * len(server)
        for path in ("/mcp/{name}", "/mcp/g-{name}"):
            hidden, absent = (world.rpc(who, path.format(name=name), "tools/list") for name in (server, missing))
            alike(hidden, absent, server, missing)
        hidden, absent = (
            world.rpc(who, "/mcp", "tools/call", {"name": f"{name}-echo", "arguments": {}}, f"{name}-echo")
            for name in (server, missing)
        )
        alike(hidden, absent, server, missing)


@pytest.mark.parametrize("who", sorted(SCOPED))
def test_a_scoped_key_is_told_the_same_of_hidden_and_absent_doors(world: World, who: str) -> None:
    for server in set(SERVERS) - MCP_SERVER.get(who, set()):
        missing = "x" * len(server)
        hidden, absent = (world.rpc(who, f"/mcp/{name}", "tools/list") for name in (server, missing))
        alike(hidden, absent, server, missing)
    for group in {group for group, server in GROUPS.items() if server not in MCP_GROUP.get(who, set())}:
        missing = "x" * len(group)
        hidden, absent = (world.rpc(who, f"/mcp/{name}", "tools/list") for name in (group, missing))
        alike(hidden, absent, group, missing)


@pytest.mark.parametrize("who", USERS)
def test_nobody_puts_a_hidden_server_into_a_group(world: World, who: str) -> None:
    made = world.ask(who, "POST", "/api/groups", {"name": f"of-{who}", "servers": list(SERVERS)})
    try:
        assert {member["name"] for member in made.body["data"]["servers"]} == SEEN[who]
        for server in hidden_from(who):
            path = f"/api/groups/{made.body['data']['id']}/servers"
            assert world.ask(who, "POST", path, {"serverName": server}).status == 404
        tools = world.rpc(who, f"/mcp/of-{who}", "tools/list").body["result"]["tools"]
        assert {tool["name"].partition("-")[0] for tool in tools} == SEEN[who]
    finally:
        world.ask(who, "DELETE", f"/api/groups/{made.body['data']['id']}")
