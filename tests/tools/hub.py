"""A whole hub in a process of its own, started as people start it, for tests and benchmarks.

Everything listens on loopback, lives in a temporary folder, and ends with the block.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.tools.processes import FIXTURES, REPOSITORY, Running, free_port, running, until

MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}
PASSWORD = "Adm1n!pass-of-tests"
Json = dict[str, Any]


@dataclass(frozen=True)
class TestHub:
    """A running hub: its address, its process, its data folder, and a bearer key that reaches everything."""

    __test__ = False

    url: str
    process: Running
    key: str
    data: Path

    def headers(self, method: str, name: str = "") -> dict[str, str]:
        """Headers of one MCP request of the stateless revision."""
        found = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN,
            "Mcp-Method": method,
        }
        return found | ({"Mcp-Name": name} if name else {})

    def rpc(self, path: str, method: str, params: Mapping[str, Any] | None = None, name: str = "") -> Json:
        """One MCP request of the stateless revision; the whole JSON-RPC answer, whatever its status."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), "_meta": META}}
        return self._send("POST", path, message, self.headers(method, name))[1]

    def call(self, tool: str, arguments: Mapping[str, Any] | None = None, path: str = "/mcp") -> Json:
        """Call a tool; the whole JSON-RPC answer."""
        return self.rpc(path, "tools/call", {"name": tool, "arguments": dict(arguments or {})}, tool)

    def tools(self, path: str = "/mcp") -> list[str]:
        """The names of the tools that a route lists."""
        return [tool["name"] for tool in self.rpc(path, "tools/list")["result"]["tools"]]

    def api(self, method: str, path: str, body: Any = None) -> tuple[int, Json]:
        """One request to the REST API with the key; status and JSON."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        return self._send(method, f"/api{path}", body, headers)

    def health(self) -> Json:
        """What /health says, also while the hub is not healthy; empty while nobody answers."""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            return self._send("GET", "/health", None, {})[1]
        return {}

    def is_healthy(self) -> bool:
        """Whether all enabled servers are up."""
        return self.health().get("status") == "healthy"

    def memory(self) -> int:
        """Resident bytes of the hub process alone, children not counted."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Json]:
        sent = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, sent, dict(headers), method=method)
        try:
            with urllib.request.urlopen(asked, timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)


def settings_for(servers: Mapping[str, Any], key: str, **more: Any) -> Json:
    """A settings file with these servers, one key, and no rate limit."""
    entry = {
        "id": "10000000-0000-4000-8000-000000000001",
        "name": "tests",
        "token": key,
        "enabled": True,
        "kind": "system",
        "accessType": "all",
    }
    routing = {"rateLimitPerMinute": 0, "jsonBodyLimit": "8mb", **more.pop("routing", {})}
    return {"mcpServers": dict(servers), "bearerKeys": [entry], "systemConfig": {"routing": routing}, **more}


@contextlib.contextmanager
def hub(
    servers: Mapping[str, Any] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    seconds: float = 60,
    folder: Path | None = None,
    **settings: Any,
) -> Iterator[TestHub]:
    """A hub with these servers, all connected. `folder` keeps its data for another start; else it is removed.

    `settings`: further members of the settings file, and `routing` for that part of the system settings.
    """
    key = "mcphub_" + secrets.token_hex(32)
    home = folder or Path(tempfile.mkdtemp(prefix="mcphub-hub-"))
    file = home / "mcp_settings.json"
    if file.exists():
        key = json.loads(file.read_text())["bearerKeys"][0]["token"]
    else:
        file.write_text(json.dumps(settings_for(servers or {}, key, **settings)))
    port = free_port()
    environment = hub_environment(home, port) | dict(env or {})
    try:
        with running([sys.executable, REPOSITORY / "manage.py", "runhub"], env=environment, cwd=home) as process:
            found = TestHub(f"http://127.0.0.1:{port}", process, key, home / "data")
            process.wait_for_output("MCPHub is ready", seconds)
            until(found.is_healthy, seconds, "a healthy hub")
            yield found
    finally:
        if folder is None:
            shutil.rmtree(home, ignore_errors=True)


def hub_environment(home: Path, port: int) -> dict[str, str]:
    """What a hub of a test needs to know, and nothing of the developer's own settings."""
    return {
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "INSTALL_BASE_URL": f"http://127.0.0.1:{port}",
        "MCPHUB_DATA_DIR": str(home / "data"),
        "MCPHUB_SETTING_PATH": str(home / "mcp_settings.json"),
        "ADMIN_PASSWORD": PASSWORD,
        "DJANGO_SETTINGS_MODULE": "mcphub.settings",
        "PYTHONPATH": str(REPOSITORY),
        "DATABASE_URL": "",
        "REDIS_URL": "",
    }


def stdio(*flags: str) -> Json:
    """A server entry for the raw stdio fixture."""
    return {"type": "stdio", "command": sys.executable, "args": ["-S", "-E", str(FIXTURES / "raw_stdio.py"), *flags]}


def streamable(url: str) -> Json:
    """A server entry for a streamable HTTP server."""
    return {"type": "streamable-http", "url": url}
