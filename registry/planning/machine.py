"""What this machine can run: package runners on the PATH (or beside this interpreter), scripts installed with pip.

Above: `ways`. Below: nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

RUNNERS = ("npx", "uvx", "uv", "pipx", "docker", "dnx")
#: Where a Docker engine listens unless DOCKER_HOST says otherwise.
_DOCKER_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")


@dataclass(frozen=True, slots=True)
class Script:
    """A command that a Python package brought: where it lies and which version it has."""

    path: str
    version: str


@dataclass(frozen=True, slots=True)
class Machine:
    """See the module.

    Attributes:
        programs: how to start each available runner: its bare name where the PATH has it, else its path.
        scripts: commands of installed Python packages, by normalised package name.
        engine: whether a Docker engine seems to listen; the client alone runs nothing.
    """

    programs: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, Script] = field(default_factory=dict)
    engine: bool = True

    @classmethod
    def here(cls) -> Machine:
        """This machine, as it is now (some tens of milliseconds: every installed package is looked at)."""
        beside = sysconfig.get_path("scripts")
        programs = {}
        for name in RUNNERS:
            if shutil.which(name):
                programs[name] = name
            elif found := shutil.which(name, path=beside):
                # Started from a virtual environment that is not on the PATH, which the child gets.
                programs[name] = found
        return cls(programs, _scripts(Path(beside)), _engine_listens())


def normalised(package: str) -> str:
    """A Python package's name as comparisons need it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _scripts(folder: Path) -> dict[str, Script]:
    found: dict[str, Script] = {}
    for distribution in metadata.distributions():
        name = normalised(distribution.metadata["Name"] or "")
        commands = [point.name for point in distribution.entry_points if point.group == "console_scripts"]
        # A package with several commands is run by the one that bears its name, as uvx does.
        command = next((one for one in commands if normalised(one) == name), commands[0] if len(commands) == 1 else "")
        if command and (folder / command).is_file():
            found[name] = Script(str(folder / command), distribution.version)
    return found


def _engine_listens() -> bool:
    return bool(os.environ.get("DOCKER_HOST")) or any(map(os.path.exists, _DOCKER_SOCKETS))
