"""Users and bearer keys over HTTP."""

from __future__ import annotations

import pytest

from accounts.models import BearerKey, User
from activities.models import AuditEntry
from tests.tools.rest import PASSWORD, Caller, key_caller

USERS, KEYS = "/api/users", "/api/auth/keys"
NEW = {"username": "frank", "password": PASSWORD}


def test_users_are_for_admins(dana: Caller, anonymous: Caller) -> None:
    for method, path in (("GET", USERS), ("POST", USERS), ("PUT", f"{USERS}/dana"), ("DELETE", f"{USERS}/dana")):
        assert dana(method, path, {}).status == 403
        assert anonymous(method, path, {}).status == 401
    assert dana.get("/api/users-stats").status == 403


def test_a_user_is_added_shown_changed_and_deleted(admin: Caller) -> None:
    made = admin.post(USERS, NEW | {"email": "frank@example.org"})
    assert made.status == 201
    assert made.data == {"username": "frank", "isAdmin": False, "email": "frank@example.org", "ssoUserId": None}
    assert admin.put(f"{USERS}/frank", {"email": "", "isAdmin": True}).data["email"] is None
    assert admin.get(f"{USERS}/frank").data["isAdmin"] is True
    assert admin.get("/api/users-stats").data == {"totalUsers": 2, "adminUsers": 2, "regularUsers": 0}
    assert admin.delete(f"{USERS}/frank").status == 200
    assert admin.get(f"{USERS}/frank").status == 404
    assert [entry.action for entry in AuditEntry.objects.filter(actor="admin").order_by("pk")] == [
        "accounts.create_user",
        "accounts.change_user",
        "accounts.delete_user",
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "frank"},
        NEW | {"password": "weak"},
        NEW | {"username": "Root"},
        NEW | {"username": 5},
        NEW | {"isAdmin": "yes"},
        NEW | {"email": "nonsense"},
        NEW | {"username": "admin"},
        NEW | {"username": "a/b"},
    ],
)
def test_a_user_that_breaks_a_rule_is_refused(admin: Caller, body: object) -> None:
    assert admin.post(USERS, body).status == 400
    assert not User.objects.filter(username="frank").exists()


def test_a_taken_name_or_address_is_refused(admin: Caller) -> None:
    assert admin.post(USERS, NEW | {"email": "f@example.org"}).status == 201
    assert admin.post(USERS, NEW).status == 400
    assert admin.post(USERS, NEW | {"username": "grace", "email": "F@example.org"}).status == 400


def test_the_last_admin_stays_and_nobody_deletes_himself(admin: Caller) -> None:
    assert admin.put(f"{USERS}/admin", {"isAdmin": False}).status == 400
    assert admin.delete(f"{USERS}/admin").status == 400
    assert admin.delete(f"{USERS}/nobody").status == 400
    assert admin.put(f"{USERS}/admin", {"username": "other"}).status == 400


def test_a_key_is_shown_once(admin: Caller) -> None:
    body = {"name": " ci ", "accessType": "servers", "allowedServers": ["time"], "token": "mine", "note": "for CI"}
    made = admin.post(KEYS, body | {"expiresAt": "2999-01-01T00:00:00Z"})
    assert made.status == 201
    token = made.data["token"]
    assert token.startswith("mcphub_") and len(token) == 71
    assert (made.data["name"], made.data["note"], made.data["expiresAt"]) == ("ci", "for CI", "2999-01-01T00:00:00Z")
    (listed,) = admin.get(KEYS).data
    assert listed["token"] == f"{token[:8]}...{token[-4:]}"
    assert token not in str(admin.get("/api/auth/keys").body)


def test_people_make_keys_of_their_own_only(dana: Caller, erin: Caller) -> None:
    made = dana.post(KEYS, {"name": "mine", "kind": "system", "accessType": "all", "owner": "erin"})
    assert (made.data["kind"], made.data["owner"], made.data["accessType"]) == ("user", "dana", "all")
    assert erin.get(KEYS).data == []
    path = f"{KEYS}/{made.data['id']}"
    assert erin.put(path, {"enabled": False}).status == 403
    assert erin.delete(path).status == 403
    assert dana.put(path, {"enabled": False, "name": "off"}).data["enabled"] is False
    assert dana.delete(path).status == 200
    assert dana.delete(path).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "   ", "accessType": "all"},
        {"name": 5, "accessType": "all"},
        {"name": "x"},
        {"name": "x", "accessType": "bogus"},
        {"name": "x", "accessType": "all", "kind": "bogus"},
        {"name": "x", "accessType": "all", "enabled": "no"},
        {"name": "x", "accessType": "groups", "allowedGroups": "dev"},
        {"name": "x", "kind": "user"},
        {"name": "x", "kind": "user", "owner": "nobody"},
        {"name": "x", "accessType": "all", "expiresAt": "soon"},
    ],
)
def test_a_key_that_breaks_a_rule_is_refused(admin: Caller, body: object) -> None:
    assert admin.post(KEYS, body).status == 400
    assert not BearerKey.objects.exists()


def test_an_update_is_judged_as_a_creation(admin: Caller) -> None:
    _, key = key_caller(access="all")
    path = f"{KEYS}/{key.pk}"
    for body in ({"name": ""}, {"enabled": "maybe"}, {"accessType": "bogus"}, {"allowedServers": [5]}):
        assert admin.put(path, body).status == 400
    kept = admin.put(path, {"kind": "user", "owner": "dana", "token": "t"})
    assert (kept.status, kept.data["kind"], kept.data["owner"]) == (200, "system", None)
    assert admin.put(path, {}).status == 200
    assert admin.put(f"{KEYS}/nope", {}).status == 404
    assert admin.put(f"{KEYS}/00000000-0000-0000-0000-000000000000", {}).status == 404


def test_the_last_use_of_a_key_is_shown(admin: Caller) -> None:
    caller, _ = key_caller(access="all")
    assert admin.get(KEYS).data[0]["lastUsedAt"] is None
    caller.get("/api/auth/user")
    assert admin.get(KEYS).data[0]["lastUsedAt"]


def test_disabled_and_expired_keys_are_nobody(admin: Caller) -> None:
    caller, key = key_caller(access="all")
    assert caller.get("/api/auth/user").status == 200
    admin.put(f"{KEYS}/{key.pk}", {"enabled": False})
    assert caller.get("/api/auth/user").status == 401
    admin.put(f"{KEYS}/{key.pk}", {"enabled": True, "expiresAt": "2020-01-01T00:00:00Z"})
    assert caller.get("/api/auth/user").status == 401


def test_deleting_a_user_ends_the_users_keys(admin: Caller, dana_user: User) -> None:
    key_caller(kind="user", owner="dana")
    admin.delete(f"{USERS}/dana")
    assert not BearerKey.objects.exists()
