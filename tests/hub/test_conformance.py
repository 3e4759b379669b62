"""The official conformance suite through a running hub: server legs over both transports, client legs in the middle."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.run import CLIENT_EXPECTED, REVISIONS, SERVER_EXPECTED, run_client_leg, run_server_leg
from tests.tools.hub import PASSWORD, TestHub, hub, streamable
from tests.tools.processes import FIXTURES, http_fixture

pytestmark = pytest.mark.conformance

#: Checks that the suite makes only of servers that answer every request with a stream; the hub sends JSON where it can.
UNASKED = {"2025-11-25": 1, "2026-07-28": 0}
CLIENT = shlex.join([sys.executable, str(Path(__file__).parents[1] / "conformance" / "client.py")])


@pytest.fixture(scope="module")
def target() -> Iterator[TestHub]:
    """A hub before the fixture, once over HTTP and once over stdio. The suite sends no key, so the routes are open."""
    with http_fixture("conformance_server", "--http", "0") as url:
        servers = {
            "over-http": streamable(url) | {"visibility": "public"},
            "over-stdio": {
                "command": sys.executable,
                "args": [str(FIXTURES / "conformance_server.py"), "--stdio"],
                "visibility": "public",
            },
        }
        with hub(servers, routing={"enableBearerAuth": False}) as started:
            yield started


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("server", ["over-http", "over-stdio"])
def test_every_required_server_scenario_passes_through_the_hub(target: TestHub, server: str, revision: str) -> None:
    result = run_server_leg(f"{target.url}/mcp/{server}?names=raw", revision)
    assert (result.passed, result.total) == (SERVER_EXPECTED[revision][0],) * 2, str(result)
    assert result.checks == result.checks_total >= SERVER_EXPECTED[revision][1] - UNASKED[revision]


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_suite_sees_a_conforming_client_in_the_hub(target: TestHub, revision: str) -> None:
    env = {
        "MCPHUB_CONFORMANCE_HUB": target.url,
        "MCPHUB_CONFORMANCE_PASSWORD": PASSWORD,
        "MCPHUB_CONFORMANCE_KEY": target.key,
    }
    result = run_client_leg(CLIENT, revision, env=env)
    assert result.passed == result.total == CLIENT_EXPECTED[revision], str(result)
