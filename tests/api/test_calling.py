"""Tools, prompts and resources over REST, as OpenAPI and over MCP, on a whole hub."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from servers.arguments import converted
from tests.tools.hub import TestHub, hub, stdio

GROUPS = [
    {
        "id": "10000000-0000-4000-8000-000000000000",
        "name": "narrow",
        "servers": [{"name": "raw", "alias": "r", "tools": ["echo"]}],
        "owner": "admin",
        "visibility": "public",
    }
]


@pytest.fixture(scope="module")
def found() -> Iterator[TestHub]:
    with hub(
        {"raw": stdio(), "other": stdio(), "off": {**stdio(), "enabled": False}},
        groups=GROUPS,
        env={"API_RATE_LIMIT": "0"},
    ) as running:
        yield running


def text_of(reply: Any) -> str:
    return str(reply["content"][0]["text"])


class TestCalls:
    """/api/tools/call, prompts, resources."""

    @pytest.mark.parametrize("tool", ["add", "raw-add"])
    def test_a_tool_is_called_by_both_forms_of_its_name(self, found: TestHub, tool: str) -> None:
        status, reply = found.api("POST", "/tools/call/raw", {"toolName": tool, "arguments": {"a": "2", "b": "3.5"}})
        assert status == 200
        assert text_of(reply["data"]) == "5.5"
        assert (reply["data"]["toolName"], reply["data"]["arguments"]) == (tool, {"a": 2, "b": 3.5})

    def test_every_member_of_a_result_arrives(self, found: TestHub) -> None:
        reply = found.api("POST", "/tools/call/raw", {"toolName": "mirror", "arguments": {"x": {"y": [None, 1.5]}}})[1]
        direct = found.call("raw-mirror", {"x": {"y": [None, 1.5]}})["result"]
        assert set(direct) - {"_meta", "resultType", "content"} <= set(reply["data"])

    def test_a_tool_that_fails_says_so_in_its_result(self, found: TestHub) -> None:
        status, reply = found.api("POST", "/tools/call/raw", {"toolName": "fail"})
        assert (status, reply["success"], reply["data"]["isError"]) == (200, True, True)

    @pytest.mark.parametrize(
        ("server", "tool", "expected"),
        [("raw", "nope", 404), ("nope", "echo", 404), ("off", "echo", 404), ("raw", "", 400)],
    )
    def test_what_is_not_there_cannot_be_called(self, found: TestHub, server: str, tool: str, expected: int) -> None:
        status, reply = found.api("POST", f"/tools/call/{server}", {"toolName": tool})
        assert (status, reply["success"]) == (expected, False)
        assert reply["error"] == reply["message"]

    @pytest.mark.parametrize(("code", "expected"), [(-32602, 400), (-32603, 502), (-31999, 502)])
    def test_an_upstreams_error_is_told_as_one(self, found: TestHub, code: int, expected: int) -> None:
        assert found.api("POST", "/tools/call/raw", {"toolName": "error", "arguments": {"code": code}})[0] == expected

    def test_arguments_must_be_an_object(self, found: TestHub) -> None:
        for arguments in ([1], "x", 5):
            assert found.api("POST", "/tools/call/raw", {"toolName": "echo", "arguments": arguments})[0] == 400

    def test_a_hidden_tool_is_refused_at_every_door_at_once(self, found: TestHub) -> None:
        try:
            assert found.api("POST", "/servers/raw/tools/echo/toggle", {"enabled": False})[0] == 200
            assert "raw-echo" not in found.tools()
            assert "error" in found.call("raw-echo", {"text": "x"})
            assert found.api("POST", "/tools/call/raw", {"toolName": "echo"})[0] == 404
            assert found.api("POST", "/tools/raw/echo", {"text": "x"})[0] == 404
            assert "/tools/raw/echo" not in found.api("GET", "/openapi.json")[1]["paths"]
            shown = found.api("GET", "/openapi.json?includeDisabled=true")[1]["paths"]
            assert "/tools/raw/echo" in shown
        finally:
            found.api("POST", "/servers/raw/tools/echo/toggle", {"enabled": True})
        assert "raw-echo" in found.tools()

    def test_a_prompt_is_named_by_the_path_or_the_body(self, found: TestHub) -> None:
        for path, body in (("greet", {}), ("raw-greet", {}), ("nope", {"name": "greet"})):
            reply = found.api("POST", f"/mcp/raw/prompts/{path}", {**body, "arguments": {"name": "you"}})[1]
            assert reply["data"]["messages"][0]["content"]["text"] == "Greet you."
        assert found.api("POST", "/mcp/raw/prompts/nope", {})[0] == 404
        assert found.api("POST", "/mcp/nope/prompts/greet", {})[0] == 404

    def test_a_resource_is_read_from_the_server_that_has_it(self, found: TestHub) -> None:
        reply = found.api("POST", "/resources/read", {"uri": "raw://note/1"})[1]
        assert reply["data"]["contents"][0]["text"] == "This is raw://note/1."
        for uri, expected in (("raw://nope", 404), ("", 400), (5, 400)):
            assert found.api("POST", "/resources/read", {"uri": uri})[0] == expected


class TestOpenApi:
    """Tools as OpenAPI, and their execution."""

    def test_few_simple_arguments_travel_in_the_query_others_in_a_body(self, found: TestHub) -> None:
        paths = found.api("GET", "/openapi.json")[1]["paths"]
        add, echo = paths["/tools/raw/add"], paths["/tools/raw/echo"]
        assert list(add) == ["get"] and list(echo) == ["post"]
        assert [(one["name"], one["in"]) for one in add["get"]["parameters"]] == [("a", "query"), ("b", "query")]
        assert add["get"]["operationId"] == "raw-add"
        assert "text" in echo["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]

    def test_both_forms_of_the_document_say_the_same(self, found: TestHub) -> None:
        asked = urllib.request.Request(
            found.url + "/api/openapi.yaml", headers={"Authorization": f"Bearer {found.key}"}
        )
        with urllib.request.urlopen(asked, timeout=30) as reply:
            assert reply.headers["Content-Type"].startswith("application/yaml")
            assert reply.headers["Access-Control-Allow-Origin"] == "*"
            text = reply.read().decode()
        assert "&id" not in text
        assert yaml.safe_load(text) == found.api("GET", "/openapi.json")[1]

    def test_a_documents_filters_and_words_are_the_askers(self, found: TestHub) -> None:
        one = found.api("GET", "/openapi.json?servers=other&title=T&version=2&serverUrl=https://x.example")[1]
        assert (one["info"]["title"], one["info"]["version"], one["servers"][0]["url"]) == (
            "T",
            "2",
            "https://x.example",
        )
        assert {path.split("/")[2] for path in one["paths"]} == {"other"}
        assert list(found.api("GET", "/openapi.json?group=narrow")[1]["paths"]) == ["/tools/raw/echo"]
        for nothing in ("servers=nope", "group=nope", "group=raw"):
            assert found.api("GET", f"/openapi.json?{nothing}")[1]["paths"] == {}
        assert list(found.api("GET", "/narrow/openapi.json")[1]["paths"]) == ["/tools/raw/echo"]
        assert found.api("GET", "/raw/openapi.json")[1]["info"]["title"] == "raw MCP API"
        assert found.api("GET", "/nope/openapi.json")[0] == 404

    def test_connected_servers_are_counted(self, found: TestHub) -> None:
        assert found.api("GET", "/openapi/servers")[1]["data"] == ["raw", "other"]
        stats = found.api("GET", "/openapi/stats")[1]["data"]
        assert (stats["totalServers"], len(stats["serverBreakdown"])) == (2, 2)
        assert stats["totalTools"] == sum(one["toolCount"] for one in stats["serverBreakdown"])

    def test_execution_answers_with_the_bare_result(self, found: TestHub) -> None:
        assert text_of(found.api("GET", "/tools/raw/add?a=1&b=2")[1]) in ("3", "3.0")
        assert text_of(found.api("POST", "/tools/raw/raw-echo", {"text": "é☃"})[1]) == "é☃"

    def test_a_groups_selection_counts_on_its_prefix(self, found: TestHub) -> None:
        for server in ("raw", "r"):
            assert text_of(found.api("POST", f"/narrow/tools/{server}/echo", {"text": "x"})[1]) == "x"
        for path in ("narrow/tools/raw/add", "narrow/tools/other/echo", "nope/tools/raw/echo", "other/tools/raw/echo"):
            status, reply = found.api("POST", f"/{path}", {"text": "x", "a": 1, "b": 2})
            assert (status, reply["error"]) == (404, "not_found"), path
        assert text_of(found.api("GET", "/raw/tools/raw/add?a=1&b=2")[1]) in ("3", "3.0")


class TestBuiltins:
    """The hub's own prompts and resources, over REST and MCP."""

    def test_a_prompt_is_served_behind_every_door_at_once(self, found: TestHub) -> None:
        status, made = found.api("POST", "/prompts", {"name": "hi", "template": "Hello {{who}}, {{other}}"})
        assert status == 201
        path = f"/prompts/{made['data']['id']}"
        try:
            for door in ("/mcp", "/mcp/raw", "/mcp/narrow"):
                result = found.rpc(door, "prompts/get", {"name": "hi", "arguments": {"who": "you"}}, "hi")["result"]
                assert result["messages"][0]["content"]["text"] == "Hello you, {{other}}"
            reply = found.api("POST", "/mcp/anything/prompts/hi", {"arguments": {"who": "me"}})[1]
            assert reply["data"]["messages"][0]["content"]["text"] == "Hello me, {{other}}"
            assert found.api("POST", "/prompts", {"name": "hi", "template": "x"})[0] == 409
            assert found.api("PUT", path, {"enabled": False, "id": "other"})[1]["data"]["id"] == made["data"]["id"]
            assert "error" in found.rpc("/mcp", "prompts/get", {"name": "hi"}, "hi")
            assert found.api("POST", "/mcp/raw/prompts/hi", {})[0] == 404
        finally:
            assert found.api("DELETE", path)[0] == 200
        assert found.api("GET", path)[0] == 404

    def test_a_resource_is_read_by_its_uri(self, found: TestHub) -> None:
        made = found.api("POST", "/resources", {"uri": "doc://guide", "content": " text "})[1]["data"]
        try:
            assert made["mimeType"] == "text/plain"
            expected = [{"uri": "doc://guide", "mimeType": "text/plain", "text": " text "}]
            assert found.api("POST", "/resources/read", {"uri": "doc://guide"})[1]["data"]["contents"] == expected
            read = found.rpc("/mcp/raw", "resources/read", {"uri": "doc://guide"}, "doc://guide")
            assert read["result"]["contents"] == expected
            for wrong in ({}, {"uri": "x"}, {"uri": "x", "content": ""}, {"uri": 5, "content": "x"}):
                assert found.api("POST", "/resources", wrong)[0] == 400
        finally:
            found.api("DELETE", f"/resources/{made['id']}")


class TestCost:
    """Context cost."""

    def test_numbers_agree_and_hidden_items_are_not_exposed(self, found: TestHub) -> None:
        before = self.cost_of(found, "raw")
        assert before["exposed"] == before["gross"] == sum(item["cost"] for item in before["items"]) > 100
        try:
            found.api("POST", "/servers/raw/tools/echo/toggle", {"enabled": False})
            after = self.cost_of(found, "raw")
        finally:
            found.api("POST", "/servers/raw/tools/echo/toggle", {"enabled": True})
        hidden = next(item for item in after["items"] if item["name"] == "raw-echo")
        assert hidden["enabled"] is False
        assert after["exposed"] == after["gross"] - hidden["cost"]
        assert self.cost_of(found, "off") == {"name": "off", "connected": False, "exposed": 0, "gross": 0, "items": []}

    def test_a_group_costs_what_it_selects(self, found: TestHub) -> None:
        (group,) = found.api("GET", "/cost/groups")[1]["data"]
        assert (group["name"], group["connectedCount"], group["totalCount"]) == ("narrow", 1, 1)
        assert 0 < group["direct"]["exposed"] < group["direct"]["gross"]

    def cost_of(self, found: TestHub, name: str) -> dict[str, Any]:
        listed: list[dict[str, Any]] = found.api("GET", "/cost/servers")[1]["data"]
        return next(server for server in listed if server["name"] == name)


def test_what_was_written_is_served_when_the_answer_comes(found: TestHub) -> None:
    for number in range(10):
        name = f"new{number}"
        assert found.api("POST", "/servers", {"name": name, "config": {**stdio(), "enabled": False}})[0] == 200
        # A door that is there answers with an empty list, one that is not with 404.
        assert found.tools(f"/mcp/{name}") == []
        assert found.api("DELETE", f"/servers/{name}")[0] == 200
        assert "error" in found.rpc(f"/mcp/{name}", "tools/list")


def test_a_server_can_be_called_when_its_reload_was_answered(found: TestHub) -> None:
    seen = set()
    for _ in range(3):
        assert found.api("POST", "/servers/other/reload", {})[0] == 200
        seen.add(found.call("other-pid")["result"]["content"][0]["text"])
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        ({"type": "integer"}, "5", 5),
        ({"type": "integer"}, "5.5", "5.5"),
        ({"type": "number"}, "5.5", 5.5),
        ({"type": "number"}, "nan", "nan"),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, "0", False),
        ({"type": "boolean"}, "maybe", "maybe"),
        ({"type": "array", "items": {"type": "integer"}}, "1, 2,x", [1, 2, "x"]),
        ({"type": "array"}, "[1,2]", [1, 2]),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": ["null", "integer"]}, "7", 7),
        ({"type": ["string", "integer"]}, "7", "7"),
        ({}, "7", "7"),
        (None, "7", "7"),
    ],
)
def test_texts_are_fitted_to_the_schema_where_that_is_unmistakable(schema: Any, text: str, expected: Any) -> None:
    assert json.dumps(converted({"x": text}, {"properties": {"x": schema}})["x"]) == json.dumps(expected)
    assert converted({"x": text}, None) == {"x": text}
