"""The package caches that `npx` and `uvx` servers are started from. Above: the API, the dashboard. Below: `changes`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from mcphub.actor import Actor
from mcphub.changes import Change, changed
from mcphub.errors import NotAllowed
from servers import policies

#: Seconds one cache may take.
_PATIENCE = 60.0
_COMMANDS = {"npm": ("npm", "cache", "clean", "--force"), "uv": ("uv", "cache", "clean")}
#: What the tools need to find their caches; nothing of the hub's own.
_PASSED = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME")
_PREFIXES = ("npm_config_", "NPM_CONFIG_", "UV_")
_RUNNERS = frozenset({"npx", "uvx"})
#: The version in `package@1.2` or `package==1.2`; a scope's leading @ is none.
_VERSION = re.compile(r"(?<=.)(@|==|[<>~!]=?).*$")


def clear_caches(*, actor: Actor) -> dict[str, dict[str, Any]]:
    """Empty the caches of npm and uv; admins only. By tool: `status` (cleared, skipped, error) and why."""
    if not policies.may_manage_settings(actor):
        raise NotAllowed("Only admins clear the package caches.")
    results = {tool: _clear(command) for tool, command in _COMMANDS.items()}
    with transaction.atomic():
        changed(Change("servers.clear_caches", actor, "caches", after=results))
    return results


def is_runner(command: str) -> bool:
    """Whether a command runs a package out of a cache."""
    return Path(command).name in _RUNNERS


def forget_package(command: str, args: Sequence[str]) -> None:
    """Have `npx` or `uvx` fetch the package it is started with again; what other servers use stays.

    Best effort: where the cache cannot be found, the runner decides with its next start.
    """
    package = next((arg for arg in args if not arg.startswith("-")), "")
    name = _VERSION.sub("", package)
    if not name:
        return
    if Path(command).name == "uvx":
        _clear(("uv", "cache", "clean", name))
    else:
        for folder in _npx_folders(name):
            shutil.rmtree(folder, ignore_errors=True)


def _npx_folders(package: str) -> Iterator[Path]:
    """Where npx keeps installations of a package: one folder for each set of packages it was ever asked for."""
    environment = _environment()
    home = Path(environment.get("HOME") or Path.home())
    cache = Path(environment.get("npm_config_cache") or environment.get("NPM_CONFIG_CACHE") or home / ".npm")
    for manifest in (cache / "_npx").glob("*/package.json"):
        try:
            wanted = json.loads(manifest.read_text()).get("dependencies", {})
        except (OSError, ValueError, AttributeError):
            continue
        if package in wanted:
            yield manifest.parent


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in _PASSED or name.startswith(_PREFIXES)}


def _clear(command: tuple[str, ...]) -> dict[str, Any]:
    program = shutil.which(command[0])
    if program is None:
        return {"status": "skipped", "message": f"{command[0]} is not installed."}
    environment = _environment()
    try:
        done = subprocess.run(
            [program, *command[1:]], env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return {"status": "error", "message": f"It took longer than {_PATIENCE:.0f} seconds."}
    except OSError as failure:
        return {"status": "error", "message": failure.strerror or "It could not be started."}
    if done.returncode:
        return {"status": "error", "message": done.stderr.strip()[-500:] or f"It ended with code {done.returncode}."}
    return {"status": "cleared"}
