"""The cast: admin runs the hub, dana owns things, erin is a stranger to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from mcphub import changes
from mcphub.actor import Actor
from servers import actions
from servers.models import Server

ADMIN = Actor("admin", is_admin=True)
DANA = Actor("dana")
ERIN = Actor("erin")
#: A system key's principal, and the address of a remote server that nobody connects to.
KEY = Actor("system", is_admin=True, via="key", key_id="k")
REMOTE = {"type": "streamable-http", "url": "https://example.invalid/mcp"}
STDIO = {"type": "stdio", "command": "python", "args": ["-m", "fixture"]}


@pytest.fixture(autouse=True)
def _quick_hashing(settings: Settings) -> None:
    """Hashing passwords well is slow on purpose; the tests of the hashers ask for the real ones."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]


@pytest.fixture
def add(db: None) -> Callable[..., Server]:
    """Add a server as the admin, or as somebody else."""

    def add(name: str, config: dict[str, Any] | None = None, actor: Actor = ADMIN) -> Server:
        return actions.add_server(actor=actor, name=name, config=config or REMOTE)

    return add


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Everything that is published on the bus."""
    published: list[Any] = []
    monkeypatch.setattr(changes.bus(), "publish", published.append)
    return published
