"""The parts of the dashboard that need no browser: what is pasted, forms, words, states, headers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from mcphub import plane
from mcphub.errors import InvalidInput
from mcphub.gateway.snapshot import ServerSpec, StdioSpec
from mcphub.web import charts, words
from servers import clients, demo_server, forms, pasting, toolforms
from servers.standing import standing_of
from tests.tools.rest import StandInHub

# -- pasted settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ('{"mcpServers": {"a": {"command": "npx", "args": ["-y", "x"]}}}', "a", "stdio"),
        ('{"mcpServers": {"a": {"url": "https://x.example/mcp"}}}', "a", "streamable-http"),
        ('{"mcpServers": {"a": {"url": "https://x.example/sse"}}}', "a", "sse"),
        ('{"mcpServers": {"a": {"serverUrl": "https://x.example/mcp"}}}', "a", "streamable-http"),
        ('{"servers": {"a": {"type": "http", "url": "https://x.example"}}, "inputs": []}', "a", "streamable-http"),
        ('{"mcp": {"servers": {"a": {"command": "x"}}}}', "a", "stdio"),
        ('{"context_servers": {"a": {"command": {"path": "x", "args": ["y"]}}}}', "a", "stdio"),
        ('{"a": {"command": "x"}}', "a", "stdio"),
        ('{"command": "npx", "args": ["-y", "@scope/server-maps@1.2"]}', "maps", "stdio"),
        ('{"url": "https://mcp.example.com/mcp"}', "example", "streamable-http"),
    ],
)
def test_settings_of_every_known_client_are_read(text: str, name: str, kind: str) -> None:
    (found,) = pasting.read(text)
    assert (found.name, found.config["type"], found.problem) == (name, kind, "")


def test_comments_and_trailing_commas_do_no_harm() -> None:
    (found,) = pasting.read('{"mcpServers": {"a": {"command": "x", /* y */ "args": ["// no comment,]",],}, // z\n}}')
    assert found.config["args"] == ["// no comment,]"]


def test_one_server_that_cannot_be_added_does_not_hide_the_others() -> None:
    good, bad = pasting.read('{"mcpServers": {"good": {"command": "x"}, "bad": {"args": []}}}')
    assert not good.problem
    assert bad.problem


def test_what_is_pasted_is_shown_without_its_secrets() -> None:
    (found,) = pasting.read(
        '{"a": {"url": "https://x.example/mcp?token=hush", "headers": {"Authorization": "Bearer x"}}}'
    )
    assert "hush" not in found.target
    assert found.secrets == ["Authorization"]


def test_inputs_of_vs_code_are_told() -> None:
    (found,) = pasting.read('{"servers": {"a": {"command": "x", "env": {"K": "${input:key}"}}}}')
    assert any("key" in note for note in found.notes)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"mcpServers": {}}', "[" * 100_000])
def test_what_holds_no_servers_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        pasting.read(text)


# -- the form of a server --------------------------------------------------------------------------------------------


def test_a_form_that_shows_a_configuration_sends_the_same_one_back() -> None:
    config = {
        "type": "stdio", "command": "npx", "args": ["-y", "a b", "--x='1'"], "env": {"A": "b=c", "D": ""},
        "cwd": "/tmp", "startOnDemand": True, "idleTimeoutMs": 1500, "options": {"timeout": 2500, "maxInFlight": 3},
    }  # fmt: skip
    shown = forms.values_of(config)
    sent = {name: value for name, value in shown.items() if value is not False}
    again = forms.config_from(sent, config)
    assert {name: again[name] for name in config} == config


@pytest.mark.parametrize(("field", "text"), [("env", "no mark"), ("command_line", "'open"), ("timeout", "soon")])
def test_a_form_says_what_it_cannot_read(field: str, text: str) -> None:
    with pytest.raises(InvalidInput):
        forms.config_from({"type": "stdio", field: text})


# -- forms of tools --------------------------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "count": {"type": "integer", "default": 2},
        "text": {"type": "string"},
        "deep": {"$ref": "#/$defs/deep"},
        "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        "one": {"enum": ["a", 1, None]},
    },
    "$defs": {"deep": {"type": "object"}},
}


def test_a_tools_schema_becomes_fields_with_required_ones_first() -> None:
    kinds = [(field.name, field.kind) for field in toolforms.fields_of(SCHEMA)]
    assert kinds == [("text", "long"), ("count", "integer"), ("deep", "json"), ("maybe", "boolean"), ("one", "choice")]


def test_fields_become_arguments_of_their_types() -> None:
    sent = {"text": "", "count": "3", "deep": '{"a": [1]}', "maybe": "false", "one": "1"}
    fields = toolforms.fields_of(SCHEMA)
    arguments = toolforms.arguments_from({toolforms.PREFIX + name: value for name, value in sent.items()}, fields)
    assert arguments == {"text": "", "count": 3, "deep": {"a": [1]}, "maybe": False, "one": 1}


@pytest.mark.parametrize(
    "sent", [{"arg:count": "3.5"}, {"arg:count": "x"}, {"arg:deep": "{"}, {"as": "json", "raw": "[]"}]
)
def test_arguments_that_do_not_fit_are_refused(sent: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        toolforms.arguments_from(sent, toolforms.fields_of(SCHEMA))


@pytest.mark.parametrize("schema", [None, True, {}, {"properties": []}, {"properties": {"a": True, "b": {"type": []}}}])
def test_odd_schemas_make_no_trouble(schema: Any) -> None:
    toolforms.arguments_from({}, toolforms.fields_of(schema))


# -- words, charts, states, clients ----------------------------------------------------------------------------------


def test_numbers_are_written_for_people() -> None:
    assert [words.compact(value) for value in (0, 999, 1000, 31_400, 999_960, 2_100_000)] == [
        "0", "999", "1k", "31.4k", "1M", "2.1M",
    ]  # fmt: skip
    assert [words.milliseconds(value) for value in (0.3, 38, 1200, 180_000)] == ["0.3 ms", "38 ms", "1.2 s", "3 min"]
    assert [words.share(part, 100) for part in (0, 0.42, 41)] == ["0 %", "0.42 %", "41 %"]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert words.ago(now - timedelta(seconds=150), now) == "2 min ago"


@pytest.mark.parametrize("values", [[], [1], [0, 0], [None, 3, 1]])
def test_a_line_is_drawn_of_any_values(values: list[float | None]) -> None:
    assert "<svg" in charts.line(values)
    assert "style=" not in charts.line(values)


@pytest.mark.parametrize(
    ("told", "tone", "remedy"),
    [
        ({}, "busy", ""),
        ({"state": "connected"}, "ok", ""),
        ({"state": "sleeping"}, "ok", ""),
        ({"state": "retrying", "reason": "no"}, "bad", "retry"),
        ({"state": "connecting", "attempt": 3}, "bad", "retry"),
        ({"state": "oauth_required"}, "bad", "authorize"),
        ({"state": "disconnected"}, "bad", "edit"),
    ],
)
def test_a_server_stands_as_its_connection_says(told: dict[str, Any], tone: str, remedy: str) -> None:
    spec = ServerSpec("k", "a", "stdio", StdioSpec("x"), "c")
    standing = standing_of(spec, {"k": told} if told else {})
    assert (standing.tone, standing.remedy) == (tone, remedy)


def test_every_client_is_told_the_address_and_the_key() -> None:
    endpoint = clients.endpoint_of("https://hub.example", "my group", header="authorization")
    assert endpoint.url == "https://hub.example/mcp/my%20group"
    for recipe in clients.recipes(endpoint, "mcphub_secret"):
        assert endpoint.url in recipe.text
        assert "mcphub_secret" in recipe.text


# -- the demo server -------------------------------------------------------------------------------------------------


def test_the_demo_server_answers_what_it_lists() -> None:
    def ask(method: str, **params: Any) -> dict[str, Any]:
        told = demo_server.answer({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert told is not None
        return told

    for tool in ask("tools/list")["result"]["tools"]:
        arguments = {"text": "two words"} if tool["name"] == "count_words" else {}
        assert "structuredContent" in ask("tools/call", name=tool["name"], arguments=arguments)["result"]
    assert ask("tools/call", name="now", arguments={"zone": "Nowhere/At all"})["result"]["isError"]
    assert ask("prompts/get", name="introduce")["result"]["messages"]
    assert ask("resources/read", uri="demo://card")["result"]["contents"]
    assert ask("tools/call", name="nothing")["error"]["code"] == -32602
    assert demo_server.answer({"jsonrpc": "2.0", "method": "notifications/initialized"}) is None
    json.dumps(ask("initialize", protocolVersion="2099-01-01"))


# -- headers ---------------------------------------------------------------------------------------------------------


def test_pages_allow_nothing_inline_and_no_other_host(db: None, client: Client) -> None:
    answer = client.get("/login")
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_pages_and_styles_are_compressed_for_those_who_take_it(db: None, client: Client) -> None:
    assert client.get("/login", headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in client.get("/login").headers


def test_pages_lead_to_the_sign_in_and_back(db: None, client: Client) -> None:
    answer = client.get("/dashboard/servers?q=a")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login?next=%2Fdashboard%2Fservers%3Fq%3Da"


def test_bookmarks_of_the_hub_that_was_replaced_lead_to_their_pages(client: Client) -> None:
    for kept, page in {"servers": "servers", "activity": "activity", "market": "registry"}.items():
        answer = client.get(f"/{kept}")
        assert (answer.status_code, answer["Location"]) == (302, f"/dashboard/{page}")


def test_nobody_is_led_to_another_host_after_signing_in(db: None, client: Client) -> None:
    page = client.get("/login?next=https://evil.example/")
    assert b"evil.example" not in page.content


@pytest.mark.parametrize(
    ("part", "page"),
    [("registry/wishes", "/dashboard/registry"), ("users/new", "/dashboard/users"), ("user/admin", "/dashboard")],
)
def test_the_address_of_a_dialog_leads_to_its_page(client: Client, admin_user: Any, part: str, page: str) -> None:
    client.force_login(admin_user)
    answer = client.get(f"/dashboard/{part}")
    assert (answer.status_code, answer["Location"]) == (303, page)


def test_a_page_without_a_hub_says_so(db: None, client: Client, admin_user: Any) -> None:
    client.force_login(admin_user)
    answer = client.get("/dashboard")
    assert answer.status_code == 503
    assert b"not running" in answer.content


def test_unknown_pages_are_told_as_such(db: None, client: Client, admin_user: Any) -> None:
    assert client.get("/nowhere").status_code == 404
    plane.register(StandInHub())  # type: ignore[arg-type]  # what pages ask of it
    try:
        client.force_login(admin_user)
        assert client.get("/dashboard/server/nobody").status_code == 404
    finally:
        plane.register(None)


def test_nothing_is_changed_while_the_hub_is_read_only(
    db: None, client: Client, admin_user: Any, settings: Any
) -> None:
    settings.READONLY = True
    client.force_login(admin_user)
    answer = client.post("/dashboard/servers/demo", headers={"HX-Request": "true"})
    assert answer.status_code == 403
    assert "read-only" in answer.headers["HX-Trigger"]
