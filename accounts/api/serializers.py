"""What users, keys and sign-in look like on the wire (REST contract, sections 2.6, 3 and 8)."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.models import BearerKey, SignInFailures, User
from mcphub.actor import Viewer
from mcphub.api.fields import Choice, Flag, Text, Texts

#: What clients are told of a role; the words are the original's.
ADMIN_PERMISSIONS = ["*", "x"]
USER_PERMISSIONS = [""]
#: `POST /auth/register` asks for no more, as documented; everywhere else the strength rule counts.
REGISTERED_LENGTH = 6


def profile(viewer: Viewer) -> dict[str, Any]:
    """A signed-in caller as `/auth/user` and the sign-in reply show it."""
    permissions = ADMIN_PERMISSIONS if viewer.is_admin else USER_PERMISSIONS
    return {"username": viewer.username, "isAdmin": viewer.is_admin, "permissions": permissions}


class ProfileSerializer(serializers.Serializer[Any]):
    """The caller."""

    username = serializers.CharField()
    isAdmin = serializers.BooleanField()
    permissions = serializers.ListField(child=serializers.CharField(allow_blank=True))


class SignInSerializer(serializers.Serializer[Any]):
    """A name and a password."""

    username = Text(trim_whitespace=False, max_length=1024)
    password = Text(trim_whitespace=False, max_length=1024)


class RegistrationSerializer(serializers.Serializer[Any]):
    """A new user; never an admin."""

    username = Text()
    password = Text(trim_whitespace=False, min_length=REGISTERED_LENGTH)


class PasswordChangeSerializer(serializers.Serializer[Any]):
    """One's own password."""

    currentPassword = Text(trim_whitespace=False)
    newPassword = Text(trim_whitespace=False, min_length=6)


class UserSerializer(serializers.ModelSerializer[User]):
    """A user; the password never."""

    isAdmin = serializers.BooleanField(source="is_admin")
    ssoUserId = serializers.CharField(source="sso_id", allow_null=True)

    class Meta:
        model = User
        fields = ["username", "isAdmin", "email", "ssoUserId"]
        extra_kwargs = {"email": {"allow_null": True, "required": True}}


class NewUserSerializer(serializers.Serializer[Any]):
    """A user to add."""

    username = Text()
    password = Text(trim_whitespace=False)
    isAdmin = Flag(source="is_admin", required=False)
    email = Text(required=False, allow_null=True, allow_blank=True)


class UserChangeSerializer(serializers.Serializer[Any]):
    """What may be changed of a user; an empty e-mail clears it."""

    isAdmin = Flag(source="is_admin", required=False)
    email = Text(required=False, allow_null=True, allow_blank=True)
    newPassword = Text(source="password", required=False, trim_whitespace=False)


class KeySerializer(serializers.ModelSerializer[BearerKey]):
    """A bearer key; `token` is masked everywhere but in the reply that made it."""

    token = serializers.CharField(source="preview")
    kind = serializers.ChoiceField(BearerKey.Kind.choices)
    accessType = serializers.ChoiceField(BearerKey.Access.choices, source="access")
    allowedGroups = serializers.ListField(child=serializers.CharField(), source="allowed_groups")
    allowedServers = serializers.ListField(child=serializers.CharField(), source="allowed_servers")
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)
    expiresAt = serializers.DateTimeField(source="expires_at", allow_null=True)
    lastUsedAt = serializers.DateTimeField(source="last_used_at", allow_null=True)
    createdAt = serializers.DateTimeField(source="created_at")

    class Meta:
        model = BearerKey
        fields = [
            "id", "name", "token", "enabled", "kind", "owner", "accessType", "allowedGroups", "allowedServers",
            "expiresAt", "lastUsedAt", "note", "createdAt",
        ]  # fmt: skip


class KeyChangeSerializer(serializers.Serializer[Any]):
    """What may be changed of a key; a list replaces the one before."""

    name = Text(required=False, max_length=200)
    enabled = Flag(required=False)
    accessType = Choice(BearerKey.Access.choices, source="access", required=False)
    allowedGroups = Texts(source="allowed_groups", required=False)
    allowedServers = Texts(source="allowed_servers", required=False)
    expiresAt = serializers.DateTimeField(source="expires_at", required=False, allow_null=True)
    note = Text(required=False, allow_blank=True)


class NewKeySerializer(KeyChangeSerializer):
    """A key to make. People who are no admins always get a user key of their own."""

    name = Text(max_length=200)
    kind = Choice(BearerKey.Kind.choices, required=False)
    owner = Text(required=False, allow_null=True, allow_blank=True)


class LockOutSerializer(serializers.ModelSerializer[SignInFailures]):
    """Failed sign-ins of an account or an address; locked until `lockedUntil`."""

    id = serializers.IntegerField()
    failures = serializers.IntegerField(source="count")
    lockedUntil = serializers.DateTimeField(source="locked_until")

    class Meta:
        model = SignInFailures
        fields = ["id", "scope", "subject", "failures", "since", "lockedUntil"]
