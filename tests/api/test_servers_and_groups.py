"""Servers, their items and groups over HTTP, without a data plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from activities.models import AuditEntry
from mcphub import plane
from mcphub.actor import HUB
from servers.actions import add_server
from servers.models import DiscoveredItem, ItemOverride, Server
from servers.revision import current
from tests.tools.rest import Caller

SERVERS, GROUPS = "/api/servers", "/api/groups"
REMOTE = {"type": "streamable-http", "url": "https://example.invalid/mcp", "enabled": False}
STDIO = {"command": "uvx", "args": ["time-server", "--api-key", "k-123"], "env": {"TOKEN": "s3cret"}}


@pytest.fixture
def time_server(db: None) -> Server:
    server = add_server(actor=HUB, name="time", config={**STDIO, "owner": "admin", "visibility": "public"})
    for kind, key, definition in (
        ("tool", "now", '{"name":"now","description":"The time","inputSchema":{"type":"object"},"x-own":1}'),
        ("tool", "a/b", '{"name":"a/b","inputSchema":{"type":"object"}}'),
        ("prompt", "ask", '{"name":"ask"}'),
        ("resource", "time://zone/a", '{"uri":"time://zone/a","name":"zone"}'),
    ):
        DiscoveredItem.objects.create(server=server, kind=kind, key=key, definition=definition, fingerprint=key)
    return server


def tool(caller: Caller, name: str) -> dict[str, Any]:
    (server,) = (one for one in caller.get(SERVERS).data if one["name"] == "time")
    found: dict[str, Any] = next(item for item in server["tools"] if item["name"] == name)
    return found


def test_a_server_is_added_listed_changed_and_removed(admin: Caller) -> None:
    assert admin.post(SERVERS, {"name": "time", "config": STDIO}).body["success"] is True
    (listed,) = admin.get(SERVERS).data
    assert (listed["name"], listed["owner"], listed["status"]) == ("time", "admin", "connecting")
    assert listed["config"] == {"type": "stdio", "command": "uvx", "args": ["time-server", "--api-key", "********"]}
    assert admin.put(f"{SERVERS}/time", {"config": {"description": "clock"}, "newName": "clock"}).status == 200
    detail = admin.get(f"{SERVERS}/clock").data
    assert detail["config"]["description"] == "clock"
    assert admin.delete(f"{SERVERS}/clock").status == 200
    assert admin.get(f"{SERVERS}/clock").status == 404
    told = list(AuditEntry.objects.filter(subject="server").order_by("pk").values_list("action", flat=True))
    assert told == ["servers.add_server", "servers.change_server", "servers.remove_server"]


def test_secrets_are_masked_in_every_reading_and_survive_being_sent_back(admin: Caller) -> None:
    admin.post(SERVERS, {"name": "time", "config": STDIO})
    shown = admin.get(f"{SERVERS}/time").data["config"]
    assert "s3cret" not in str(admin.get(SERVERS).body) + str(shown)
    assert "k-123" not in str(admin.get(SERVERS).body) + str(shown)
    assert admin.put(f"{SERVERS}/time", {"config": shown}).status == 200
    kept = Server.objects.get(name="time").config
    assert (kept["env"], kept["args"]) == ({"TOKEN": "s3cret"}, STDIO["args"])


def test_what_an_update_leaves_out_stays(admin: Caller) -> None:
    config = {**REMOTE, "headers": {"X-Key": "v"}, "description": "d", "visibility": "public"}
    admin.post(SERVERS, {"name": "far", "config": config})
    assert admin.put(f"{SERVERS}/far", {"config": {"url": "https://other.example/mcp"}}).status == 200
    shown = admin.get(f"{SERVERS}/far").data["config"]
    assert (shown["type"], shown["url"]) == ("streamable-http", "https://other.example/mcp")
    assert (shown["description"], shown["visibility"], list(shown["headers"])) == ("d", "public", ["X-Key"])


def test_a_command_makes_a_remote_server_one_that_only_admins_may_have(dana: Caller) -> None:
    dana.post(SERVERS, {"name": "far", "config": REMOTE})
    assert dana.put(f"{SERVERS}/far", {"config": {"command": "sh"}}).status == 403
    assert Server.objects.get(name="far").transport == "streamable-http"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"name": "a b", "config": REMOTE}, 400),
        ({"name": "__proto__", "config": REMOTE}, 400),
        ({"name": "far"}, 400),
        ({"name": "far", "config": []}, 400),
        ({"name": "far", "config": {"type": "sse"}}, 400),
        ({"name": "far", "config": {"url": "ftp://x"}}, 400),
        ({"name": "far", "config": {**REMOTE, "visibility": "bogus"}}, 400),
        ({"name": "far", "config": {**REMOTE, "headers": {"X-Key": "********"}}}, 400),
        ({"name": "time", "config": REMOTE}, 409),
    ],
)
def test_a_server_that_breaks_a_rule_is_refused(admin: Caller, time_server: Server, body: object, status: int) -> None:
    assert admin.post(SERVERS, body).status == status
    assert Server.objects.count() == 1


def test_people_add_only_what_runs_elsewhere_and_own_it(dana: Caller) -> None:
    assert dana.post(SERVERS, {"name": "sh", "config": {"command": "sh"}}).status == 403
    assert dana.post(SERVERS, {"name": "far", "config": {**REMOTE, "owner": "admin"}}).status == 200
    assert Server.objects.get().owner == "dana"


def test_a_batch_judges_each_on_its_own(admin: Caller, dana: Caller) -> None:
    batch = {"servers": [{"name": "far", "config": REMOTE}, None, {"name": "sh", "config": {"command": "sh"}}]}
    some = dana.post(f"{SERVERS}/batch", batch)
    assert some.status == 207
    assert [one["success"] for one in some.data["results"]] == [True, False, False]
    assert (some.data["successCount"], some.data["failureCount"]) == (1, 2)
    assert admin.post(f"{SERVERS}/batch", {"servers": [None]}).status == 400
    assert admin.post(f"{SERVERS}/batch", {"servers": []}).status == 400
    assert admin.post(f"{SERVERS}/batch", {"servers": [{"name": "b", "config": REMOTE}]}).status == 200


def test_pages_put_servers_that_are_on_first(admin: Caller) -> None:
    for name, enabled in (("a", False), ("b", True), ("c", True)):
        admin.post(SERVERS, {"name": name, "config": {**REMOTE, "enabled": enabled}})
    page = admin.get(f"{SERVERS}?limit=2").body
    assert [server["name"] for server in page["data"]] == ["b", "c"]
    assert [server["name"] for server in page["allServers"]] == ["a", "b", "c"]
    for query in ("limit=0", "limit=1001", "limit=x", "page=0", "page=x", "page=-1&limit=2"):
        assert admin.get(f"{SERVERS}?{query}").status == 400, query
    assert admin.get(f"{SERVERS}?limit=2&page=9").data == []


def test_who_may_only_use_a_server_does_not_learn_how_it_is_reached(
    admin: Caller, dana: Caller, time_server: Server
) -> None:
    (listed,) = dana.get(SERVERS).data
    assert listed["config"] == {"type": "stdio", "configRestricted": True}
    assert "connection" not in listed
    shown = dana.get(f"{SERVERS}/time").data["config"]
    assert shown["configRestricted"] is True
    assert not {"command", "args", "env"} & shown.keys()
    assert dana.get(f"{SERVERS}/time/share-candidates").status == 403
    assert admin.get(f"{SERVERS}/time/share-candidates").data == ["dana"]


class Broken:
    """A hub whose one server cannot be reached."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def states(self) -> dict[str, dict[str, Any]]:
        told = {"state": "retrying", "reason": "connect ECONNREFUSED 10.0.0.7:80", "attempt": 3, "since": 5.0}
        return {str(self._server.pk): told}

    @property
    def snapshot(self) -> Any:
        return type("Snapshot", (), {"revision": current()})


@pytest.fixture
def broken(time_server: Server) -> Iterator[None]:
    plane.register(Broken(time_server))  # type: ignore[arg-type]  # as much of a hub as lists ask for
    yield
    plane.register(None)


def test_why_a_server_is_away_is_told_to_who_manages_it(admin: Caller, dana: Caller, broken: None) -> None:
    (mine,), (theirs,) = admin.get(SERVERS).data, dana.get(SERVERS).data
    assert (mine["status"], mine["connection"]["state"]) == ("disconnected", "retrying")
    assert "10.0.0.7" in mine["error"]
    assert theirs["error"] and "10.0.0.7" not in str(theirs)


def test_a_server_that_is_off_is_disconnected_and_nothing_is_wrong(admin: Caller, broken: None) -> None:
    assert admin.post(f"{SERVERS}/time/toggle", {"enabled": False}).status == 200
    (listed,) = admin.get(SERVERS).data
    assert (listed["status"], listed["error"], listed["enabled"]) == ("disconnected", None, False)
    assert admin.post(f"{SERVERS}/time/toggle", {"enabled": "no"}).status == 400


def test_a_tool_is_hidden_described_and_reset(admin: Caller, time_server: Server) -> None:
    path = f"{SERVERS}/time/tools/time-now"
    assert tool(admin, "time-now") == {
        "name": "time-now", "description": "The time", "defaultDescription": "The time",
        "hasDescriptionOverride": False, "inputSchema": {"type": "object"}, "enabled": True, "x-own": 1,
    }  # fmt: skip
    assert admin.post(f"{path}/toggle", {"enabled": False}).status == 200
    assert admin.put(f"{path}/description", {"description": "Another"}).status == 200
    shown = tool(admin, "time-now")
    assert (shown["enabled"], shown["description"], shown["hasDescriptionOverride"]) == (False, "Another", True)
    assert admin.get(f"{SERVERS}/time").data["config"]["tools"] == {
        "time-now": {"enabled": False, "description": "Another"}
    }
    assert admin.delete(f"{path}/description").data == {"description": "The time"}
    assert tool(admin, "time-now")["enabled"] is False


@pytest.mark.parametrize("sent", ["a%2Fb", "a%252Fb", "time-a%2Fb"])
def test_a_slash_in_a_name_travels_encoded(admin: Caller, time_server: Server, sent: str) -> None:
    assert admin.post(f"{SERVERS}/time/tools/{sent}/toggle", {"enabled": False}).status == 200
    assert list(ItemOverride.objects.values_list("key", "enabled")) == [("a/b", False)]


def test_a_resource_is_named_by_its_uri(admin: Caller, time_server: Server) -> None:
    path = f"{SERVERS}/time/resources/time%3A%2F%2Fzone%2Fa"
    assert admin.put(f"{path}/description", {"description": "A zone"}).status == 200
    (server,) = admin.get(SERVERS).data
    assert server["resources"] == [{"uri": "time://zone/a", "name": "zone", "description": "A zone", "enabled": True}]


@pytest.mark.parametrize("name", ["__proto__", "constructor", "prototype"])
def test_names_that_reach_a_prototype_are_refused(admin: Caller, time_server: Server, name: str) -> None:
    for kind in ("tools", "prompts", "resources"):
        assert admin.post(f"{SERVERS}/time/{kind}/{name}/toggle", {"enabled": False}).status == 400
    assert not ItemOverride.objects.exists()


def test_only_packages_of_npx_and_uvx_are_installed_again(admin: Caller, time_server: Server) -> None:
    admin.post(SERVERS, {"name": "sh", "config": {"command": "sh"}})
    admin.post(SERVERS, {"name": "far", "config": REMOTE})
    assert admin.post(f"{SERVERS}/sh/reinstall").status == 400
    assert admin.post(f"{SERVERS}/far/reinstall").status == 400
    before = Server.objects.get(name="time").generation
    assert admin.post(f"{SERVERS}/time/reload").status == 200
    assert Server.objects.get(name="time").generation == before + 1
    admin.post(f"{SERVERS}/time/toggle", {"enabled": False})
    assert admin.post(f"{SERVERS}/time/reinstall").status == 400
    assert admin.post(f"{SERVERS}/time/reload").status == 200


def test_tokens_are_forgotten_and_the_client_where_asked(admin: Caller) -> None:
    oauth = {"clientId": "c", "clientSecret": "s", "accessToken": "a", "refreshToken": "r", "scopes": ["x"]}
    admin.post(SERVERS, {"name": "far", "config": {**REMOTE, "oauth": oauth}})
    assert admin.get(SERVERS).data[0]["oauth"] == {"clientIdConfigured": True, "connected": True}
    path = f"{SERVERS}/far/oauth/disconnect"
    assert admin.post(path, {"scope": "some"}).status == 400
    assert admin.post(path, {}).data["scope"] == "tokens"
    assert Server.objects.get().config["oauth"] == {"clientId": "c", "clientSecret": "s", "scopes": ["x"]}
    assert admin.post(path, {"scope": "all"}).status == 200
    assert Server.objects.get().config["oauth"] == {"scopes": ["x"]}


DOCUMENT = {
    "openapi": "3.0.0",
    "info": {"title": "t", "version": "1"},
    "servers": [{"url": "https://example.invalid"}],
    "paths": {"/p": {"get": {"operationId": "getP", "responses": {"200": {"description": "ok"}}}}},
}


def test_an_openapi_import_can_be_tried(admin: Caller, dana: Caller) -> None:
    path = f"{SERVERS}/openapi/tool-stats"
    tried = dana.post(path, {"config": {"openapi": {"schema": DOCUMENT}}}).data
    assert tried["toolCount"] == 1
    assert 0 < tried["estimatedTokens"] < tried["definitionsBytes"]
    assert tried["declaredSecurity"]["declared"] is False
    unusable: list[Any] = [None, {}, {"openapi": {}}, {"openapi": {"schema": {"no": "document"}}}]
    for config in unusable:
        assert admin.post(path, {"config": config}).status == 400
    inside = {"config": {"openapi": {"url": "http://127.0.0.1:9/openapi.json"}}}
    for caller in (admin, dana):
        assert caller.post(path, inside).status == 400
    assert not Server.objects.exists()


class TestGroups:
    """Groups and their members."""

    @pytest.fixture(autouse=True)
    def _servers(self, time_server: Server) -> None:
        add_server(actor=HUB, name="hidden", config={**REMOTE, "owner": "admin"})

    def make(self, caller: Caller, **members: Any) -> dict[str, Any]:
        made = caller.post(GROUPS, {"name": "dev", **members})
        assert made.status == 201, made.body
        data: dict[str, Any] = made.data
        return data

    def test_a_group_is_added_changed_and_removed(self, dana: Caller) -> None:
        made = self.make(dana, servers=["time", "ghost", "hidden"], owner="admin", id="mine")
        assert [member["name"] for member in made["servers"]] == ["time"]
        assert (made["owner"], made["visibility"]) == ("dana", "private")
        path = f"{GROUPS}/{made['id']}"
        assert dana.put(path, {"description": "tools", "name": "dev2"}).data["name"] == "dev2"
        assert dana.put(path, {}).status == 400
        assert dana.get(f"{GROUPS}/dev2").data["description"] == "tools"
        assert dana.delete(path).status == 200
        assert dana.get(path).status == 404

    def test_members_the_caller_cannot_see_are_neither_shown_nor_lost(self, admin: Caller, dana: Caller) -> None:
        made = self.make(dana, servers=["time"])
        path = f"{GROUPS}/{made['id']}"
        assert len(admin.post(f"{path}/servers", {"serverName": "hidden"}).data["servers"]) == 2
        assert len(dana.get(GROUPS).data[0]["servers"]) == 1
        assert dana.put(f"{path}/servers/batch", {"servers": []}).data["servers"] == []
        assert [member["name"] for member in admin.get(path).data["servers"]] == ["hidden"]

    def test_members_have_aliases_selections_and_pins(self, admin: Caller) -> None:
        member = {"name": "time", "alias": " t ", "tools": ["now"], "prompts": [], "pinnedTools": ["now"]}
        made = self.make(admin, servers=[member])
        assert made["servers"] == [
            {"name": "time", "alias": "t", "tools": ["now"], "prompts": [], "resources": "all", "pinnedTools": ["now"]}
        ]
        path = f"{GROUPS}/{made['id']}/server-configs"
        assert admin.get(path).data == admin.get(f"{GROUPS}/dev/servers").data == made["servers"]
        assert admin.get(f"{path}/time").data == made["servers"][0]
        assert admin.get(f"{path}/t").status == 404
        assert admin.put(f"{path}/time/tools", {"tools": "all"}).data["servers"][0]["tools"] == "all"
        assert admin.put(f"{path}/time/tools", {"tools": [1]}).status == 400
        assert admin.put(f"{path}/hidden/tools", {"tools": "all"}).status == 404
        assert admin.get(f"{GROUPS}/nope/server-configs").data == []

    def test_two_members_cannot_show_their_items_under_one_name(self, admin: Caller) -> None:
        made = self.make(admin)
        both = ["time", {"name": "hidden", "alias": "time"}]
        assert admin.post(GROUPS, {"name": "two", "servers": both}).status == 400
        assert admin.put(f"{GROUPS}/{made['id']}/servers/batch", {"servers": both}).status == 400
        assert admin.get(f"{GROUPS}/dev").data["servers"] == []

    def test_a_batch_judges_each_group_on_its_own(self, admin: Caller) -> None:
        some = admin.post(f"{GROUPS}/batch", {"groups": [{"name": "a"}, {"name": "a"}, None, {"servers": [5]}]})
        assert some.status == 207
        assert (some.body["successCount"], some.body["failureCount"]) == (1, 3)
        assert [one["name"] for one in some.body["results"]] == ["a", "a", "unknown", "unknown"]

    def test_names_are_routes_only_while_they_are_switched_on(self, admin: Caller) -> None:
        made = self.make(admin)
        admin.put("/api/system-config", {"routing": {"enableGroupNameRoute": False}})
        assert admin.get(f"{GROUPS}/dev").status == 404
        assert admin.get(f"{GROUPS}/{made['id']}").status == 200

    def test_a_shared_group_is_read_by_whom_it_is_shared_with_and_changed_by_no_other(
        self, admin: Caller, dana: Caller, erin: Caller
    ) -> None:
        made = self.make(admin, visibility="group", sharedWithUsers=["dana"])
        assert [group["name"] for group in dana.get(GROUPS).data] == ["dev"]
        assert erin.get(GROUPS).data == []
        assert dana.put(f"{GROUPS}/{made['id']}", {"description": "x"}).status == 404
