"""A known-good MCP client on the Python SDK for the suite's client scenarios, with or without a hub between.

Usage: ``client.py URL``, started by the suite, which says in ``MCP_CONFORMANCE_*`` what it wants to see. The client
does what any scenario may look for: it lists everything, calls every tool (with the suite's arguments when it gave
some), answers every question, reads a resource and gets a prompt.

With ``MCPHUB_CONFORMANCE_HUB`` set to a hub's address, the URL is first registered there as a server of its own, and
the client talks to ``/mcp/<name>?names=raw`` instead; the suite then sees the hub's requests. Also read:

    MCPHUB_CONFORMANCE_TOKEN                 an admin token for the hub's API; or
    MCPHUB_CONFORMANCE_USER, ..._PASSWORD    whom to sign in as (default user: admin)
    MCPHUB_CONFORMANCE_KEY                   a bearer key for the hub's MCP routes, if it asks for one
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import time
import warnings
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError

Json = dict[str, Any]

READ_TIMEOUT = 25.0
CONNECT_TIMEOUT = 15.0
VALUES: Json = {"string": "text", "number": 1.5, "integer": 1, "boolean": True, "object": {}, "array": [], "null": None}


def value_for(schema: Json) -> Any:
    """A plausible value for one property."""
    if "default" in schema:
        return schema["default"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "string")
    return VALUES.get(kind if isinstance(kind, str) else kind[0], "text")


def arguments_for(tool: types.Tool, tools: list[types.Tool]) -> Json:
    """Plausible arguments; a tool that asks for a schema gets the other tool's, as received."""
    properties: dict[str, Json] = tool.input_schema.get("properties", {})
    required = tool.input_schema.get("required", [])
    arguments = {name: value_for(schema) for name, schema in properties.items() if name in required}
    if "schema" in arguments:
        arguments["schema"] = next(other.input_schema for other in tools if other.name != tool.name)
    return arguments


async def answer_form(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
    """Accept with the form's defaults, as a user who just confirms."""
    schema: Json = getattr(params, "requested_schema", None) or {}
    return types.ElicitResult(
        action="accept", content={name: value_for(field) for name, field in schema.get("properties", {}).items()}
    )


async def answer_sampling(context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
    """A model of few words."""
    content = types.TextContent(type="text", text="Paris")
    return types.CreateMessageResult(role="assistant", content=content, model="none", stop_reason="endTurn")


async def answer_roots(context: Any) -> types.ListRootsResult:
    """One root."""
    return types.ListRootsResult.model_validate({"roots": [{"uri": "file:///workspace", "name": "workspace"}]})


async def call(client: Client, name: str, arguments: Json) -> None:
    """Call one tool; errors are the scenario's business, not the client's end.

    One scenario answers without a resultType, which has to be read as complete; the SDK refuses it with a validation
    error (a ValueError). It must not take the calls beside it along. A hub that adds the field spares the client that.
    """
    try:
        result = await client.call_tool(name, arguments)
        print(f"called {name}: {'error' if result.is_error else 'ok'}")
    except (MCPError, RuntimeError, ValueError) as problem:
        print(f"called {name}: {problem}")


async def exercise(client: Client) -> None:
    """Do everything a scenario may want to see."""
    listed: list[types.Tool] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        listed += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    print(f"tools: {[tool.name for tool in listed]}")
    wanted = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}")).get("toolCalls")
    calls = wanted or [{"name": tool.name, "arguments": arguments_for(tool, listed)} for tool in listed]
    # Side by side: what one call was asked must not leak into another.
    await asyncio.gather(*(call(client, item["name"], item.get("arguments", {})) for item in calls))
    capabilities = client.server_capabilities
    if capabilities.resources is not None:
        for resource in (await client.list_resources()).resources[:1]:
            await client.read_resource(resource.uri)
    if capabilities.prompts is not None:
        for prompt in (await client.list_prompts()).prompts[:1]:
            await client.get_prompt(prompt.name, {argument.name: "x" for argument in prompt.arguments or []})


async def session(url: str, headers: dict[str, str]) -> None:
    """Connect in the scenario's era and exercise the server."""
    revision = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2026-07-28")
    async with httpx2.AsyncClient(headers=headers, timeout=READ_TIMEOUT) as http:
        client = Client(
            streamable_http_client(url, http_client=http),
            mode="auto" if revision >= "2026" else "legacy",
            read_timeout_seconds=READ_TIMEOUT,
            elicitation_callback=answer_form,
            sampling_callback=answer_sampling,
            list_roots_callback=answer_roots,
        )
        async with client:
            print(f"connected to {url} at {client.protocol_version}")
            await exercise(client)


@contextlib.asynccontextmanager
async def registered(hub: str, url: str) -> AsyncIterator[str]:
    """Register `url` in the hub for as long as the block runs; yields the address of its own route."""
    name = f"conformance-{secrets.token_hex(4)}"
    async with httpx2.AsyncClient(base_url=hub, timeout=CONNECT_TIMEOUT) as api:
        token = os.environ.get("MCPHUB_CONFORMANCE_TOKEN") or await sign_in(api)
        api.headers["x-auth-token"] = token
        config = {"type": "streamable-http", "url": url}
        (await api.post("/api/servers", json={"name": name, "config": config})).raise_for_status()
        try:
            await connected(api, name)
            yield f"{hub.rstrip('/')}/mcp/{name}?names=raw"
        finally:
            await api.delete(f"/api/servers/{name}")


async def sign_in(api: httpx2.AsyncClient) -> str:
    """A token for the hub's API."""
    who = {
        "username": os.environ.get("MCPHUB_CONFORMANCE_USER", "admin"),
        "password": os.environ.get("MCPHUB_CONFORMANCE_PASSWORD", ""),
    }
    reply = await api.post("/api/auth/login", json=who)
    reply.raise_for_status()
    return str(reply.json()["token"])


async def connected(api: httpx2.AsyncClient, name: str) -> None:
    """Wait until the hub has connected to the server."""
    deadline = time.monotonic() + CONNECT_TIMEOUT
    status = "unknown"
    while time.monotonic() < deadline:
        reply = (await api.get(f"/api/servers/{name}")).json()
        status = (reply.get("data") or {}).get("status", "unknown")
        if status == "connected":
            return
        await asyncio.sleep(0.05)
    raise SystemExit(f"the hub did not connect to {name}: {status}")


async def run(url: str) -> None:
    """Directly, or through the hub."""
    key = os.environ.get("MCPHUB_CONFORMANCE_KEY")
    hub = os.environ.get("MCPHUB_CONFORMANCE_HUB")
    if hub:
        async with registered(hub, url) as route:
            await session(route, {"Authorization": f"Bearer {key}"} if key else {})
    else:
        await session(url, {})


if __name__ == "__main__":
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    asyncio.run(run(sys.argv[1]))
