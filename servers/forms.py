"""The form of a server: from what a browser sends to a configuration of the REST contract, and back.

Texts with one entry a line stand for maps and lists (`NAME=value`, `Header: value`); the command is one line, cut into
words as a shell would, but never run by one. A form sends all of its members, so what was emptied is cleared. Above:
the dashboard's views. Below: nothing; `config` judges what comes out.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from mcphub.errors import InvalidInput

#: Numbers of `options` and the fields they are sent as; times in seconds there, in milliseconds here.
_TIMES = {"timeout": "timeout", "maxTotalTimeout": "max_total"}


def config_from(sent: Mapping[str, str], stored: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The configuration a form describes. `stored` is what there was, for members the form does not show.

    Raises `InvalidInput` for lines and numbers that cannot be read.
    """
    stored = stored or {}
    kind = sent.get("type", "stdio")
    config: dict[str, Any] = {
        "type": kind,
        "description": sent.get("description", ""),
        "visibility": sent.get("visibility", "private"),
        "sharedWithUsers": _words(sent.get("shared_with", "")),
        "options": _options(sent, stored),
        "perSessionClient": "per_session" in sent,
    }
    if kind == "stdio":
        command, *args = _command_line(sent.get("command_line", "")) or [""]
        config |= {
            "command": command,
            "args": args,
            "env": _pairs("Environment", sent.get("env", ""), "="),
            "cwd": sent.get("cwd", ""),
            "startOnDemand": "on_demand" in sent,
            "idleTimeoutMs": _milliseconds("Idle time", sent.get("idle", "")),
        }
    elif kind == "openapi":
        config |= {"headers": _pairs("Headers", sent.get("headers", ""), ":"), "openapi": _openapi(sent, stored)}
    else:
        config |= {
            "url": sent.get("url", ""),
            "headers": _pairs("Headers", sent.get("headers", ""), ":"),
            "passthroughHeaders": _words(sent.get("passthrough", "")),
            "enableKeepAlive": "keep_alive" in sent,
            "oauth": _oauth(sent),
        }
    return config


def values_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields show of a configuration, whose secrets are masked already."""
    openapi, options, oauth = (config.get(name) or {} for name in ("openapi", "options", "oauth"))
    words = [config["command"], *config.get("args", ())] if config.get("command") else []
    schema = openapi.get("schema")
    return {
        "type": config.get("type", "stdio"),
        "description": config.get("description", ""),
        "visibility": config.get("visibility", "private"),
        "shared_with": "\n".join(config.get("sharedWithUsers", ())),
        "command_line": shlex.join(words),
        "env": _lines(config.get("env"), "="),
        "cwd": config.get("cwd", ""),
        "on_demand": config.get("startOnDemand", False),
        "idle": _seconds(config.get("idleTimeoutMs")),
        "url": config.get("url", ""),
        "headers": _lines(config.get("headers"), ": "),
        "passthrough": ", ".join((openapi if openapi else config).get("passthroughHeaders", ())),
        "keep_alive": config.get("enableKeepAlive", False),
        "client_id": oauth.get("clientId", ""),
        "client_secret": oauth.get("clientSecret", ""),
        "scopes": " ".join(oauth.get("scopes", ())),
        "openapi_url": openapi.get("url", ""),
        "schema": json.dumps(schema, indent=2, ensure_ascii=False) if schema else "",
        "security": json.dumps(openapi["security"], indent=2) if openapi.get("security") else "",
        "per_session": config.get("perSessionClient", False),
        "reset_on_progress": options.get("resetTimeoutOnProgress", True),
        **{fieldname: _seconds(options.get(member)) for member, fieldname in _TIMES.items()},
    }


def json_object(label: str, text: str) -> dict[str, Any]:
    """An object out of a text; empty where the text is. Raises `InvalidInput`."""
    if not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as broken:
        raise InvalidInput(f"{label} is not JSON: {broken}.") from None
    if not isinstance(found, dict):
        raise InvalidInput(f"{label} must be a JSON object.")
    return found


def _command_line(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as broken:
        raise InvalidInput(f"The command cannot be read: {str(broken).lower()}.") from None


def _pairs(label: str, text: str, mark: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        name, sep, value = line.partition(mark)
        if not line.strip():
            continue
        if not sep or not name.strip():
            raise InvalidInput(f"{label}: each line looks like NAME{mark}{' ' if mark == ':' else ''}value.")
        found[name.strip()] = value.strip() if mark == ":" else value
    return found


def _lines(pairs: Mapping[str, Any] | None, mark: str) -> str:
    return "\n".join(f"{name}{mark}{value}" for name, value in (pairs or {}).items())


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(text.replace(",", " ").split()))


def _milliseconds(label: str, text: str) -> int | None:
    if not text.strip():
        return None
    try:
        return round(float(text) * 1000)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{label} must be a number of seconds.") from None


def _seconds(milliseconds: Any) -> str:
    return f"{milliseconds / 1000:g}" if isinstance(milliseconds, int | float) else ""


def _options(sent: Mapping[str, str], stored: Mapping[str, Any]) -> dict[str, Any]:
    options = dict(stored.get("options") or {})
    for member, fieldname in _TIMES.items():
        options[member] = _milliseconds("Timeouts", sent.get(fieldname, ""))
    options["resetTimeoutOnProgress"] = None if "reset_on_progress" in sent else False
    return {name: value for name, value in options.items() if value is not None}


def _openapi(sent: Mapping[str, str], stored: Mapping[str, Any]) -> dict[str, Any]:
    described = dict(stored.get("openapi") or {})
    schema, security = json_object("The document", sent.get("schema", "")), sent.get("security", "")
    described |= {
        "url": sent.get("openapi_url", ""),
        "schema": schema or None,
        "security": json_object("Security", security) or None,
        "passthroughHeaders": _words(sent.get("passthrough", "")),
    }
    return {name: value for name, value in described.items() if not _is_empty(value)}


def _oauth(sent: Mapping[str, str]) -> dict[str, Any]:
    # Laid over what is stored: empty members clear.
    return {
        "clientId": sent.get("client_id", "").strip() or None,
        "clientSecret": sent.get("client_secret", "").strip() or None,
        "scopes": _words(sent.get("scopes", "")) or None,
    }


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, Iterable) and not value)
