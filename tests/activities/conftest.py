"""Calls that happened, and the people who may see them."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from pytest_django import Settings

from accounts.models import User
from activities.sink import store
from mcphub import plane
from mcphub.actor import Actor
from mcphub.gateway.calls import CallRecord
from mcphub.gateway.snapshot import HttpSpec, ServerSpec, Snapshot
from tests.tools.rest import PASSWORD, Caller, signed_in

ADMIN = Actor("admin", is_admin=True)
DANA = Actor("dana")
_numbers = itertools.count()


def call(**known: Any) -> CallRecord:
    """A call that just ended well."""
    plain = {
        "id": f"call-{next(_numbers)}", "started": time.time(), "duration_ms": 5.0, "method": "tools/call",
        "server": "time", "item": "now", "status": "ok",
    }  # fmt: skip
    return CallRecord(**(plain | known))


def many(count: int, *, days: float, seed: int = 1) -> list[CallRecord]:
    """Calls of several people to several servers over some days until now."""
    chance = random.Random(seed)
    end = time.time()
    return [
        call(
            started=end - chance.random() * days * 86_400,
            duration_ms=chance.lognormvariate(3, 1.2),
            server=chance.choice(["time", "files", "search"]),
            item=chance.choice(["now", "read", "find", "list"]),
            status=chance.choices(["ok", "error", "tool_error", "cancelled", "refused"], [80, 8, 6, 3, 3])[0],
            username=chance.choice(["dana", "erin", None]),
            key_id=(key := chance.choice(["k1", "k2", None])),
            key_name=key and f"key {key}",
            group=chance.choice(["dev", "ops", ""]),
            request_size=chance.randrange(1000),
            response_size=chance.randrange(5000),
        )
        for _ in range(count)
    ]


def stored(calls: Sequence[CallRecord]) -> list[CallRecord]:
    """Store calls as the recorder does."""
    for start in range(0, len(calls), 500):
        store(calls[start : start + 500])
    return list(calls)


@pytest.fixture(autouse=True)
def _plain(settings: Settings) -> None:
    settings.API_RATE_LIMIT = 0
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


@pytest.fixture
def add_user(db: None) -> Callable[..., Caller]:
    def add(username: str, *, is_admin: bool = False) -> Caller:
        user = User(username=username, is_admin=is_admin)
        user.set_password(PASSWORD)
        user.save()
        return signed_in(user)

    return add


@pytest.fixture
def admin(add_user: Callable[..., Caller]) -> Caller:
    return add_user("admin", is_admin=True)


@pytest.fixture
def dana(add_user: Callable[..., Caller]) -> Caller:
    return add_user("dana")


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that runs and knows three servers: dana's own, erin's, and one that everybody may use."""
    known = {
        name: ServerSpec(name, name, "sse", HttpSpec("http://x.invalid"), "", owner=owner, visibility=visibility)  # type: ignore[arg-type]
        for name, owner, visibility in (
            ("danas", "dana", "private"),
            ("erins", "erin", "private"),
            ("all", "admin", "public"),
        )
    }
    monkeypatch.setattr(plane, "_running", SimpleNamespace(snapshot=Snapshot(servers=known)))
