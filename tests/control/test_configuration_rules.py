"""One normalisation and validation of a server's configuration, and the variables in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphub.errors import InvalidInput
from mcphub.masking import MASK
from servers import config as rules
from servers.expansion import expanded, hub_environment, text_of

REMOTE = {"type": "streamable-http", "url": "https://x.invalid/mcp"}


@pytest.mark.parametrize(
    ("config", "transport"),
    [
        ({"command": "x"}, "stdio"),
        ({"url": "https://x.invalid/sse"}, "sse"),
        ({"openapi": {"url": "https://x.invalid/spec.json"}}, "openapi"),
        ({"url": "https://x.invalid", "openapi": {"schema": {"openapi": "3.0.0"}}}, "openapi"),
        ({"type": "streamable-http", "url": "${BASE}/mcp"}, "streamable-http"),
    ],
)
def test_a_missing_type_is_inferred(config: dict[str, Any], transport: str) -> None:
    assert rules.normalised(config)["type"] == transport


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        "x",
        {},
        {"type": "bogus", "command": "x"},
        {"type": "sse", "command": "x"},
        {"type": "streamable-http"},
        {"type": "openapi", "url": "http://x/"},
        {"type": "openapi", "openapi": {}},
        {**REMOTE, "url": "ftp://x"},
        {**REMOTE, "url": "javascript:alert(1)"},
        {**REMOTE, "visibility": "bogus"},
        {**REMOTE, "enabled": "no"},
        {**REMOTE, "headers": "x"},
        {**REMOTE, "headers": {"X-A": "line\r\nX-B: injected"}},
        {**REMOTE, "headers": {"bad header": "x"}},
        {**REMOTE, "passthroughHeaders": ["a b"]},
        {**REMOTE, "options": {"timeout": -1}},
        {**REMOTE, "description": "\0"},
        {**REMOTE, "future": {"deep": ["\0"]}},
        {"command": "x", "env": {"A=B": "x"}},
        {"command": "x", "env": ["A"]},
        {"command": "x", "args": "x"},
        {"command": "x", "proxy": {"port": 70000}},
        {"command": "x", "tools": {"a": {"enabled": "yes"}}},
    ],
)
def test_what_breaks_a_rule_is_refused(config: Any) -> None:
    with pytest.raises(InvalidInput):
        rules.normalised(config)


def test_each_transport_keeps_only_what_it_uses() -> None:
    everything = {
        "url": "https://x.invalid", "command": "x", "args": ["a"], "env": {"A": "1"}, "headers": {"X": "1"},
        "passthroughHeaders": ["X-A"], "oauth": {"clientId": "c"}, "enableKeepAlive": True,
        "openapi": {"url": "https://x.invalid/spec"},
    }  # fmt: skip
    stdio = rules.normalised({"type": "stdio", **everything})
    assert stdio.keys() == {"type", "command", "args", "env"}
    remote = rules.normalised({"type": "sse", **everything})
    assert not remote.keys() & {"command", "args", "openapi"}
    described = rules.normalised({"type": "openapi", **everything})
    assert described.keys() == {"type", "openapi", "headers"}


def test_members_of_the_future_survive() -> None:
    config = {**REMOTE, "x-future": {"a": [1, {"b": None}]}, "oauth": {"clientId": "c", "prompt": "login"}}
    assert rules.normalised(config)["x-future"] == {"a": [1, {"b": None}]}
    assert rules.normalised(config)["oauth"]["prompt"] == "login"


def test_texts_are_trimmed_and_empty_ones_absent() -> None:
    found = rules.normalised({"command": " x ", "description": "  padded  ", "cwd": " ", "env": {}, "args": []})
    assert found == {"type": "stdio", "command": "x", "description": "padded"}


def test_arguments_and_secrets_keep_their_blanks() -> None:
    found = rules.normalised({"command": "x", "args": [" a ", "", "a"], "env": {"PASSWORD": " p "}})
    assert found["args"] == [" a ", "", "a"]
    assert found["env"] == {"PASSWORD": " p "}


def test_sharing_counts_only_with_visibility_group() -> None:
    shared = {**REMOTE, "sharedWithUsers": [" dana ", "dana", "ghost", ""]}
    assert rules.normalised({**shared, "visibility": "group"})["sharedWithUsers"] == ["dana", "ghost"]
    assert "sharedWithUsers" not in rules.normalised({**shared, "visibility": "private"})


@pytest.mark.parametrize("name", ["", "  ", "a b", "a/b", "a..b", "x" * 129, 5, None, "__proto__", "é"])
def test_names_that_are_none_are_refused(name: Any) -> None:
    with pytest.raises(InvalidInput):
        rules.server_name(name)


def test_an_update_keeps_what_it_does_not_mention() -> None:
    stored = rules.normalised({"command": "x", "env": {"A": "1"}, "description": "d", "visibility": "public"})
    assert rules.merged(stored, {"type": "stdio", "command": "y"}) == {**stored, "command": "y"}


def test_an_update_clears_what_it_sends_empty() -> None:
    stored = rules.normalised({"command": "x", "env": {"A": "1"}, "description": "d"})
    assert rules.merged(stored, {"env": {}, "description": None}) == {"type": "stdio", "command": "x"}


def test_a_masked_value_that_comes_back_keeps_the_stored_one() -> None:
    stored = rules.normalised(
        {
            "type": "sse",
            "url": "https://user:hunter2@x.invalid/sse?key=abc&page=1",
            "headers": {"Authorization": "Bearer s3cr3t-value"},
            "oauth": {"clientId": "c", "clientSecret": "zzz"},
        }
    )
    shown = rules.shown_config(stored)
    assert "hunter2" not in str(shown) and "abc" not in str(shown) and "zzz" not in str(shown)
    assert rules.merged(stored, shown) == stored
    assert rules.merged(stored, {**shown, "headers": {**shown["headers"], "X": "1"}})["headers"] == {
        "Authorization": "Bearer s3cr3t-value",
        "X": "1",
    }


def test_a_mask_that_stands_for_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput):
        rules.created({**REMOTE, "headers": {"Authorization": MASK}})
    with pytest.raises(InvalidInput):
        rules.merged(rules.normalised(REMOTE), {"headers": {"Authorization": MASK}})


def test_asterisks_in_a_described_api_are_no_masks() -> None:
    schema = {"openapi": "3.0.0", "info": {"description": f"password {MASK}"}}
    found = rules.created({"openapi": {"schema": schema}})
    assert found["openapi"]["schema"] == schema


def test_secrets_in_arguments_are_masked_in_place() -> None:
    shown = rules.shown_config({"type": "stdio", "args": ["--api-key", "abc", "--token=xyz", "--verbose", "plain"]})
    assert shown["args"] == ["--api-key", MASK, f"--token={MASK}", "--verbose", "plain"]


def test_references_stay_readable() -> None:
    shown = rules.shown_config({"type": "stdio", "env": {"A": "${TOKEN}", "B": "x"}})
    assert shown["env"] == {"A": "${TOKEN}", "B": MASK}


@given(st.dictionaries(st.sampled_from(["A", "TOKEN", "X-Key"]), st.text(min_size=1).filter(lambda s: "\0" not in s)))
def test_reading_and_writing_back_changes_nothing(env: dict[str, str]) -> None:
    stored = rules.normalised({"command": "x", "env": env})
    assert rules.merged(stored, rules.shown_config(stored)) == stored


OUTER = {"HOME_URL": "https://h", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("${HOME_URL}/mcp", "https://h/mcp"),
        ("${NOPE}", ""),
        ("a${NOPE:-default}b", "adefaultb"),
        ("${EMPTY:-default}", "default"),
        ("${HOME_URL:+yes}${NOPE:+no}", "yes"),
        ("$HOME_URL", "https://h"),
        ("$NOPE", "$NOPE"),
        ("pa$HOME_URL", "pa$HOME_URL"),
        ("$${HOME_URL}", "${HOME_URL}"),
        (" ${HOME_URL} ", " https://h "),
        ("${not a name}", "${not a name}"),
    ],
)
def test_variables_are_replaced(text: str, becomes: str) -> None:
    assert text_of(text, OUTER.get) == becomes


def test_an_entry_reads_its_own_variables_before_those_outside() -> None:
    config = {"env": {"TOKEN": "${TOKEN}", "OWN": "o"}, "args": ["${TOKEN}", "${OWN}"], "headers": {"a": ["${OWN}"]}}
    found = expanded(config, {"TOKEN": "outer"})
    assert found == {"env": {"TOKEN": "outer", "OWN": "o"}, "args": ["outer", "o"], "headers": {"a": ["o"]}}


def test_the_hubs_own_secrets_are_never_readable() -> None:
    environ = {"JWT_SECRET": "s", "MCPHUB_ENCRYPTION_KEY": "k", "DATABASE_URL": "d", "GITHUB_TOKEN": "g", "OTHER": "o"}
    assert hub_environment(environ, ["*"]) == {"GITHUB_TOKEN": "g", "OTHER": "o"}
    assert hub_environment(environ, ["GITHUB_*", "JWT_SECRET"]) == {"GITHUB_TOKEN": "g"}


@pytest.mark.parametrize(
    "config",
    [
        {**REMOTE, "future": {"\ud800": 1}},
        {**REMOTE, "future\ud800": 1},
        {**REMOTE, "headers": {"A": "\udfff"}},
        {"command": "x\ud800"},
        {"command": "x", "args": ["\ud800"]},
        {"command": "x", "tools": {"\ud800": {"enabled": True}}},
    ],
)
def test_what_no_database_can_store_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        rules.normalised(config)
