"""Every official client against the fixtures themselves: a client that fails here says nothing about the hub."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.clients.matrix import CLIENTS, NODE_CLIENTS, PROTOCOLS, Plan, run_client
from tests.tools.processes import http_fixture

RAW = Plan(
    "", "unused", "echo", {"text": "hello"}, resource="raw://note/1", prompt="greet", prompt_arguments={"name": "Ada"}
)
COMPLETE = Plan(
    "",
    "unused",
    "test_simple_text",
    resource="test://static-text",
    prompt="test_prompt_with_arguments",
    prompt_arguments={"arg1": "a", "arg2": "b"},
)
# The fixture, its options, what to do there, and the texts that come back.
CASES = [
    ("raw_http", ("--page-size", "7"), RAW, ("hello", "This is raw://note/1.", "Greet Ada.")),
    (
        "conformance_server",
        ("--http", "0"),
        COMPLETE,
        (
            "This is a simple text response for testing.",
            "This is the content of the static text resource.",
            "Prompt with arguments: arg1='a', arg2='b'",
        ),
    ),
]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.conformance if name in NODE_CLIENTS else ()) for name in CLIENTS],
)
@pytest.mark.parametrize(("fixture", "options", "plan", "texts"), CASES, ids=[case[0] for case in CASES])
def test_a_client_lists_calls_reads_and_gets(
    name: str, fixture: str, options: tuple[str, ...], plan: Plan, texts: tuple[str, str, str]
) -> None:
    with http_fixture(fixture, *options) as url:
        outcome = run_client(name, replace(plan, url=url))
    assert outcome.protocol == PROTOCOLS[CLIENTS[name][1]]
    assert len(outcome.tools) > 15
    assert (outcome.text, outcome.resource_text, outcome.prompt_text) == texts
