"""MCP Inspector's command line as a client: every step of the plan is a process; one JSON line. See `matrix`.

Usage: ``inspector.py '{"url": ..., "era": "legacy" or "modern", ...}'``
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    # Started as a program: the folder of this file is on the path, the repository is not.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.tools.node_packages import command, node_environment


def step(plan: dict[str, Any], home: str, method: str, *arguments: str) -> dict[str, Any]:
    """One method call, its result."""
    header = ["--header", f"Authorization: Bearer {plan['token']}"] if plan.get("token") else []
    done = subprocess.run(
        [
            *command("mcp-inspector"),
            *("--cli", plan["url"], "--transport", "http", "--protocol-era", plan["era"], "-q", "--format", "json"),
            *("--stored-auth-only", *header, "--method", method, *arguments),
        ],
        # A home of its own: the Inspector keeps a catalogue and credentials there.
        env={**node_environment(), "HOME": home},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # 5 means that the tool reported an error, which is a result like any other.
    if done.returncode not in (0, 5):
        raise SystemExit(f"inspector {method} ended with {done.returncode}: {done.stderr.strip() or done.stdout}")
    result: dict[str, Any] = json.loads(done.stdout)["result"]
    return result


def main(plan: dict[str, Any]) -> dict[str, Any]:
    """Carry the plan out."""
    with tempfile.TemporaryDirectory(prefix="inspector-") as home:
        outcome: dict[str, Any] = {
            "protocol": step(plan, home, "initialize")["protocolVersion"],
            "tools": [tool["name"] for tool in step(plan, home, "tools/list")["tools"]],
        }
        if plan.get("tool"):
            arguments = ("--tool-name", plan["tool"], "--tool-args-json", json.dumps(plan.get("arguments") or {}))
            outcome["call"] = step(plan, home, "tools/call", *arguments)
        if plan.get("resource"):
            outcome["resource"] = step(plan, home, "resources/read", "--uri", plan["resource"])
        if plan.get("prompt"):
            pairs = [f"{name}={value}" for name, value in (plan.get("promptArguments") or {}).items()]
            given = ("--prompt-args", *pairs) if pairs else ()
            outcome["prompt"] = step(plan, home, "prompts/get", "--prompt-name", plan["prompt"], *given)
    return outcome


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
