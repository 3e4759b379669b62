"""The conformance suite against the fixture and the known-good client themselves: what a hub has to equal."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.conformance.run import CLIENT_EXPECTED, REVISIONS, SERVER_EXPECTED, run_client_leg, run_server_leg
from tests.tools.processes import http_fixture

CLIENT = shlex.join([sys.executable, str(Path(__file__).with_name("client.py"))])

pytestmark = pytest.mark.conformance


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_fixture_passes_every_required_server_scenario(revision: str) -> None:
    with http_fixture("conformance_server", "--http", "0") as url:
        result = run_server_leg(url, revision)
    assert (result.passed, result.checks) == SERVER_EXPECTED[revision], str(result)
    assert result.passed == result.total


@pytest.mark.parametrize("revision", REVISIONS)
def test_the_client_passes_every_scenario_without_authorization(revision: str) -> None:
    result = run_client_leg(CLIENT, revision, env={"MCPHUB_CONFORMANCE_HUB": ""})
    assert result.passed == result.total == CLIENT_EXPECTED[revision], str(result)
