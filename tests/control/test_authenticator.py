"""Bearer tokens and dashboard tokens to principals, in every state they can be in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import actions, tokens
from accounts.authenticator import DatabaseAuthenticator
from accounts.models import BearerKey, User
from mcphub.actor import HUB
from mcphub.bridge import in_database
from tests.control.conftest import ADMIN, DANA

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def dana(db: None) -> User:
    actions.import_user(actor=HUB, username="admin", is_admin=True)
    return actions.create_user(actor=ADMIN, username="dana", password="S3cret!pass")


@pytest.fixture
async def authenticator() -> AsyncIterator[DatabaseAuthenticator]:
    authenticator = DatabaseAuthenticator(gather=0.01)
    yield authenticator
    await authenticator.aclose()


async def make(**members: Any) -> tuple[BearerKey, str]:
    return await in_database(lambda: actions.create_key(actor=ADMIN, **{"name": "k", "access": "all", **members}))


async def test_a_system_key_reaches_what_its_scope_says(dana: User, authenticator: DatabaseAuthenticator) -> None:
    key, token = await make(access="custom", allowed_groups=["dev"], allowed_servers=["time"])
    principal = await authenticator.authenticate(token)
    assert principal is not None
    assert (principal.id, principal.username, principal.unrestricted, principal.is_admin) == (
        f"key:{key.pk}",
        None,
        True,
        False,
    )
    assert (principal.access, principal.groups, principal.servers) == ("custom", {"dev"}, {"time"})


async def test_a_user_key_acts_as_its_owner_is_now(dana: User, authenticator: DatabaseAuthenticator) -> None:
    _, token = await make(kind="user", owner="dana")
    principal = await authenticator.authenticate(token)
    assert principal is not None
    assert (principal.username, principal.is_admin, principal.unrestricted) == ("dana", False, False)
    await in_database(lambda: actions.change_user(dana, actor=ADMIN, is_admin=True))
    principal = await authenticator.authenticate(token)
    assert principal is not None and principal.is_admin


async def test_keys_that_may_not_be_used_authenticate_nobody(dana: User, authenticator: DatabaseAuthenticator) -> None:
    past, future = timezone.now() - timedelta(seconds=1), timezone.now() + timedelta(hours=1)
    assert await authenticator.authenticate("mcphub_unknown") is None
    assert await authenticator.authenticate("") is None
    assert await authenticator.authenticate((await make(enabled=False))[1]) is None
    assert await authenticator.authenticate((await make(expires_at=past))[1]) is None
    assert await authenticator.authenticate((await make(expires_at=future))[1]) is not None
    _, orphaned = await make(kind="user", owner="dana")
    await in_database(lambda: actions.delete_user(dana, actor=ADMIN))
    assert await authenticator.authenticate(orphaned) is None


async def test_a_dashboard_token_is_its_user(dana: User, authenticator: DatabaseAuthenticator) -> None:
    principal = await authenticator.authenticate_user(tokens.issue(dana))
    assert principal is not None and (principal.id, principal.username) == ("user:dana", "dana")
    assert await authenticator.authenticate_user("x") is None
    await in_database(lambda: actions.change_password(dana, actor=DANA, current="S3cret!pass", new="An0ther!pass"))
    assert await authenticator.authenticate_user(tokens.issue(dana)) is None


async def test_the_last_use_is_written_in_batches(dana: User, authenticator: DatabaseAuthenticator) -> None:
    key, token = await make()
    await authenticator.authenticate(token)
    await authenticator.aclose()
    await in_database(key.refresh_from_db)
    assert key.last_used_at is not None
