"""Laws that no linter knows: what a fresh import loads, and that the documentation is complete."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

import mcphub
from mcphub.errors import HubError
from tests.tools.processes import REPOSITORY

_APPS = ("mcphub", "accounts", "activities", "servers", "registry")


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after one import."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    told = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(told.stdout.split())


@pytest.mark.parametrize("module", ["mcphub", "mcphub.gateway.app", "mcphub.gateway.upstreams.supervisor"])
def test_the_data_plane_loads_neither_django_nor_celery(module: str) -> None:
    assert not loaded_by(f"import {module}") & {"django", "celery", "rest_framework", "channels", "asgiref"}


def leaves(kind: type[HubError] = HubError) -> Iterator[type[HubError]]:
    for child in kind.__subclasses__():
        yield child
        yield from leaves(child)


def import_everything() -> None:
    for app in _APPS:
        package = importlib.import_module(app)
        for found in pkgutil.walk_packages(package.__path__, f"{app}."):
            if ".migrations" not in found.name and not found.name.endswith(("asgi", "guardian")):
                importlib.import_module(found.name)


def test_every_error_has_a_code_of_its_own_and_an_entry_in_the_documentation() -> None:
    import_everything()
    page = (REPOSITORY / "docs/errors.md").read_text()
    described = {
        code: (int(http), int(rpc)) for code, http, rpc in re.findall(r"^\| `(\w+)` \| (\d+) \| (-?\d+) \|", page, re.M)
    }
    raised = {
        leaf.code: (leaf.http_status, leaf.rpc_code) for leaf in leaves() if leaf.__module__.split(".")[0] in _APPS
    }
    assert described == raised
    owners: dict[str, set[type[HubError]]] = {}
    for leaf in leaves():
        owners.setdefault(leaf.code, set()).add(leaf)
    # A leaf may refine another and keep its code; two that know nothing of each other may not share one.
    assert not {
        code for code, kinds in owners.items() if not any(all(issubclass(k, base) for k in kinds) for base in kinds)
    }


def test_every_setting_of_the_environment_is_documented() -> None:
    source = (REPOSITORY / "mcphub/settings.py").read_text()
    read = set(re.findall(r"env\.\w+\(\s*\"([A-Z][A-Z0-9_]+)\"", source))
    described = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", (REPOSITORY / "docs/settings.md").read_text()))
    assert read <= described
    assert len(read) <= 70


def test_the_package_itself_is_empty() -> None:
    assert not (REPOSITORY / "mcphub/__init__.py").read_text()
    assert mcphub.__doc__ is None


def test_nothing_of_a_developers_machine_is_in_the_repository() -> None:
    files = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    foreign = re.compile(r"/(?:home|Users|root|work)/\w")
    found = [
        name
        for name in files
        if name.endswith((".py", ".md", ".toml", ".html", ".js", ".css", ".yaml", ".sh"))
        and name != "tests/house/test_house.py"
        and foreign.search((REPOSITORY / name).read_text(errors="replace"))
    ]
    assert not found
