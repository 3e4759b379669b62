"""A small MCP server over stdio, on the standard library alone: something to look at before one's own servers are in.

Started by the hub as a child like any other server (`python demo_server.py`). It speaks the session-based protocol.
Nothing of the hub is imported, and nothing imports it but for its path.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
_ADVICE = {
    "servers": "Switch this server off on its page, and a connected client loses its tools at once.",
    "groups": "Put two tools into a group: clients that connect to the group see those and nothing else.",
    "keys": "Make a key for each client. You will then see in Activity which of them made a call.",
}
_CARD = (
    "# Demo\n\nThis text is a resource of the demo server. Resources are what a client may read, by their address.\n"
)


class Failed(Exception):
    """What a tool tells instead of a result."""


def _text(name: str, about: str, **more: Any) -> dict[str, Any]:
    return {name: {"type": "string", "description": about, **more}}


def now(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The present time in a zone."""
    zone = str(arguments.get("zone") or "UTC")
    try:
        moment = datetime.now(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Failed(f"There is no time zone {zone!r}; try Europe/Berlin.") from None
    return {"zone": zone, "time": moment.isoformat(timespec="seconds"), "weekday": moment.strftime("%A")}


def roll_dice(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Some dice."""
    count, sides = int(arguments.get("count", 2)), int(arguments.get("sides", 6))
    if not (1 <= count <= 100 and 2 <= sides <= 1000):
        raise Failed("Between 1 and 100 dice with 2 to 1000 sides each, please.")
    rolls = [random.randint(1, sides) for _ in range(count)]  # noqa: S311 (dice, not secrets)
    return {"rolls": rolls, "total": sum(rolls)}


def count_words(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """How long a text is."""
    text = str(arguments.get("text", ""))
    return {"words": len(text.split()), "characters": len(text), "lines": text.count("\n") + 1 if text else 0}


def advise(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Something to try next."""
    return {"advice": _ADVICE[str(arguments.get("about", "servers"))]}


Tool = Callable[[Mapping[str, Any]], dict[str, Any]]
_TOOLS: dict[str, tuple[Tool, str, dict[str, Any], tuple[str, ...]]] = {
    "now": (
        now,
        "Tell the present date and time in a time zone.",
        _text("zone", "IANA name, such as Europe/Berlin.", default="UTC"),
        (),
    ),
    "roll_dice": (
        roll_dice,
        "Roll some dice and add them up.",
        {
            "count": {"type": "integer", "description": "How many dice.", "minimum": 1, "maximum": 100, "default": 2},
            "sides": {"type": "integer", "description": "Sides of each.", "minimum": 2, "maximum": 1000, "default": 6},
        },
        (),
    ),
    "count_words": (
        count_words,
        "Count the words, characters and lines of a text.",
        _text("text", "The text to count."),
        ("text",),
    ),
    "advise": (
        advise,
        "Say what to try next on this hub.",
        _text("about", "What you would like to know about.", enum=sorted(_ADVICE), default="servers"),
        (),
    ),
}


def _definition(name: str) -> dict[str, Any]:
    _, description, properties, required = _TOOLS[name]
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {
        "name": name,
        "description": description,
        "inputSchema": schema,
        "annotations": {"readOnlyHint": True, "openWorldHint": False},
    }


def _call(params: Mapping[str, Any]) -> dict[str, Any]:
    found = _TOOLS.get(str(params.get("name")))
    if found is None:
        raise LookupError(f"There is no tool {params.get('name')!r}.")
    try:
        result = found[0](params.get("arguments") or {})
    except (Failed, KeyError, ValueError, TypeError) as failure:
        return {"content": [{"type": "text", "text": str(failure)}], "isError": True}
    return {"content": [{"type": "text", "text": json.dumps(result)}], "structuredContent": result}


def _prompt(params: Mapping[str, Any]) -> dict[str, Any]:
    if params.get("name") != "introduce":
        raise LookupError(f"There is no prompt {params.get('name')!r}.")
    hub = (params.get("arguments") or {}).get("hub") or "this hub"
    text = f"Look at the tools you have through {hub} and tell me in three sentences what you could do for me."
    return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}


def _read(params: Mapping[str, Any]) -> dict[str, Any]:
    if params.get("uri") != "demo://card":
        raise LookupError(f"There is no resource {params.get('uri')!r}.")
    return {"contents": [{"uri": "demo://card", "mimeType": "text/markdown", "text": _CARD}]}


def _initialize(params: Mapping[str, Any]) -> dict[str, Any]:
    asked = params.get("protocolVersion")
    return {
        "protocolVersion": asked if asked in _VERSIONS else _VERSIONS[0],
        "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
        "serverInfo": {"name": "mcphub-demo", "title": "Demo", "version": "1.0.0"},
        "instructions": "A demo server. Its tools are harmless.",
    }


_METHODS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "initialize": _initialize,
    "ping": lambda params: {},
    "tools/list": lambda params: {"tools": [_definition(name) for name in _TOOLS]},
    "tools/call": _call,
    "prompts/list": lambda params: {
        "prompts": [
            {
                "name": "introduce",
                "description": "Have a model say what it can do through the hub.",
                "arguments": [{"name": "hub", "description": "What to call it.", "required": False}],
            }
        ]
    },
    "prompts/get": _prompt,
    "resources/list": lambda params: {
        "resources": [
            {"uri": "demo://card", "name": "card", "description": "A few words.", "mimeType": "text/markdown"}
        ]
    },
    "resources/templates/list": lambda params: {"resourceTemplates": []},
    "resources/read": _read,
}


def answer(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """The answer to one message; None where none is due."""
    if "id" not in message or "method" not in message:
        return None
    told: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
    method = _METHODS.get(message["method"])
    if method is None:
        return told | {"error": {"code": -32601, "message": f"There is no method {message['method']}."}}
    try:
        return told | {"result": method(message.get("params") or {})}
    except LookupError as missing:
        return told | {"error": {"code": -32602, "message": str(missing)}}


def main() -> None:
    """Answer line by line until the hub closes our input."""
    sys.stderr.write("The demo server is ready.\n")
    for line in sys.stdin:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        told = answer(message) if isinstance(message, dict) else None
        if told is not None:
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
