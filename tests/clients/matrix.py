"""Every official client against one address: who can list, call, read and get there.

As a program, printing one JSON line per client::

    python tests/clients/matrix.py --url URL [--token T] [--tool NAME --arguments JSON] [--resource URI]
                                   [--prompt NAME --prompt-arguments JSON] [--client NAME ...]

and from tests: ``run_client(name, Plan(url, token, tool="echo", ...))`` for every name in CLIENTS.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    # Started as a program: the folder of this file is on the path, the repository is not.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.tools.node_packages import ensure, node, node_environment

HERE = Path(__file__).resolve().parent
TIMEOUT = 120.0

# Which script a client is, and the era it is told to speak.
CLIENTS = {
    "python-legacy": ("python_sdk.py", "legacy"),
    "python-modern": ("python_sdk.py", "modern"),
    "typescript-v1": ("typescript_v1.mjs", "legacy"),
    "typescript-v2-legacy": ("typescript_v2.mjs", "legacy"),
    "typescript-v2-modern": ("typescript_v2.mjs", "modern"),
    "inspector-legacy": ("inspector.py", "legacy"),
    "inspector-modern": ("inspector.py", "modern"),
}
NODE_CLIENTS = tuple(name for name in CLIENTS if not name.startswith("python"))
PROTOCOLS = {"legacy": "2025-11-25", "modern": "2026-07-28"}


@dataclass
class Plan:
    """What a client shall do; what is empty is left out."""

    url: str
    token: str = ""
    tool: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    resource: str = ""
    prompt: str = ""
    prompt_arguments: dict[str, str] = field(default_factory=dict)

    def as_json(self, era: str) -> str:
        """The form in which the scripts read it."""
        return json.dumps(
            {
                "url": self.url,
                "token": self.token,
                "era": era,
                "tool": self.tool,
                "arguments": self.arguments,
                "resource": self.resource,
                "prompt": self.prompt,
                "promptArguments": self.prompt_arguments,
            }
        )


@dataclass
class Outcome:
    """What a client got; results in wire form, None for what the plan left out."""

    client: str
    protocol: str
    tools: list[str]
    call: dict[str, Any] | None = None
    resource: dict[str, Any] | None = None
    prompt: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """The text of the tool's first content block."""
        return str(((self.call or {}).get("content") or [{}])[0].get("text", ""))

    @property
    def resource_text(self) -> str:
        """The text of the resource's first content."""
        return str(((self.resource or {}).get("contents") or [{}])[0].get("text", ""))

    @property
    def prompt_text(self) -> str:
        """The text of the prompt's first message."""
        return str(((self.prompt or {}).get("messages") or [{}])[0].get("content", {}).get("text", ""))


class ClientFailedError(AssertionError):
    """A client could not carry out its plan."""


def run_client(name: str, plan: Plan) -> Outcome:
    """Run one client in a process of its own."""
    script, era = CLIENTS[name]
    environment = node_environment()
    if script.endswith(".mjs"):
        environment["TEST_PACKAGES"] = str(ensure())
        program = [str(node())]
    else:
        program = [sys.executable]
    done = subprocess.run(
        [*program, str(HERE / script), plan.as_json(era)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise ClientFailedError(f"{name} ended with {done.returncode}: {done.stderr.strip()[-1500:]}")
    return Outcome(client=name, **json.loads(done.stdout.strip().splitlines()[-1]))


def main() -> int:
    """Run the clients and print a line for each; fail when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", default="")
    parser.add_argument("--tool", default="")
    parser.add_argument("--arguments", type=json.loads, default={})
    parser.add_argument("--resource", default="")
    parser.add_argument("--prompt", default="")
    parser.add_argument("--prompt-arguments", type=json.loads, default={})
    parser.add_argument("--client", action="append", choices=CLIENTS, help="only this one; may be repeated")
    options = vars(parser.parse_args())
    chosen = options.pop("client") or list(CLIENTS)
    plan = Plan(**options)
    failed = 0
    for name in chosen:
        try:
            print(json.dumps(vars(run_client(name, plan))))
        except ClientFailedError as problem:
            failed += 1
            print(json.dumps({"client": name, "error": str(problem)}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
