"""The rules of a server's configuration: one normalisation and one validation, whichever door it comes through.

Pure functions on the objects of the REST contract (sections 4.1 to 4.3). Members the hub does not know are kept.
Above: `actions`, `settings_file`, the API. Below: `checks`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mcphub.errors import InvalidInput
from mcphub.masking import MASK, hidden, is_secret_name, masked, restored
from mcphub.texts import is_storable
from servers import checks

TRANSPORTS = ("stdio", "sse", "streamable-http", "openapi")
VISIBILITIES = ("private", "group", "public")
#: Per-item maps, and the kind of item each is about.
ITEM_MAPS = {"tools": "tool", "prompts": "prompt", "resources": "resource"}
#: Names that reach the prototype of every object in a JavaScript client.
PROTOTYPE_NAMES = frozenset({"__proto__", "constructor", "prototype"})
DEFAULT_KEEP_ALIVE_MS = 60_000

#: Members whose change means another connection.
CONNECTION = frozenset(
    {
        "type", "url", "command", "args", "env", "cwd", "headers", "passthroughHeaders", "options", "oauth", "openapi",
        "perSessionClient", "startOnDemand", "idleTimeoutMs", "enableKeepAlive", "keepAliveInterval", "proxy",
        "credentialTemplate",
    }
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
#: What each transport has no use for; dropped before anything is checked.
_FOREIGN = {
    "stdio": ("url", "headers", "passthroughHeaders", "oauth", "enableKeepAlive", "keepAliveInterval", "openapi"),
    "sse": ("command", "args", "cwd", "openapi", "proxy", "startOnDemand"),
    "streamable-http": ("command", "args", "cwd", "openapi", "proxy", "startOnDemand"),
    "openapi": (
        "url", "command", "args", "cwd", "env", "passthroughHeaders", "oauth", "enableKeepAlive", "keepAliveInterval",
        "proxy", "startOnDemand", "perSessionClient",
    ),
}  # fmt: skip
_CHECKS: Mapping[str, checks.Check] = {
    "description": checks.text(20_000),
    "url": checks.address,
    "command": checks.text(4096),
    "args": checks.texts(1000, kept=True),
    "env": checks.environment,
    "cwd": checks.text(4096),
    "headers": checks.headers,
    "passthroughHeaders": checks.header_names,
    "enabled": checks.boolean,
    "owner": checks.text(150),
    "visibility": checks.one_of(VISIBILITIES),
    "sharedWithUsers": checks.texts(10_000),
    "enableKeepAlive": checks.boolean,
    "keepAliveInterval": checks.number(1_000, 86_400_000),
    "options": checks.members(
        {
            "timeout": checks.number(1, 86_400_000),
            "maxTotalTimeout": checks.number(1, 86_400_000),
            "resetTimeoutOnProgress": checks.boolean,
            "maxBufferSize": checks.number(1024, 1 << 30),
            "maxInFlight": checks.number(1, 100_000),
            "maxQueued": checks.number(0, 100_000),
        },
        drop_unknown=True,
    ),
    "proxy": checks.members(
        {
            "enabled": checks.boolean,
            "type": checks.one_of(("socks5", "socks4", "http")),
            "host": checks.text(255),
            "port": checks.number(1, 65_535),
            "username": checks.text(1024),
            "password": checks.text(1024),
            "configPath": checks.text(4096),
        }
    ),
    "perSessionClient": checks.boolean,
    "startOnDemand": checks.boolean,
    "idleTimeoutMs": checks.number(1_000, 86_400_000),
    "oauth": checks.members(
        {
            "clientId": checks.text(2048),
            "clientSecret": checks.text(4096),
            "scopes": checks.texts(200),
            "authorizationEndpoint": checks.address,
            "tokenEndpoint": checks.address,
            "revocationEndpoint": checks.address,
            "allowInsecureTokenEndpoint": checks.boolean,
            "dynamicRegistration": checks.members({"enabled": checks.boolean}),
        }
    ),
    "openapi": checks.members(
        {
            "url": checks.address,
            "schema": checks.members({}),
            "passthroughHeaders": checks.header_names,
            "cookieSession": checks.boolean,
            "operations": checks.texts(10_000),
            "security": checks.members({"type": checks.one_of(("none", "apiKey", "http", "oauth2", "openIdConnect"))}),
            "specSecurity": checks.members(
                {"type": checks.one_of(("none", "apiKey", "http", "oauth2", "openIdConnect"))}
            ),
        }
    ),
    **dict.fromkeys(ITEM_MAPS, checks.item_map),
}


def server_name(name: object) -> str:
    """A name for a new or renamed server, trimmed. Raises `InvalidInput`."""
    trimmed = name.strip() if isinstance(name, str) else ""
    if not _NAME.fullmatch(trimmed) or ".." in trimmed or trimmed in PROTOTYPE_NAMES:
        raise InvalidInput("A server name has 1 to 128 letters, digits, dots, underscores and hyphens, no two dots.")
    return trimmed


def item_key(key: object) -> str:
    """The name or URI of an item as an override may be stored under. Raises `InvalidInput`."""
    if not isinstance(key, str) or not key or len(key) > 2048 or not is_storable(key) or key in PROTOTYPE_NAMES:
        raise InvalidInput("This is not the name of a tool, prompt or resource.")
    return key


def normalised(config: object) -> dict[str, Any]:
    """A complete configuration: members trimmed and checked, foreign and empty ones dropped, `type` inferred.

    Raises `InvalidInput` with a sentence that names the member and the rule.
    """
    if not isinstance(config, Mapping):
        raise InvalidInput("A server needs a configuration object.")
    found = {str(name): value for name, value in config.items() if value is not None}
    transport = _transport(found)
    for name in _FOREIGN[transport]:
        found.pop(name, None)
    result: dict[str, Any] = {"type": transport}
    for name, value in found.items():
        if name != "type" and not _is_empty(checked := _checked(name, value)):
            result[name] = checked
    _require_target(result)
    _settle_keep_alive(result)
    if result.get("visibility") != "group":
        result.pop("sharedWithUsers", None)
    return result


def merged(stored: Mapping[str, Any], sent: object) -> dict[str, Any]:
    """A stored configuration with what was sent laid over it: what was not sent stays, null and empty clear.

    `stored` is plain; masked values in `sent` stand for the stored ones. As the contract's normalisation adds
    `enableKeepAlive: false` to every remote configuration that leaves it out, one that is sent whole (with `type` or
    `url`) and without it switches it off.
    """
    if not isinstance(sent, Mapping):
        raise InvalidInput("A server needs a configuration object.")
    shown = shown_config(stored)
    plain = {name: _restored(name, value, stored.get(name), shown.get(name)) for name, value in sent.items()}
    if ("type" in sent or "url" in sent) and "enableKeepAlive" not in sent:
        plain["enableKeepAlive"] = False
    if isinstance(plain.get("oauth"), Mapping):
        plain["oauth"] = {**(stored.get("oauth") or {}), **plain["oauth"]}
    before = {**stored, "type": _transport_after(stored, plain)} if stored else {}
    return normalised({**before, **plain})


def _transport_after(stored: Mapping[str, Any], sent: Mapping[str, Any]) -> str:
    """The type where none was sent: the stored one, unless a target that only another type has was sent alone."""
    given = [
        kind for kind, member in (("stdio", "command"), ("openapi", "openapi"), ("sse", "url")) if sent.get(member)
    ]
    kind = str(stored["type"])
    if len(given) != 1 or (given == ["sse"] and kind == "streamable-http"):
        return kind
    return given[0]


def created(sent: object) -> dict[str, Any]:
    """A configuration for a new server: as `normalised`, but a masked value, which stands for nothing, is refused."""
    return merged({}, sent)


def is_privileged(config: Mapping[str, Any]) -> bool:
    """Whether a (normalised) configuration runs commands on the hub's machine or weakens OAuth: for admins only."""
    oauth = config.get("oauth")
    weakened = isinstance(oauth, Mapping) and oauth.get("allowInsecureTokenEndpoint") is True
    return config["type"] == "stdio" or "command" in config or bool(config.get("args")) or weakened


def connection_differs(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether going from one (normalised) configuration to the other needs another connection."""
    return any(before.get(name) != after.get(name) for name in CONNECTION)


def shown_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration as its owner may read it: every secret masked, references (`${NAME}`) readable.

    All values of `env` and `headers` are masked: nothing tells the harmless ones apart.
    """
    shown = {str(name): masked(value) for name, value in config.items() if name not in ("env", "headers")}
    for name in ("env", "headers"):
        if isinstance(config.get(name), Mapping):
            shown[name] = {key: hidden(value) for key, value in config[name].items()}
    if isinstance(config.get("url"), str):
        shown["url"] = shown_address(config["url"])
    if isinstance(shown.get("openapi"), dict) and isinstance(config["openapi"].get("url"), str):
        shown["openapi"]["url"] = shown_address(config["openapi"]["url"])
        if "schema" in config["openapi"]:
            shown["openapi"]["schema"] = config["openapi"]["schema"]  # a public description, not a place for secrets
    return shown


def shown_address(url: str) -> str:
    """An address with its password and the secret-looking values of its query masked."""
    head, mark, query = str(masked(url)).partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")] if mark else []
    told = "&".join(f"{name}={MASK}" if equal and _hides(name, value) else name + equal + value
                    for name, equal, value in pairs)  # fmt: skip
    return head + mark + told


def _hides(name: str, value: str) -> bool:
    return (is_secret_name(name) or name.lower() in ("key", "sig", "code")) and hidden(value) == MASK


def _restored(name: str, value: Any, stored: Any, shown: Any) -> Any:
    if name != "openapi" or not isinstance(value, Mapping) or "schema" not in value:
        return restored(value, stored, shown)
    # Asterisks in a described API are its own.
    rest = {member: given for member, given in value.items() if member != "schema"}
    return {**restored(rest, stored, shown), "schema": value["schema"]}


def _transport(config: Mapping[str, Any]) -> str:
    openapi = config.get("openapi")
    described = isinstance(openapi, Mapping) and bool(openapi.get("url") or openapi.get("schema"))
    url, command = (checks.trimmed(config.get(name)) for name in ("url", "command"))
    if not (url or described or command):
        raise InvalidInput("A server needs a url, a command, or an openapi.url or openapi.schema.")
    transport = config.get("type") or ("openapi" if described else "sse" if url else "stdio")
    if transport not in TRANSPORTS:
        raise InvalidInput(f"The type must be one of {', '.join(TRANSPORTS)}.")
    return str(transport)


def _require_target(config: Mapping[str, Any]) -> None:
    transport = config["type"]
    if transport == "stdio" and "command" not in config:
        raise InvalidInput("A stdio server needs a command.")
    if transport in ("sse", "streamable-http") and "url" not in config:
        raise InvalidInput(f"A server of type {transport} needs a url.")
    if transport == "openapi" and not any(config.get("openapi", {}).get(name) for name in ("url", "schema")):
        raise InvalidInput("A server of type openapi needs openapi.url or openapi.schema.")


def _settle_keep_alive(config: dict[str, Any]) -> None:
    if config["type"] not in ("sse", "streamable-http"):
        return
    config.setdefault("enableKeepAlive", False)
    if config["enableKeepAlive"] or config["type"] == "sse":
        config.setdefault("keepAliveInterval", DEFAULT_KEEP_ALIVE_MS)
    else:
        config.pop("keepAliveInterval", None)


def _checked(name: str, value: Any) -> Any:
    check = _CHECKS.get(name)
    return checks.storable(checks.storable("config", name), value) if check is None else check(name, value)


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)
