"""Users, keys, sign-in: every rule of the actions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import bcrypt
import pytest
from django.contrib.auth.hashers import check_password
from django.utils import timezone
from pytest_django import Settings

from accounts import actions, tokens
from accounts.actions.sign_in import LIMITS
from accounts.hashers import imported
from accounts.models import BearerKey, SignInFailures, User, digest_of, masked
from activities.models import AuditEntry
from mcphub.actor import HUB, Actor
from mcphub.bus import KeyRevoked, ServersChanged
from mcphub.errors import HubError, InvalidInput, NotAllowed, NotAuthenticated, TooManyRequests
from tests.control.conftest import ADMIN, DANA, ERIN, KEY

GOOD = "S3cret!pass"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def admin() -> User:
    return actions.import_user(actor=HUB, username="admin", is_admin=True)


@pytest.fixture
def dana(admin: User) -> User:
    return actions.create_user(actor=ADMIN, username="dana", password=GOOD)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("", GOOD), ("  ", GOOD), (5, GOOD), (["a"], GOOD), ("a/b", GOOD), ("a\nb", GOOD), ("x" * 151, GOOD),
        ("system", GOOD), ("Admin", GOOD), ("ROOT", GOOD), ("guest", GOOD), ("DANA", GOOD),
        ("bob", "short1!"), ("bob", "nodigits!"), ("bob", "12345678!"), ("bob", "n0special"), ("bob", 5),
        ("bob", "x1!" * 400),
    ],
)  # fmt: skip
def test_malformed_taken_and_reserved_users_are_refused(dana: User, username: Any, password: Any) -> None:
    with pytest.raises(InvalidInput):
        actions.create_user(actor=ADMIN, username=username, password=password)


def test_all_weaknesses_of_a_password_are_listed(admin: User) -> None:
    with pytest.raises(InvalidInput) as refused:
        actions.create_user(actor=ADMIN, username="bob", password="x")
    assert refused.value.data is not None and len(refused.value.data["errors"]) == 3


def test_only_admins_manage_users(dana: User) -> None:
    for refused in (
        lambda: actions.create_user(actor=DANA, username="bob", password=GOOD),
        lambda: actions.change_user(dana, actor=DANA, is_admin=True),
        lambda: actions.delete_user(dana, actor=ERIN),
    ):
        with pytest.raises(NotAllowed):
            refused()


@pytest.mark.parametrize("email", ["x", 5, "a@b", "DANA@example.org"])
def test_an_email_is_one_and_belongs_to_one_user(dana: User, email: Any) -> None:
    actions.change_user(dana, actor=ADMIN, email="dana@example.org")
    with pytest.raises(InvalidInput):
        actions.create_user(actor=ADMIN, username="bob", password=GOOD, email=email)


def test_an_empty_email_clears_it(dana: User) -> None:
    actions.change_user(dana, actor=ADMIN, email="dana@example.org")
    assert actions.change_user(dana, actor=ADMIN, email="").email is None


def test_the_last_admin_stays(admin: User, dana: User) -> None:
    with pytest.raises(InvalidInput):
        actions.change_user(admin, actor=ADMIN, is_admin=False)
    with pytest.raises(InvalidInput):
        actions.delete_user(admin, actor=KEY)
    actions.change_user(dana, actor=ADMIN, is_admin=True)
    actions.change_user(admin, actor=Actor("dana", is_admin=True), is_admin=False)


def test_roles_and_limits_are_typed(dana: User) -> None:
    for changes in ({"is_admin": "yes"}, {"plan": "gold"}, {"plan_limit": -1}, {"plan_limit": True}):
        with pytest.raises(InvalidInput):
            actions.change_user(dana, actor=ADMIN, **changes)  # type: ignore[arg-type]
    assert actions.change_user(dana, actor=ADMIN, plan="enterprise", plan_limit=500).plan_limit == 500


def test_nobody_deletes_the_own_account(admin: User, dana: User) -> None:
    actions.change_user(dana, actor=ADMIN, is_admin=True)
    with pytest.raises(InvalidInput):
        actions.delete_user(admin, actor=ADMIN)


def test_deleting_a_user_removes_the_users_keys_everywhere(dana: User, facts: list[Any]) -> None:
    key, _ = actions.create_key(actor=DANA, name="mine")
    facts.clear()
    actions.delete_user(dana, actor=ADMIN)
    assert not BearerKey.objects.exists()
    assert KeyRevoked(key.principal) in facts and KeyRevoked("user:dana") in facts
    assert any(isinstance(fact, ServersChanged) for fact in facts)


@pytest.mark.parametrize(
    "change",
    [
        lambda user: actions.change_password(user, actor=DANA, current=GOOD, new="An0ther!pass"),
        lambda user: actions.change_user(user, actor=ADMIN, password="An0ther!pass"),
        lambda user: actions.change_user(user, actor=ADMIN, is_admin=True),
        lambda user: actions.delete_user(user, actor=ADMIN),
    ],
)
def test_tokens_end_with_password_role_and_user(dana: User, change: Callable[[User], object]) -> None:
    token = tokens.issue(dana)
    assert tokens.user_of(token) == dana
    change(dana)
    assert tokens.user_of(token) is None


def test_a_new_user_of_an_old_name_does_not_inherit_its_tokens(dana: User) -> None:
    token = tokens.issue(dana)
    actions.delete_user(dana, actor=ADMIN)
    actions.create_user(actor=ADMIN, username="dana", password=GOOD)
    assert tokens.user_of(token) is None


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_a_token_that_is_none_names_nobody(token: str) -> None:
    assert tokens.user_of(token) is None


def test_the_current_password_is_needed_to_change_it(dana: User) -> None:
    with pytest.raises(NotAuthenticated):
        actions.change_password(dana, actor=DANA, current="wrong", new="An0ther!pass")
    with pytest.raises(InvalidInput):
        actions.change_password(dana, actor=DANA, current="wrong", new="weak")


def test_imported_bcrypt_passwords_work_and_are_replaced_at_sign_in(settings: Settings, admin: User) -> None:
    settings.PASSWORD_HASHERS = settings.PASSWORD_HASHERS[1:]
    long = "x" * 80
    for password in ("D4na!pass", long):
        raw = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
        assert check_password(password, imported(raw))
    hashed = bcrypt.hashpw(b"D4na!pass", bcrypt.gensalt(4)).decode()
    actions.import_user(actor=HUB, username="dana", password=hashed)
    user = actions.sign_in("dana", "D4na!pass", actor=Actor("anonymous"))
    user.refresh_from_db()
    assert user.password.startswith("argon2")


def test_sign_in_answers_alike_for_wrong_and_unknown(dana: User) -> None:
    messages = set()
    for name in ("dana", "nobody"):
        with pytest.raises(NotAuthenticated) as refused:
            actions.sign_in(name, "wrong", actor=Actor("anonymous", address="10.0.0.9"))
        messages.add(refused.value.message)
    assert len(messages) == 1


def test_an_address_is_locked_after_too_many_failures(dana: User) -> None:
    caller = Actor("anonymous", address="10.0.0.9")
    for number in range(LIMITS[SignInFailures.Scope.ADDRESS]):
        with pytest.raises(NotAuthenticated):
            actions.sign_in(f"guess{number}", "wrong", actor=caller)
    with pytest.raises(TooManyRequests) as refused:
        actions.sign_in("dana", GOOD, actor=caller)
    assert 0 < refused.value.retry_after <= 900
    assert actions.sign_in("dana", GOOD, actor=Actor("anonymous", address="10.0.0.8")) == dana
    assert AuditEntry.objects.filter(action="accounts.lock_out", subject_name="10.0.0.9").exists()
    actions.unlock(SignInFailures.objects.get(scope="address", subject="10.0.0.9"), actor=ADMIN)
    assert actions.sign_in("dana", GOOD, actor=caller) == dana


def test_old_failures_are_forgotten(dana: User) -> None:
    caller = Actor("anonymous", address="10.0.0.9")
    SignInFailures.objects.create(
        scope="address", subject="10.0.0.9", count=19, since=timezone.now() - timedelta(minutes=16)
    )
    for _ in range(3):
        with pytest.raises(NotAuthenticated):
            actions.sign_in("dana", "wrong", actor=caller)
    assert actions.sign_in("dana", GOOD, actor=caller) == dana


def test_a_token_is_shown_once_and_stored_as_its_hash(dana: User) -> None:
    key, token = actions.create_key(actor=ADMIN, name=" ci ", access="servers", allowed_servers=["a", "a", " b "])
    assert token.startswith("mcphub_") and len(token) == 71
    stored = BearerKey.objects.values().get()
    assert token not in str(stored) and stored["digest"] == digest_of(token)
    assert (key.name, key.preview, key.allowed_servers) == ("ci", masked(token), ["a", "b"])
    assert key.preview == f"{token[:8]}...{token[-4:]}"


@pytest.mark.parametrize(
    "members",
    [
        {"name": ""}, {"name": "  "}, {"name": 5}, {"access": None}, {"access": "some"}, {"kind": "other"},
        {"kind": "user"}, {"kind": "user", "owner": "ghost"}, {"enabled": "no"}, {"allowed_groups": [5]},
        {"expires_at": "tomorrow"}, {"note": 5},
    ],
)  # fmt: skip
def test_malformed_keys_are_refused(admin: User, members: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        actions.create_key(actor=ADMIN, **{"name": "k", "access": "all", **members})


def test_people_make_only_user_keys_of_their_own(dana: User) -> None:
    key, _ = actions.create_key(actor=DANA, name="k", kind="system", owner="admin", access="groups")
    assert (key.kind, key.owner, key.access) == ("user", dana, "all")
    with pytest.raises(NotAllowed):
        actions.create_key(actor=Actor("guest2"), name="k")


def test_keys_are_managed_by_admins_and_owners_of_user_keys(dana: User, facts: list[Any]) -> None:
    own, _ = actions.create_key(actor=DANA, name="own")
    system, _ = actions.create_key(actor=ADMIN, name="sys", access="all")
    with pytest.raises(NotAllowed):
        actions.change_key(system, actor=DANA, enabled=False)
    with pytest.raises(NotAllowed):
        actions.revoke_key(own, actor=ERIN)
    assert actions.change_key(own, actor=DANA, enabled=False, access="groups").access == "all"
    assert KeyRevoked(own.principal) in facts
    actions.revoke_key(own, actor=DANA)
    assert list(BearerKey.objects.visible_to(DANA)) == []
    assert list(BearerKey.objects.visible_to(ADMIN)) == [system]


@pytest.mark.parametrize(
    "changes", [{"name": ""}, {"enabled": None}, {"access": "x"}, {"token": "x"}, {"kind": "user"}]
)
def test_updates_of_keys_are_checked_as_creation_is(admin: User, changes: dict[str, Any]) -> None:
    key, _ = actions.create_key(actor=ADMIN, name="k", access="all")
    with pytest.raises(InvalidInput):
        actions.change_key(key, actor=ADMIN, **changes)


def test_renames_follow_into_the_scopes_of_keys(admin: User, facts: list[Any]) -> None:
    key, _ = actions.create_key(actor=ADMIN, name="k", access="custom", allowed_servers=["old", "x"])
    facts.clear()
    actions.rename_in_keys("allowed_servers", "old", "new")
    key.refresh_from_db()
    assert key.allowed_servers == ["new", "x"]
    assert facts == [KeyRevoked(key.principal)]


def test_the_first_admin_is_made_once(settings: Settings) -> None:
    settings.ADMIN_PASSWORD = ""
    made = actions.ensure_first_admin()
    assert made is not None and made.generated and len(made.password) == 24
    assert actions.sign_in("admin", made.password, actor=HUB).is_admin
    assert actions.ensure_first_admin() is None


def test_what_fails_leaves_nothing_behind(dana: User, facts: list[Any]) -> None:
    facts.clear()
    entries = AuditEntry.objects.count()
    with pytest.raises(HubError):
        actions.change_user(dana, actor=ADMIN, is_admin=True, email="bad")
    dana.refresh_from_db()
    assert not dana.is_admin and AuditEntry.objects.count() == entries and not facts
