"""Routes of sign-in, keys and users: from the wire to the actions and back, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from accounts import actions
from accounts.api import serializers as shapes
from accounts.models import BearerKey, SignInFailures, User
from accounts.passwords import require_strong
from accounts.policies import may_manage_key
from accounts.tokens import issue
from mcphub.actor import Actor
from mcphub.api.bodies import members
from mcphub.api.callers import actor_of, address_of
from mcphub.api.documents import FLAG, NUMBER, TEXT, object_of
from mcphub.api.envelope import reply
from mcphub.api.operations import Allow, operation
from mcphub.api.views import HubView, HubViewSet
from mcphub.context import request_id
from mcphub.errors import Conflict, InvalidInput, NotAllowed, NotFound

_DANA = {"username": "dana", "isAdmin": False, "permissions": [""]}
_USER = {"username": "dana", "isAdmin": False, "email": "dana@example.org", "ssoUserId": None}
_KEY = {
    "id": "7d0c2f0e-6b51-4f7e-9a44-0d8a3c1f2b6e", "name": "ci", "token": "mcphub_4...9f3a", "enabled": True,
    "kind": "system", "owner": None, "accessType": "servers", "allowedGroups": [], "allowedServers": ["time"],
    "expiresAt": None, "lastUsedAt": "2026-09-01T10:00:00Z", "note": "", "createdAt": "2026-08-01T10:00:00Z",
}  # fmt: skip
_DONE = {"success": True, "message": "Done."}


def checked(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """The body of a request in the shape of a serializer. Raises REST framework's ValidationError."""
    body = serializer(data=members(request))
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


@contextmanager
def taken_is_invalid() -> Iterator[None]:
    """A taken name or e-mail is 400 in the contract of these routes, not 409."""
    try:
        yield
    except Conflict as taken:
        raise InvalidInput(taken.message) from None


class SignIn(HubView):
    """POST /api/auth/login."""

    tag = "Sign-in"

    @operation(
        "Sign in with a password",
        allow=Allow.ANYONE,
        note="Twenty failures from one address, or fifty of one account, within 15 minutes lock it for 15 minutes.",
        body=shapes.SignInSerializer,
        sample={"username": "dana", "password": "S3cret!pass"},
        members={"token": TEXT, "user": shapes.ProfileSerializer, "isUsingDefaultPassword": FLAG},
        example={
            "success": True,
            "message": "Welcome.",
            "token": "eyJ…",
            "user": _DANA,
            "isUsingDefaultPassword": False,
        },
        refuses={401: "The name or the password is not right; which of them is not told."},
        changes=False,
    )
    def post(self, request: Request) -> Response:
        sent = checked(shapes.SignInSerializer, request)
        visitor = Actor("", address=address_of(request), request=request_id.get())
        user = actions.sign_in(sent["username"], sent["password"], actor=visitor)
        default = user.username == "admin" and user.is_admin and sent["password"] == "admin123"  # noqa: S105
        return reply(message="Welcome.", token=issue(user), user=shapes.profile(user), isUsingDefaultPassword=default)


class Registration(HubView):
    """POST /api/auth/register."""

    tag = "Sign-in"

    @operation(
        "Register a user",
        allow=Allow.ADMIN,
        note="The new user is never an admin. `POST /api/users` asks for a stronger password and has more to say.",
        body=shapes.RegistrationSerializer,
        sample={"username": "dana", "password": "abcdef"},
        members={"token": TEXT, "user": shapes.ProfileSerializer},
        example={"success": True, "token": "eyJ…", "user": _DANA},
        refuses={400: "A member is missing or malformed, the name is reserved or taken."},
    )
    def post(self, request: Request) -> Response:
        sent = checked(shapes.RegistrationSerializer, request)
        with taken_is_invalid():
            user = actions.register_user(actor=actor_of(request), **sent)
        return reply(token=issue(user), user=shapes.profile(user))


class CurrentUser(HubView):
    """GET /api/auth/user."""

    tag = "Sign-in"

    @operation(
        "Show who is calling",
        note="With a system key the name is `system`.",
        members={"user": shapes.ProfileSerializer},
        example={"success": True, "user": _DANA},
        cost=2,
        query_token=True,
    )
    def get(self, request: Request) -> Response:
        return reply(user=shapes.profile(actor_of(request)))


class PasswordChange(HubView):
    """POST /api/auth/change-password."""

    tag = "Sign-in"

    @operation(
        "Change one's own password",
        note="Ends every token issued before.",
        body=shapes.PasswordChangeSerializer,
        sample={"currentPassword": "old", "newPassword": "N3w!passw"},
        example={"success": True, "message": "The password was changed; sign in again."},
        refuses={
            400: "The new password is too weak; `errors` lists the rules it breaks.",
            401: "There is no usable credential, or the current password is not right.",
            404: "The caller is no stored user (a key, the guest).",
        },
        cost=2,
    )
    def post(self, request: Request) -> Response:
        sent = checked(shapes.PasswordChangeSerializer, request)
        actor = actor_of(request)
        require_strong(sent["newPassword"])  # told to callers that are no user, too
        user = User.objects.filter(username=actor.username).first()
        if user is None or actor.via != "session":
            raise NotFound("This caller is no stored user and has no password.")
        actions.change_password(user, actor=actor, current=sent["currentPassword"], new=sent["newPassword"])
        return reply(message="The password was changed; sign in again.")


class Keys(HubViewSet):
    """/api/auth/keys."""

    tag = "Bearer keys"

    @operation(
        "List bearer keys",
        note="Admins see all keys, others their own. Tokens are masked.",
        data=shapes.KeySerializer(many=True),
        example={"success": True, "data": [_KEY]},
    )
    def list(self, request: Request) -> Response:
        keys = BearerKey.objects.visible_to(actor_of(request)).select_related("owner")
        return reply(shapes.KeySerializer(keys, many=True).data)

    @operation(
        "Make a bearer key",
        note="The token is in this reply and nowhere else. People who are no admins get a user key of their own.",
        body=shapes.NewKeySerializer,
        sample={"name": "ci", "accessType": "servers", "allowedServers": ["time"]},
        data=shapes.KeySerializer,
        example={"success": True, "data": _KEY | {"token": "mcphub_4f…"}, "message": "Copy the token now."},
        status=201,
        refuses={400: "No name, no access type, an unknown kind or owner."},
    )
    def create(self, request: Request) -> Response:
        key, token = actions.create_key(actor=actor_of(request), **checked(shapes.NewKeySerializer, request))
        data = shapes.KeySerializer(key).data | {"token": token}
        return reply(data, "Copy the token now; it is not shown again.", status=201)

    @operation(
        "Change a bearer key",
        note="Kind, owner and token never change. The scope of a user key has no effect and stays.",
        body=shapes.KeyChangeSerializer,
        sample={"enabled": False},
        data=shapes.KeySerializer,
        example={"success": True, "data": _KEY | {"enabled": False}},
        refuses={403: "The key is not the caller's.", 404: "There is no such key."},
    )
    def update(self, request: Request, id: str) -> Response:
        key = _key(id, actor_of(request))
        changes = checked(shapes.KeyChangeSerializer, request)
        if changes:
            key = actions.change_key(key, actor=actor_of(request), **changes)
        return reply(shapes.KeySerializer(key).data)

    @operation(
        "Revoke a bearer key",
        note="Every process refuses it at once.",
        example={"success": True},
        refuses={403: "The key is not the caller's.", 404: "There is no such key."},
    )
    def destroy(self, request: Request, id: str) -> Response:
        actions.revoke_key(_key(id, actor_of(request)), actor=actor_of(request))
        return reply()


def _key(id: str, actor: Actor) -> BearerKey:
    # Ids are random, so that another's key exists says nothing; the contract tells 403 from 404.
    pk = _uuid(id)
    key = pk and BearerKey.objects.select_related("owner").filter(pk=pk).first()
    if not key:
        raise NotFound("There is no such key.")
    if not may_manage_key(actor, key):
        raise NotAllowed("This key is not yours.")
    return key


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class Users(HubViewSet):
    """/api/users."""

    tag = "Users"

    @operation(
        "List users",
        allow=Allow.ADMIN,
        data=shapes.UserSerializer(many=True),
        example={"success": True, "data": [_USER]},
    )
    def list(self, request: Request) -> Response:
        return reply(shapes.UserSerializer(User.objects.all(), many=True).data)

    @operation(
        "Show a user",
        allow=Allow.ADMIN,
        data=shapes.UserSerializer,
        example={"success": True, "data": _USER},
        refuses={404: "There is no such user."},
    )
    def retrieve(self, request: Request, username: str) -> Response:
        return reply(shapes.UserSerializer(_user(username)).data)

    @operation(
        "Add a user",
        allow=Allow.ADMIN,
        body=shapes.NewUserSerializer,
        sample={"username": "dana", "password": "S3cret!pass", "email": "dana@example.org"},
        data=shapes.UserSerializer,
        example={"success": True, "data": _USER, "message": "The user was added."},
        status=201,
        refuses={400: "A member is missing, the name is reserved or taken, the password too weak (`errors`)."},
    )
    def create(self, request: Request) -> Response:
        sent = checked(shapes.NewUserSerializer, request)
        with taken_is_invalid():
            user = actions.create_user(actor=actor_of(request), **sent)
        return reply(shapes.UserSerializer(user).data, "The user was added.", status=201)

    @operation(
        "Change a user",
        allow=Allow.ADMIN,
        note="A new password or role ends the user's tokens. The name cannot change.",
        body=shapes.UserChangeSerializer,
        sample={"newPassword": "N3w!passw"},
        data=shapes.UserSerializer,
        example={"success": True, "data": _USER},
        refuses={400: "Nothing to change, a weak password (`errors`), or the last admin's role.", 404: "No such user."},
    )
    def update(self, request: Request, username: str) -> Response:
        user = _user(username)
        changes = checked(shapes.UserChangeSerializer, request)
        if not changes:
            raise InvalidInput("There is nothing to change: send isAdmin, email or newPassword.")
        with taken_is_invalid():
            user = actions.change_user(user, actor=actor_of(request), **changes)
        return reply(shapes.UserSerializer(user).data, "The user was changed.")

    @operation(
        "Delete a user",
        allow=Allow.ADMIN,
        note="The user's keys and tokens end at once.",
        example=_DONE,
        refuses={400: "One's own account, the last admin, or no such user."},
    )
    def destroy(self, request: Request, username: str) -> Response:
        user = User.objects.filter(username=username).first()
        if user is None:  # 400 by the contract, not 404
            raise InvalidInput("There is no such user.")
        actions.delete_user(user, actor=actor_of(request))
        return reply(message="The user was deleted.")


def _user(username: str) -> User:
    user = User.objects.filter(username=username).first()
    if user is None:
        raise NotFound("There is no such user.")
    return user


class UserStats(HubView):
    """GET /api/users-stats."""

    tag = "Users"

    @operation(
        "Count users",
        allow=Allow.ADMIN,
        data=object_of(totalUsers=NUMBER, adminUsers=NUMBER, regularUsers=NUMBER),
        example={"success": True, "data": {"totalUsers": 4, "adminUsers": 1, "regularUsers": 3}},
    )
    def get(self, request: Request) -> Response:
        total, admins = User.objects.count(), User.objects.filter(is_admin=True).count()
        return reply({"totalUsers": total, "adminUsers": admins, "regularUsers": total - admins})


class LockOuts(HubViewSet):
    """/api/auth/lockouts: not in the original, which locks nobody out."""

    tag = "Sign-in"

    @operation(
        "List lock-outs",
        allow=Allow.ADMIN,
        note="Accounts and addresses that may not sign in for a while after too many failures.",
        data=shapes.LockOutSerializer(many=True),
        example={
            "success": True,
            "data": [
                {"id": 3, "scope": "address", "subject": "192.0.2.7", "failures": 20,
                 "since": "2026-09-01T10:00:00Z", "lockedUntil": "2026-09-01T10:15:00Z"}
            ],
        },
    )  # fmt: skip
    def list(self, request: Request) -> Response:
        locked = SignInFailures.objects.filter(locked_until__gt=timezone.now()).order_by("-locked_until")
        return reply(shapes.LockOutSerializer(locked, many=True).data)

    @operation(
        "End a lock-out",
        allow=Allow.ADMIN,
        example=_DONE,
        refuses={404: "There is no such lock-out."},
    )
    def destroy(self, request: Request, id: str) -> Response:
        found = SignInFailures.objects.filter(pk=int(id)).first() if id.isdecimal() and len(id) < 19 else None
        if found is None:
            raise NotFound("There is no such lock-out.")
        actions.unlock(found, actor=actor_of(request))
        return reply(message="The lock-out is over.")
