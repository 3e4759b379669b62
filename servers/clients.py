"""How to tell an AI client about the hub: for each client, what to put where. Pure.

Above: the dashboard's Connect dialog. Below: nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

#: Stands for the key until one is made.
PLACEHOLDER = "<your key>"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a client connects: an address, the name it goes by in the client, and the header that takes the key."""

    url: str
    name: str
    header: str = "Authorization"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to do in one client. `text` goes into `place`; `after` says what makes the client see it."""

    key: str
    title: str
    place: str
    text: str
    after: str = ""
    link: str = ""


def endpoint_of(base: str, target: str = "", *, header: str = "authorization") -> Endpoint:
    """The endpoint of everything, or of a group or server by its name."""
    url = f"{base}/mcp" + (f"/{quote(target, safe='$')}" if target else "")
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", target.lstrip("$")).strip("-") or "mcphub"
    shown = "Authorization" if header.lower() == "authorization" else header
    return Endpoint(url, name, shown)


def recipes(endpoint: Endpoint, token: str = PLACEHOLDER) -> list[Recipe]:
    """All clients that are known, the most used first."""
    bearer = f"Bearer {token}"
    return [make(endpoint, bearer) for make in _RECIPES]


def _headers(endpoint: Endpoint, bearer: str) -> dict[str, str]:
    return {endpoint.header: bearer}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _claude_code(endpoint: Endpoint, bearer: str) -> Recipe:
    command = (
        f'claude mcp add --transport http {endpoint.name} {endpoint.url} \\\n  --header "{endpoint.header}: {bearer}"'
    )
    return Recipe("claude-code", "Claude Code", "Run in a terminal", command, "Then start claude and type /mcp.")


def _claude_desktop(endpoint: Endpoint, bearer: str) -> Recipe:
    # Its file knows child processes only; mcp-remote is the bridge its makers point to.
    args = ["-y", "mcp-remote", endpoint.url, "--header", f"{endpoint.header}:${{MCPHUB_AUTH}}"]
    if endpoint.url.startswith("http://") and not re.match(r"http://(localhost|127\.0\.0\.1)[:/]", endpoint.url):
        args.append("--allow-http")
    entry = {"command": "npx", "args": args, "env": {"MCPHUB_AUTH": bearer}}
    return Recipe(
        "claude-desktop",
        "Claude Desktop",
        "Settings → Developer → Edit Config: claude_desktop_config.json",
        _json({"mcpServers": {endpoint.name: entry}}),
        "Quit Claude Desktop and open it again. Needs Node on that machine.",
    )


def _cursor(endpoint: Endpoint, bearer: str) -> Recipe:
    entry = {"url": endpoint.url, "headers": _headers(endpoint, bearer)}
    return Recipe(
        "cursor",
        "Cursor",
        "~/.cursor/mcp.json, or .cursor/mcp.json in a project",
        _json({"mcpServers": {endpoint.name: entry}}),
        "Cursor sees the change by itself; switch the server on under Settings → MCP.",
    )


def _vs_code(endpoint: Endpoint, bearer: str) -> Recipe:
    entry = {"type": "http", "url": endpoint.url, "headers": _headers(endpoint, bearer)}
    return Recipe(
        "vs-code",
        "VS Code",
        ".vscode/mcp.json in a project, or “MCP: Open User Configuration”",
        _json({"servers": {endpoint.name: entry}}),
        "Choose Start above the entry, then pick the tools in Copilot's agent mode.",
    )


def _codex(endpoint: Endpoint, bearer: str) -> Recipe:
    text = (
        f"[mcp_servers.{endpoint.name}]\nurl = {json.dumps(endpoint.url)}\n"
        f"http_headers = {{ {json.dumps(endpoint.header)} = {json.dumps(bearer)} }}"
    )
    return Recipe("codex", "Codex", "~/.codex/config.toml", text, "Start codex and type /mcp.")


def _windsurf(endpoint: Endpoint, bearer: str) -> Recipe:
    entry = {"serverUrl": endpoint.url, "headers": _headers(endpoint, bearer)}
    return Recipe(
        "windsurf",
        "Windsurf",
        "~/.codeium/windsurf/mcp_config.json",
        _json({"mcpServers": {endpoint.name: entry}}),
        "Press Refresh in Cascade's MCP panel.",
    )


def _generic(endpoint: Endpoint, bearer: str) -> Recipe:
    entry = {"type": "streamable-http", "url": endpoint.url, "headers": _headers(endpoint, bearer)}
    return Recipe("json", "Any other", "The client's mcpServers object", _json({"mcpServers": {endpoint.name: entry}}))


_RECIPES: tuple[Callable[[Endpoint, str], Recipe], ...] = (
    _claude_code,
    _claude_desktop,
    _cursor,
    _vs_code,
    _codex,
    _windsurf,
    _generic,
)
