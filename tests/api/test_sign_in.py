"""Sign-in, tokens and one's own password."""

from __future__ import annotations

import time

import bcrypt
import jwt
import pytest
from django.conf import settings as configured
from pytest_django import Settings

from accounts.actions import sign_in
from accounts.hashers import imported
from accounts.models import User
from accounts.tokens import issue
from mcphub.actor import Actor
from tests.tools.rest import PASSWORD, Caller, key_caller, signed_in

#: The test settings hash fast; this is what the hub uses.
REAL_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "accounts.hashers.ImportedBcryptHasher",
]
LOGIN = "/api/auth/login"


def test_a_sign_in_answers_with_a_token_that_works(anonymous: Caller, dana_user: User) -> None:
    reply = anonymous.post(LOGIN, {"username": "dana", "password": PASSWORD})
    assert reply.status == 200
    assert reply.body["user"] == {"username": "dana", "isAdmin": False, "permissions": [""]}
    assert reply.body["isUsingDefaultPassword"] is False
    assert Caller({"x-auth-token": reply.body["token"]}).get("/api/auth/user").body["user"]["username"] == "dana"


def test_a_wrong_password_and_an_unknown_name_are_told_alike(anonymous: Caller, dana_user: User) -> None:
    wrong = anonymous.post(LOGIN, {"username": "dana", "password": "nope"})
    unknown = anonymous.post(LOGIN, {"username": "nobody", "password": "nope"})
    assert wrong.status == unknown.status == 401
    assert wrong.body == unknown.body


@pytest.mark.parametrize("body", [{}, {"username": "", "password": ""}, None, "[1, 2]"])
def test_missing_credentials_are_listed(anonymous: Caller, body: object, db: None) -> None:
    reply = anonymous.post(LOGIN, body)
    assert reply.status == 400
    assert [error["path"] for error in reply.body["errors"]] == ["username", "password"]


@pytest.mark.parametrize("value", [5, True, ["x"], {"$ne": ""}])
def test_credentials_of_another_type_are_refused(anonymous: Caller, value: object, db: None) -> None:
    assert anonymous.post(LOGIN, {"username": value, "password": value}).status == 400


def test_a_form_is_no_json(anonymous: Caller, dana_user: User) -> None:
    form = f"username=dana&password={PASSWORD}"
    assert anonymous.post(LOGIN, form, content_type="application/x-www-form-urlencoded").status == 400


def test_a_stale_token_does_not_keep_anyone_from_signing_in(anonymous: Caller, dana_user: User) -> None:
    stale = {"x-auth-token": "gone"}
    assert anonymous.post(LOGIN, {"username": "dana", "password": PASSWORD}, headers=stale).status == 200


@pytest.mark.parametrize("change", ["deleted", "demoted", "password", "inactive", "expired", "forged"])
def test_a_token_ends_with_what_it_stands_for(
    change: str, add_user: object, admin: Caller, anonymous: Caller, db: None
) -> None:
    frank = add_user("frank", is_admin=True)  # type: ignore[operator]
    token = issue(frank)
    caller = Caller({"x-auth-token": token})
    assert caller.get("/api/auth/user").status == 200
    if change == "deleted":
        assert admin.delete("/api/users/frank").status == 200
    elif change == "demoted":
        assert admin.put("/api/users/frank", {"isAdmin": False}).status == 200
    elif change == "password":
        body = {"currentPassword": PASSWORD, "newPassword": "N3w!passw"}
        assert caller.post("/api/auth/change-password", body).status == 200
    elif change == "inactive":
        User.objects.filter(username="frank").update(is_active=False)
    else:
        claims = jwt.decode(token, options={"verify_signature": False})
        secret = configured.JWT_SECRET if change == "expired" else "x" * 64
        claims["exp"] = time.time() + (-1 if change == "expired" else 3600)
        caller = Caller({"x-auth-token": jwt.encode(claims, secret, "HS256")})
    assert caller.get("/api/auth/user").status == 401


def test_a_name_made_again_is_another_user(admin: Caller, add_user: object) -> None:
    first = signed_in(add_user("frank"))  # type: ignore[operator]
    admin.delete("/api/users/frank")
    add_user("frank")  # type: ignore[operator]
    assert first.get("/api/auth/user").status == 401


def test_a_token_in_the_query_serves_only_where_headers_cannot_be_sent(anonymous: Caller, dana_user: User) -> None:
    token = issue(dana_user)
    assert anonymous.get(f"/api/auth/user?token={token}").status == 200
    assert anonymous.get(f"/api/auth/keys?token={token}").status == 401


def test_a_token_may_come_as_a_bearer(dana_user: User) -> None:
    assert Caller({"Authorization": f"Bearer {issue(dana_user)}"}).get("/api/auth/user").status == 200


def test_a_good_key_wins_over_a_bad_token(db: None) -> None:
    caller, _ = key_caller(access="all")
    reply = caller.get("/api/auth/user", headers={"x-auth-token": "garbage"})
    assert reply.body["user"] == {"username": "system", "isAdmin": True, "permissions": ["*", "x"]}


@pytest.mark.parametrize("known", [{"access": "groups"}, {"access": "servers"}, {"kind": "user", "owner": "dana"}])
def test_scoped_keys_and_user_keys_are_for_mcp_alone(known: dict[str, str], dana_user: User) -> None:
    caller, _ = key_caller(**known)
    assert caller.get("/api/auth/user").status == 401


def test_changing_the_password_asks_for_the_old_one_and_a_strong_new_one(dana: Caller) -> None:
    path = "/api/auth/change-password"
    short = dana.post(path, {"currentPassword": PASSWORD, "newPassword": "short"})
    weak = dana.post(path, {"currentPassword": PASSWORD, "newPassword": "longenough"})
    wrong = dana.post(path, {"currentPassword": "wrong", "newPassword": "G00d!pass"})
    assert (short.status, weak.status, wrong.status) == (400, 400, 401)
    assert short.body["errors"][0]["path"] == "newPassword"
    assert all(isinstance(rule, str) for rule in weak.body["errors"]) and len(weak.body["errors"]) == 2


def test_a_key_has_no_password_to_change(db: None) -> None:
    caller, _ = key_caller(access="all")
    body = {"currentPassword": "x", "newPassword": "G00d!pass"}
    assert caller.post("/api/auth/change-password", body).status == 404


def test_only_admins_register_users_and_never_admins(admin: Caller, dana: Caller) -> None:
    body = {"username": "newbie", "password": "abcdef", "isAdmin": True}
    assert dana.post("/api/auth/register", body).status == 403
    assert admin.post("/api/auth/register", body).body["user"]["isAdmin"] is False
    assert admin.post("/api/auth/register", body).status == 400
    for name in ("system", "Guest", ["a"], 5, "", None):
        assert admin.post("/api/auth/register", body | {"username": name}).status == 400, name


class TestLockOuts:
    """Twenty failures lock an address, fifty an account."""

    def fail(self, caller: Caller, times: int, username: str = "dana", address: str = "192.0.2.7") -> None:
        for _ in range(times):
            body = {"username": username, "password": "wrong"}
            assert caller.post(LOGIN, body, REMOTE_ADDR=address).status == 401

    def test_twenty_failures_lock_an_address(self, anonymous: Caller, dana_user: User) -> None:
        self.fail(anonymous, 20)
        right = {"username": "dana", "password": PASSWORD}
        locked = anonymous.post(LOGIN, right, REMOTE_ADDR="192.0.2.7")
        assert locked.status == 429
        assert int(locked.headers["Retry-After"]) > 800
        assert anonymous.post(LOGIN, right, REMOTE_ADDR="192.0.2.8").status == 200

    def test_fifty_failures_from_anywhere_lock_an_account(self, anonymous: Caller, dana_user: User) -> None:
        for host in range(5):
            self.fail(anonymous, 10, address=f"192.0.2.{host}")
        right = {"username": "dana", "password": PASSWORD}
        assert anonymous.post(LOGIN, right, REMOTE_ADDR="198.51.100.1").status == 429

    def test_unknown_names_lock_as_known_ones_do(self, anonymous: Caller, db: None) -> None:
        self.fail(anonymous, 20, username="nobody")
        body = {"username": "nobody", "password": "x"}
        assert anonymous.post(LOGIN, body, REMOTE_ADDR="192.0.2.7").status == 429

    def test_admins_see_lock_outs_and_end_them(self, anonymous: Caller, admin: Caller, dana: Caller) -> None:
        self.fail(anonymous, 20)
        assert dana.get("/api/auth/lockouts").status == 403
        (locked,) = admin.get("/api/auth/lockouts").data
        assert (locked["scope"], locked["subject"], locked["failures"]) == ("address", "192.0.2.7", 20)
        assert admin.delete(f"/api/auth/lockouts/{locked['id']}").status == 200
        body = {"username": "dana", "password": PASSWORD}
        assert anonymous.post(LOGIN, body, REMOTE_ADDR="192.0.2.7").status == 200
        assert admin.delete("/api/auth/lockouts/12345").status == 404

    def test_an_address_behind_a_proxy_is_the_clients_own(
        self, anonymous: Caller, dana_user: User, settings: Settings
    ) -> None:
        settings.TRUST_PROXY = 1
        body = {"username": "dana", "password": "wrong"}
        for _ in range(20):
            anonymous.post(LOGIN, body, headers={"X-Forwarded-For": "10.9.9.9, 203.0.113.5"})
        assert anonymous.post(LOGIN, body, headers={"X-Forwarded-For": "203.0.113.5"}).status == 429
        assert anonymous.post(LOGIN, body, headers={"X-Forwarded-For": "203.0.113.5, 203.0.113.6"}).status == 401


def test_an_imported_password_is_replaced_by_the_first_sign_in(settings: Settings, db: None) -> None:
    settings.PASSWORD_HASHERS = REAL_HASHERS
    made = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    User.objects.create(username="old", password=imported(made))
    sign_in("old", PASSWORD, actor=Actor(""))
    assert User.objects.get(username="old").password.startswith("argon2")
    assert sign_in("old", PASSWORD, actor=Actor("")).username == "old"
