"""Which URL paths are the gateway's, and what they mean. Pure; each path is read once.

Above: `app`. Below: nothing.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qs

METADATA = "/.well-known/oauth-protected-resource"
_DOORS = frozenset(("mcp", "sse", "messages"))
#: First path segments that are never user names (defect 49: `/api/mcp/…` belongs to the API).
RESERVED = frozenset(
    ("admin", "api", "api-docs", "assets", "config", "dashboard", "discovery", "health", "login", "oauth",
     "public-config", "static", "ws", ".well-known")
) | _DOORS  # fmt: skip
_MOST_PATHS = 4096


class Path(NamedTuple):
    """What a path means: `door` is mcp, sse, messages or metadata; `user` None off the user-scoped routes."""

    door: str
    target: str
    user: str | None
    mount: str


class Paths:
    """The paths under one base path, remembered once they were asked for."""

    def __init__(self, base_path: str) -> None:
        self._base_path = base_path
        self._known: dict[str, Path | None] = {}

    def read(self, path: str) -> Path | None:
        """The meaning of a decoded path; None where it is not the gateway's."""
        try:
            return self._known[path]
        except KeyError:
            found = understand(path, self._base_path)
            if len(self._known) >= _MOST_PATHS:
                self._known.clear()
            self._known[path] = found
            return found


def understand(path: str, base_path: str) -> Path | None:
    """The meaning of one path; None for paths of the rest of the hub."""
    if path == METADATA or path.startswith(METADATA + "/"):
        return Path("metadata", path[len(METADATA) :].rstrip("/"), None, "")
    if base_path and path != base_path and not path.startswith(base_path + "/"):
        return None
    segments = path[len(base_path) + 1 :].split("/", 2)
    user, mount = None, base_path
    if segments[0] not in _DOORS:
        if segments[0] in RESERVED or len(segments) < 2 or segments[1] not in _DOORS or not segments[0]:
            return None
        user = segments[0]
        mount = f"{base_path}/{user}"
        segments = segments[1:]
    door = segments[0]
    target = "/".join(segments[1:]).rstrip("/")
    if door == "messages" and target:
        return None
    return Path(door, target, user, mount)


def raw_names_wanted(query: bytes) -> bool | None:
    """What `?names=raw` or `?names=prefixed` asks for; None where neither does."""
    if b"names=" not in query:
        return None
    wanted = parse_qs(query.decode("latin-1")).get("names")
    return {"raw": True, "prefixed": False}.get(wanted[0]) if wanted else None
