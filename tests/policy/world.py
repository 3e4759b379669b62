"""One hub with servers of every visibility, and everyone who may come to its doors."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.tools.hub import META, MODERN, PASSWORD, TestHub, hub, stdio

Json = dict[str, Any]

#: The servers: their owner, visibility and sharing. `foreign` belongs to someone who is no admin.
SERVERS: dict[str, Json] = {
    "private": {"owner": "admin", "visibility": "private"},
    "shared": {"owner": "admin", "visibility": "group", "sharedWithUsers": ["bob"]},
    "public": {"owner": "admin", "visibility": "public"},
    "foreign": {"owner": "alice", "visibility": "private"},
}
#: One group for each server, of the same owner and visibility.
GROUPS = {f"g-{name}": name for name in SERVERS}
USERS = ("alice", "bob", "carol")
#: Bearer keys: what they are made with.
KEYS: dict[str, Json] = {
    "key-all": {"accessType": "all"},
    "key-groups": {"accessType": "groups", "allowedGroups": ["g-private"]},
    "key-servers": {"accessType": "servers", "allowedServers": ["shared"]},
    "key-custom": {"accessType": "custom", "allowedGroups": ["g-public"], "allowedServers": ["foreign"]},
    "key-user": {"kind": "user", "owner": "bob"},
    "key-disabled": {"accessType": "all", "enabled": False},
}
CALLERS = ("anonymous", "admin", *USERS, *KEYS)


@dataclass(frozen=True)
class Answer:
    """Status, JSON body (None where it has none) and headers."""

    status: int
    body: Any
    headers: Mapping[str, str]
    size: int


@dataclass(frozen=True)
class World:
    """The hub, and the headers each caller comes with: to REST, and to MCP (where people come with keys of theirs)."""

    hub: TestHub
    rest: dict[str, dict[str, str]] = field(default_factory=dict)
    mcp: dict[str, dict[str, str]] = field(default_factory=dict)

    def ask(self, who: str, method: str, path: str, body: Any = None) -> Answer:
        """One request to the REST API."""
        return send(self.hub.url + path, method, body, self.rest[who])

    def rpc(self, who: str, path: str, method: str, params: Json | None = None, name: str = "") -> Answer:
        """One MCP request of the stateless revision."""
        headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": MODERN}
        headers |= {"Mcp-Method": method} | ({"Mcp-Name": name} if name else {}) | self.mcp[who]
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), "_meta": META}}
        return send(self.hub.url + path, "POST", message, headers)


def send(url: str, method: str, body: Any, headers: Mapping[str, str]) -> Answer:
    sent = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, sent, {"Content-Type": "application/json", **headers}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return _read(answer.status, answer)
    except urllib.error.HTTPError as refused:
        return _read(refused.code, refused)


def _read(status: int, answer: Any) -> Answer:
    text = answer.read()
    is_json = "json" in answer.headers.get("Content-Type", "")
    return Answer(status, json.loads(text) if is_json and text else None, dict(answer.headers), len(text))


@contextlib.contextmanager
def everyone() -> Iterator[World]:
    """The hub with all servers, groups, users and keys."""
    servers = {name: {**stdio(), **known} for name, known in SERVERS.items()}
    groups = [
        {
            "id": f"{number}0000000-0000-4000-8000-000000000000",
            "name": group,
            "servers": [server],
            "owner": SERVERS[server]["owner"],
            "visibility": SERVERS[server]["visibility"],
            "sharedWithUsers": SERVERS[server].get("sharedWithUsers", []),
        }
        for number, (group, server) in enumerate(GROUPS.items(), start=1)
    ]
    with hub(servers, groups=groups, env={"API_RATE_LIMIT": "0"}) as found:
        made = World(found)
        people(made)
        for name, members in KEYS.items():
            token = make_key(found, name, members)
            made.rest[name] = made.mcp[name] = {"Authorization": f"Bearer {token}"}
        yield made


def people(world: World) -> None:
    """Sign everyone in; over MCP each comes with a user key."""
    world.rest["anonymous"] = world.mcp["anonymous"] = {}
    for name in ("admin", *USERS):
        if name != "admin":
            world.hub.api("POST", "/users", {"username": name, "password": PASSWORD})
        signed = send(f"{world.hub.url}/api/auth/login", "POST", {"username": name, "password": PASSWORD}, {}).body
        world.rest[name] = {"x-auth-token": signed["token"]}
        token = make_key(world.hub, f"of {name}", {"kind": "user", "owner": name})
        world.mcp[name] = {"Authorization": f"Bearer {token}"}


def make_key(found: TestHub, name: str, members: Json) -> str:
    status, reply = found.api("POST", "/auth/keys", {"name": name, **members})
    assert status == 201, reply
    return str(reply["data"]["token"])
