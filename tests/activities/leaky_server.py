"""An MCP server on stdin and stdout that tells its secrets wherever it can: stderr, results, errors; and floods stderr.

Tools: leak (result), fail (error), flood (so many lines a second on stderr from now on), echo.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

SECRETS = [f"{name}={os.environ[name]}" for name in sorted(os.environ) if name.startswith(("API_", "PLAIN_"))]
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("leak", "fail", "flood", "echo")]


def flood(rate: int) -> None:
    """Write so many lines a second for ever."""
    block = ("noise " * 12 + "\n").encode() * max(1, rate // 100)
    while True:
        os.write(2, block)
        time.sleep(0.01)


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The result of a tool; raises to answer with an error."""
    text = json.dumps(arguments)
    if name in ("leak", "fail"):
        text = " ".join((*SECRETS, text))
        print("leaking", text, file=sys.stderr, flush=True)
    if name == "fail":
        raise RuntimeError(text)
    if name == "flood":
        threading.Thread(target=flood, args=(int(arguments["rate"]),), daemon=True).start()
    return {"content": [{"type": "text", "text": text}]}


def answer(message: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request."""
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        said = {"name": "leaky", "version": "1"}
        result: Any = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": said}
    elif method == "tools/list":
        result = {"tools": TOOLS}
    elif method == "tools/call":
        try:
            result = call(params["name"], params.get("arguments") or {})
        except RuntimeError as failure:
            return {"error": {"code": -5, "message": str(failure)}}
    elif method == "ping":
        result = {}
    else:
        return {"error": {"code": -32601, "message": "unknown"}}
    return {"result": result}


def main() -> None:
    """Serve until stdin ends."""
    print("started", *SECRETS, file=sys.stderr, flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer(message)}), flush=True)


if __name__ == "__main__":
    main()
