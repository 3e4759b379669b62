"""The Python SDK's client: list tools, call one, read a resource, get a prompt; one JSON line. See `matrix`.

Usage: ``python_sdk.py '{"url": ..., "era": "legacy" or "modern", ...}'``
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning


async def main(plan: dict[str, Any]) -> dict[str, Any]:
    """Carry the plan out."""
    headers = {"Authorization": f"Bearer {plan['token']}"} if plan.get("token") else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(
            streamable_http_client(plan["url"], http_client=http),
            mode="legacy" if plan["era"] == "legacy" else "2026-07-28",
            read_timeout_seconds=30,
        ) as client,
    ):
        tools: list[str] = []
        cursor: str | None = None
        while True:
            page = await client.list_tools(cursor=cursor)
            tools += [tool.name for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                break
        outcome: dict[str, Any] = {"protocol": client.protocol_version, "tools": tools}
        if plan.get("tool"):
            called = await client.call_tool(plan["tool"], plan.get("arguments") or {})
            outcome["call"] = called.model_dump(by_alias=True, mode="json", exclude_none=True)
        if plan.get("resource"):
            outcome["resource"] = (await client.read_resource(plan["resource"])).model_dump(by_alias=True, mode="json")
        if plan.get("prompt"):
            got = await client.get_prompt(plan["prompt"], plan.get("promptArguments") or {})
            outcome["prompt"] = got.model_dump(by_alias=True, mode="json", exclude_none=True)
        return outcome


if __name__ == "__main__":
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
