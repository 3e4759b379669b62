"""A hub without its data plane whose registry has the shipped catalogue, and the people who use it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.cache import cache
from pytest_django import Settings

from accounts.models import User
from mcphub.actor import HUB
from registry.actions import load_catalogue
from servers.models import DiscoveredItem, Server
from tests.tools.rest import PASSWORD, Caller, signed_in


@pytest.fixture(autouse=True)
def _alone(settings: Settings) -> None:
    """No test sees the counters of another, and none is limited as a dashboard is."""
    settings.API_RATE_LIMIT = 0
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.CELERY_TASK_ALWAYS_EAGER = False
    cache.clear()


@pytest.fixture
def add_user(db: None) -> Callable[..., User]:
    def add(username: str, *, is_admin: bool = False, plan: str = "enterprise") -> User:
        user = User(username=username, is_admin=is_admin, plan=plan, plan_limit=100_000)
        user.set_password(PASSWORD)
        user.save()
        return user

    return add


@pytest.fixture
def admin(add_user: Callable[..., User]) -> Caller:
    return signed_in(add_user("admin", is_admin=True))


@pytest.fixture
def dana(add_user: Callable[..., User]) -> Caller:
    return signed_in(add_user("dana"))


@pytest.fixture
def nobody() -> Caller:
    return Caller({})


@pytest.fixture
def shipped(db: None) -> None:
    load_catalogue(actor=HUB)


def discover(server: Server, *tools: str) -> None:
    """As if the server had connected and listed these tools."""
    DiscoveredItem.objects.bulk_create(
        DiscoveredItem(
            server=server,
            kind="tool",
            key=tool,
            position=place,
            definition=f'{{"name":"{tool}","description":"Does {tool}"}}',
            fingerprint="x",
        )
        for place, tool in enumerate(tools)
    )
