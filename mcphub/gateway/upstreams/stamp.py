"""What the hub writes into a request towards an upstream, by era, and what it takes out. Pure.

A request keeps everything its caller put in; the hub owns only the progress token (it must be unique on the
connection) and, in `_meta`, the keys that describe a client of the stateless revision: there the hub is the client.
(protocol reference A.6.1, A.7) Above: `duplex`, `streamable`. Below: `gateway.envelope`, `jsonrpc`.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw

from mcphub.gateway.envelope import (
    CAPABILITIES_KEY,
    CLIENT_KEY,
    LOG_LEVEL_KEY,
    MODERN,
    UI_EXTENSION,
    UI_MIME,
    VERSION_KEY,
)
from mcphub.gateway.jsonrpc import Members, dumps, members
from mcphub.version import VERSION

CLIENT_INFO: Final = {"name": "mcphub", "version": VERSION}
_APPS = {UI_EXTENSION: {"mimeTypes": [UI_MIME]}}
#: Declared to session-based upstreams; what the caller of a call cannot answer is refused when it is asked.
LEGACY_CAPABILITIES: Final[dict[str, Any]] = {
    "sampling": {},
    "elicitation": {"form": {}, "url": {}},
    "roots": {},
    "extensions": _APPS,
}
#: What the hub declares with requests of its own.
OWN_CAPABILITIES: Final = dumps({"extensions": _APPS})

#: A session-based upstream would take these for its own era's; some refuse a version they do not serve.
_MODERN_KEYS = (VERSION_KEY, CAPABILITIES_KEY, CLIENT_KEY, LOG_LEVEL_KEY)
_VERSION_VALUE = Raw(dumps(MODERN))
_INFO_VALUE = Raw(dumps(CLIENT_INFO))


def stamp(params: Members, own: int, *, modern: bool, capabilities: bytes) -> tuple[Members, Raw | None]:
    """The params to send under the id `own`, and the caller's progress token, which `own` stands in for.

    `params` is not changed. Raises `InvalidRequest` where `_meta` is no object.
    """
    given = params.get("_meta")
    if given is None and not modern:
        return params, None
    meta = members(given) if given is not None else {}
    token = meta.get("progressToken")
    if token is not None:
        meta["progressToken"] = Raw(b"%d" % own)
    if modern:
        meta[VERSION_KEY] = _VERSION_VALUE
        meta[CAPABILITIES_KEY] = Raw(capabilities)
        meta[CLIENT_KEY] = _INFO_VALUE
    else:
        for key in _MODERN_KEYS:
            meta.pop(key, None)
    stamped = dict(params)
    stamped["_meta"] = Raw(dumps(meta))
    return stamped, token


def encode(own: int, method: str, params: Members) -> bytes:
    """The request as one line, without its end."""
    line = dumps({"jsonrpc": "2.0", "id": own, "method": method, "params": params})
    if b"\n" in line or b"\r" in line:
        # Inside a JSON string a line break is always escaped, so these are blanks between the caller's members.
        line = line.replace(b"\n", b" ").replace(b"\r", b" ")
    return line


def with_token(params: Raw, token: Raw) -> Raw:
    """Progress params as the caller knows them: with its own token. Raises `InvalidRequest` for what is no object."""
    opened = members(params)
    opened["progressToken"] = token
    return Raw(dumps(opened))
