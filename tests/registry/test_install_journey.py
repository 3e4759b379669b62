"""From a search to a callable tool, in a hub as people start it, from a fresh database."""

from __future__ import annotations

import os
import shutil
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest

from tests.tools.hub import TestHub, hub
from tests.tools.processes import until

pytestmark = pytest.mark.slow


def root(found: TestHub, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """A request to the registry API, at the host's root."""
    return found._send(method, path, body, {"X-API-Key": found.key, "Content-Type": "application/json"})


def first(found: TestHub, text: str) -> str:
    """What a search finds first."""
    status, body = root(found, "GET", f"/mcp_registry?search={text}&limit=5")
    assert status == 200
    return str(body["servers"][0]["name"])


def install_and_call(found: TestHub, text: str, tool: str, arguments: dict[str, Any], **choice: Any) -> dict[str, Any]:
    began = time.monotonic()
    name = first(found, text)
    status, plan = found.api("POST", f"/registry/entries/{name}/plan", choice)
    assert status == 200, plan
    status, done = found.api("POST", f"/registry/entries/{name}/install", choice)
    assert status == 201, done
    server = done["data"]["server"]
    until(lambda: f"{server}-{tool}" in found.tools(), 60, f"{tool} of {server}")
    answer = found.call(f"{server}-{tool}", arguments)
    print(f"\n{plan['data']['command']}: from search to answer {time.monotonic() - began:.1f} s")
    return answer["result"]


def test_a_python_server_that_is_installed_is_found_and_called() -> None:
    with hub() as found:
        result = install_and_call(
            found, "time", "get_current_time", {"timezone": "Europe/Berlin"}, way="script:mcp-server-time"
        )
        assert "Europe/Berlin" in result["content"][0]["text"]
        status, body = root(found, "GET", "/mcp_servers?installed=true")
        assert (status, body["servers"][0]["tools_count"], body["enabled_count"]) == (200, 2, 1)
        status, tools = root(found, "GET", "/tools/installed")
        assert {tool["name"] for tool in tools["tools"]} == {"get_current_time", "convert_time"}


def test_a_python_server_is_run_by_uvx(tmp_path: Path) -> None:
    """With an empty cache: uvx fetches the package. Of the hub's environment it is given PATH and HOME only."""
    settings = tmp_path / ".config" / "uv" / "uv.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("system-certs = true\n")  # a machine may trust more than uv does
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    with hub(env={"PATH": path, "HOME": str(tmp_path)}) as found:
        answers = {"--local-timezone": "Asia/Tokyo"}
        result = install_and_call(
            found, "time", "get_current_time", {"timezone": "Asia/Tokyo"}, way="uvx:mcp-server-time", answers=answers
        )
        assert "Asia/Tokyo" in result["content"][0]["text"]


@pytest.mark.conformance
def test_the_reference_server_is_run_by_npx() -> None:
    if shutil.which("npx") is None:
        pytest.skip("needs npx")
    with hub(env={"HOME": str(Path.home())}) as found:
        result = install_and_call(found, "everything", "echo", {"message": "hello"})
        assert "hello" in result["content"][0]["text"]


def test_a_toggle_installs_and_the_tools_can_be_called() -> None:
    with hub() as found:
        status, body = root(found, "POST", "/mcp_servers/toggle", {"server": "time", "enabled": True})
        assert (status, body["status"]) == (200, "activated")
        until(lambda: "time-convert_time" in found.tools(), 60, "the tools of time")
        again = root(found, "POST", "/mcp_servers/toggle", {"server": "time", "enabled": True})[1]
        assert again["tools_enabled"] == 2
