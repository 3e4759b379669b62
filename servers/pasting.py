"""What people paste: the server objects of other clients' settings, read into configurations of ours. Pure.

Known are `mcpServers` (Claude Desktop, Cursor, Windsurf and many more), `servers` with `inputs` (VS Code's mcp.json),
`mcp.servers` (VS Code's settings.json), `context_servers` (Zed), a bare map of servers, and one server alone. Comments
and trailing commas, which editors allow, are taken away first. Above: the dashboard's views. Below: `config`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mcphub.errors import HubError, InvalidInput
from servers import config as rules

#: Strings, so that nothing inside of them is taken for a comment; comments; commas before a closing bracket.
_JSONC = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/|,(?=\s*(?://[^\n]*\s*)*[}\]])', re.DOTALL)
_INPUT = re.compile(r"\$\{input:([^}]+)\}")
_UNUSABLE = re.compile(r"[^A-Za-z0-9._-]+")
_TYPES = {"http": "streamable-http", "streamableHttp": "streamable-http", "streamable_http": "streamable-http"}
#: Members other clients know and the hub does not need.
_FOREIGN = frozenset({"disabled", "autoApprove", "alwaysAllow", "serverUrl", "name", "gallery", "dev", "source"})


@dataclass(frozen=True, slots=True)
class Pasted:
    """One server that was found.

    Attributes:
        name: as it will be called here. config: in the words of the REST contract.
        problem: why it cannot be added, "" where it can. notes: what to know or to do about it.
    """

    name: str
    config: Mapping[str, Any]
    problem: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def target(self) -> str:
        """What is run or connected to, in one line, without secrets."""
        shown = rules.shown_config(self.config)
        if shown.get("url"):
            return str(shown["url"])
        return " ".join([str(shown.get("command", "")), *map(str, shown.get("args", ()))]).strip()

    @property
    def secrets(self) -> list[str]:
        """Names of variables and headers it comes with."""
        return [*self.config.get("env", {}), *self.config.get("headers", {})]


def read(text: str) -> list[Pasted]:
    """The servers in a text. Raises `InvalidInput` where it is no JSON, or there are none in it."""
    try:
        found = json.loads(_JSONC.sub(lambda match: match[1] or "", text))
    except ValueError as broken:
        raise InvalidInput(f"This is not JSON: {broken}.") from None
    except RecursionError:
        raise InvalidInput("This is nested too deeply.") from None
    servers = _servers(found)
    if not servers:
        raise InvalidInput(
            'There are no servers in this. Paste an object with "mcpServers" (Claude Desktop, Cursor), '
            '"servers" (VS Code), or one server with a command or url.'
        )
    return [_pasted(str(name), given) for name, given in servers.items()]


def _servers(found: Any) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        return {}
    nested = found.get("mcp")
    for holder, name in ((found, "mcpServers"), (nested, "servers"), (found, "servers"), (found, "context_servers")):
        if isinstance(holder, Mapping) and isinstance(holder.get(name), Mapping):
            return holder[name]  # type: ignore[no-any-return]  # JSON
    if _is_server(found):
        return {str(found.get("name") or _name_for(found)): found}
    return {name: each for name, each in found.items() if _is_server(each)}


def _is_server(value: Any) -> bool:
    return isinstance(value, Mapping) and any(value.get(name) for name in ("command", "url", "serverUrl", "openapi"))


def _name_for(server: Mapping[str, Any]) -> str:
    """A name for a server that came without one: of its package or its host."""
    url = server.get("url") or server.get("serverUrl")
    if isinstance(url, str):
        return (urlsplit(url).hostname or "server").removeprefix("mcp.").split(".")[0]
    words = [
        str(word) for word in (server.get("command"), *(server.get("args") or ())) if not str(word).startswith("-")
    ]
    package = words[1] if len(words) > 1 and words[0] in ("npx", "uvx", "bunx", "pipx") else words[0]
    return package.rsplit("/", 1)[-1].split("@")[0].removeprefix("server-").removeprefix("mcp-server-") or "server"


def _pasted(name: str, given: Any) -> Pasted:
    usable = _UNUSABLE.sub("-", name).strip("-.") or "server"
    if not isinstance(given, Mapping):
        return Pasted(usable, {}, "It is no object.")
    notes = [f"Called {usable} here, as names have no other characters."] if usable != name else []
    config = {member: value for member, value in given.items() if member not in _FOREIGN}
    if "command" in config and isinstance(config["command"], Mapping):  # Zed keeps both in one member
        command = config.pop("command")
        config |= {"command": command.get("path"), "args": command.get("args"), "env": command.get("env")}
    if given.get("serverUrl"):
        config["url"] = given["serverUrl"]
    kind = _TYPES.get(str(config.get("type")), config.get("type"))
    if config.get("url") and not kind:
        kind = "sse" if urlsplit(str(config["url"])).path.rstrip("/").endswith("/sse") else "streamable-http"
    if kind:
        config["type"] = kind
    if given.get("disabled") is True:
        config["enabled"] = False
        notes.append("It is switched off there, so it will be here.")
    if config.pop("envFile", None):
        notes.append("Its envFile is not read: add the variables under its settings.")
    asked = sorted(set(_INPUT.findall(json.dumps(config, default=str))))
    if asked:
        notes.append(f"VS Code asks for {', '.join(asked)}: put the values into its settings.")
    try:
        rules.server_name(usable)
        return Pasted(usable, rules.created(config), notes=tuple(notes))
    except HubError as refused:
        return Pasted(usable, config, refused.message, tuple(notes))
