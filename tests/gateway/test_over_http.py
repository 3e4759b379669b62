"""The data plane over real HTTP with real upstreams: official clients of both eras, and the conformance suite."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from mcp import Client

from mcphub.gateway.snapshot import ServerSpec, Switches
from tests.conformance.run import REVISIONS, run_server_leg
from tests.gateway.handmade import handmade, http_spec, stdio_spec
from tests.tools.processes import fixture_command, http_fixture

OPEN = Switches(rate_per_minute=0, bearer_auth=False, server_route_names="raw", body_limit=8 * 1024 * 1024)


def raw_stdio(name: str, *arguments: str) -> ServerSpec:
    return stdio_spec(name, *fixture_command("raw_stdio", *arguments))


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28", "auto"])
async def test_official_clients_of_every_era_reach_upstreams_of_every_era(mode: str, era: str) -> None:
    async with handmade(raw_stdio("raw", "--era", era), raw_stdio("two"), switches=OPEN) as hub:
        async with Client(f"{hub.url}/mcp", mode=mode) as client:
            listed = await client.list_tools()
            names = [tool.name for tool in listed.tools]
            assert {"raw-echo", "two-echo"} <= set(names)
            called = await client.call_tool("raw-echo", {"text": "hello"})
            assert not called.is_error
            assert "hello" in json.dumps(called.model_dump(mode="json"))
        async with Client(f"{hub.url}/mcp/raw", mode=mode) as client:
            assert "echo" in [tool.name for tool in (await client.list_tools()).tools]
        assert {record.status for record in (*hub.sink.records, *hub.recorder._queue)} == {"ok"}


async def test_a_client_that_hangs_up_cancels_the_upstream() -> None:
    async with handmade(raw_stdio("raw"), switches=OPEN) as hub, aiohttp.ClientSession() as http:
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": "raw-sleep",
                "arguments": {"ms": 30_000},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        }
        headers = {
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "tools/call",
            "mcp-name": "raw-sleep",
        }
        with pytest.raises(asyncio.TimeoutError):
            async with http.post(
                f"{hub.url}/mcp", json=body, headers=headers, timeout=aiohttp.ClientTimeout(total=0.3)
            ):
                pass
        async with asyncio.timeout(5):
            while not hub.sink.records:
                await asyncio.sleep(0.01)
        assert hub.sink.records[0].status == "cancelled"


@pytest.mark.conformance
@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_the_conformance_suite_passes_through_the_data_plane(transport: str) -> None:
    with http_fixture("conformance_server", "--http", "0") as url:
        behind = stdio_spec("fix", *fixture_command("conformance_server", "--stdio"))
        async with handmade(http_spec("fix", url) if transport == "http" else behind, switches=OPEN) as hub:
            for revision, scenarios in zip(REVISIONS, (30, 37), strict=True):
                result = await asyncio.to_thread(run_server_leg, f"{hub.url}/mcp/fix", revision)
                assert result.passed == result.total == scenarios, str(result)
