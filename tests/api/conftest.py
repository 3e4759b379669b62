"""A hub without its data plane, and the people who speak to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.cache import cache
from pytest_django import Settings

from accounts.models import User
from tests.tools.rest import PASSWORD, Caller, signed_in


@pytest.fixture(autouse=True)
def _no_limits(settings: Settings) -> None:
    """Limits are off unless a test is about them; no test sees the counters of another."""
    settings.API_RATE_LIMIT = 0
    # Hashing passwords well is slow on purpose; one test looks at the hashers themselves.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    cache.clear()


@pytest.fixture
def add_user(db: None) -> Callable[..., User]:
    def add(username: str, *, is_admin: bool = False) -> User:
        user = User(username=username, is_admin=is_admin)
        user.set_password(PASSWORD)
        user.save()
        return user

    return add


@pytest.fixture
def admin_user(add_user: Callable[..., User]) -> User:
    return add_user("admin", is_admin=True)


@pytest.fixture
def dana_user(add_user: Callable[..., User]) -> User:
    return add_user("dana")


@pytest.fixture
def admin(admin_user: User) -> Caller:
    return signed_in(admin_user)


@pytest.fixture
def dana(dana_user: User) -> Caller:
    return signed_in(dana_user)


@pytest.fixture
def erin(add_user: Callable[..., User]) -> Caller:
    return signed_in(add_user("erin"))


@pytest.fixture
def anonymous() -> Caller:
    return Caller({})
