"""Every official client, of both eras, through a running hub: all servers, a group, one server."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.matrix import CLIENTS, NODE_CLIENTS, Plan, run_client
from tests.tools.hub import TestHub, hub, streamable
from tests.tools.node_packages import command
from tests.tools.processes import http_fixture

pytestmark = pytest.mark.conformance

GROUP = {
    "id": "20000000-0000-4000-8000-000000000001",
    "name": "team",
    "servers": [{"name": "every", "alias": "ev"}, "sdk"],
}


@pytest.fixture(scope="module")
def target() -> Iterator[TestHub]:
    """A hub before the official reference servers."""
    programs = Path(sys.executable).parent
    with http_fixture("conformance_server", "--http", "0") as url:
        every, *arguments = command("mcp-server-everything")
        servers = {
            "every": {"command": every, "args": [*arguments, "stdio"]},
            "time": {"command": str(programs / "mcp-server-time"), "args": ["--local-timezone", "UTC"]},
            "fetch": {"command": str(programs / "mcp-server-fetch")},
            "sdk": streamable(url),
        }
        with hub(servers, groups=[GROUP]) as started:
            yield started


PLANS = {
    "everything": ("/mcp", "every-echo", {"message": "hello"}, "hello"),
    "time": ("/mcp", "time-get_current_time", {"timezone": "Europe/Oslo"}, "Oslo"),
    "sdk server": ("/mcp", "sdk-test_simple_text", {}, "simple text"),
    "a group": ("/mcp/team", "ev-echo", {"message": "hello"}, "hello"),
    "one server": ("/mcp/every", "every-echo", {"message": "hello"}, "hello"),
    "raw names": ("/mcp/every?names=raw", "echo", {"message": "hello"}, "hello"),
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("plan", PLANS)
def test_a_client_lists_and_calls(target: TestHub, client: str, plan: str) -> None:
    if client in NODE_CLIENTS and shutil.which("node") is None:
        pytest.skip("Node is not installed")
    path, tool, arguments, expected = PLANS[plan]
    outcome = run_client(client, Plan(target.url + path, target.key, tool=tool, arguments=arguments))
    assert tool in outcome.tools
    assert expected in outcome.text


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_reads_a_resource_and_gets_a_prompt(target: TestHub, client: str) -> None:
    plan = Plan(
        f"{target.url}/mcp",
        target.key,
        resource="test://static-text",
        prompt="sdk-test_prompt_with_arguments",
        prompt_arguments={"arg1": "a", "arg2": "b"},
    )
    outcome = run_client(client, plan)
    assert outcome.resource_text
    assert "a" in outcome.prompt_text


def test_what_mcp_server_fetch_offers_is_listed(target: TestHub) -> None:
    assert "fetch-fetch" in target.tools("/mcp/fetch")
