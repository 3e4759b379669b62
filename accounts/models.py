"""Who: users, bearer keys, and the memory of failed sign-ins. Written only by `accounts.actions`.

Above: the other apps (which name users by their username). Below: `querysets`, the project's seams.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from accounts.querysets import BearerKeyQuerySet, UserQuerySet


class User(AbstractBaseUser):
    """A person. Roles are binary: an admin sees and does everything.

    Attributes:
        epoch: part of every dashboard token; raised when the password or role changes, so that older tokens end.
        sso_id: subject at an identity provider; None for local accounts.
        preferences: what the user chose in the dashboard, and the `userConfigs` entry of an imported settings file.
        plan, plan_limit: how many registry requests a minute (`plan_limit` only where the plan is enterprise).
    """

    class Plan(models.TextChoices):
        FREE = "free", "Free"
        PRO = "pro", "Pro"
        ENTERPRISE = "enterprise", "Enterprise"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    username = models.CharField(max_length=150, unique=True)
    email = models.EmailField(null=True, blank=True)  # noqa: DJ001 (unique where given)
    is_admin = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    sso_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    epoch = models.PositiveIntegerField(default=0, editable=False)
    plan = models.CharField(max_length=12, choices=Plan.choices, default=Plan.FREE)
    plan_limit = models.PositiveIntegerField(null=True, blank=True)
    preferences = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserQuerySet.as_manager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["created_at", "username"]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="accounts_user_email_unique", violation_error_message="taken")
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def is_staff(self) -> bool:
        """Django's word for who may enter the admin."""
        return self.is_admin

    @property
    def is_superuser(self) -> bool:
        """Django's word for who may do everything there."""
        return self.is_admin

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Django's question: admins may do everything, others nothing."""
        return self.is_active and self.is_admin

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        """See `has_perm`."""
        return self.has_perm("")

    def has_module_perms(self, app_label: str) -> bool:
        """See `has_perm`."""
        return self.has_perm("")


class BearerKey(models.Model):
    """A static token for MCP clients. Only its hash is stored; the token is shown once, when it is made.

    Attributes:
        digest: SHA-256 of the token in hex. preview: its masked form, for lists.
        kind: a system key is judged by its scope alone; a user key acts as its owner.
        allowed_groups: names or ids; allowed_servers: names.
        last_used_at: written in batches, so up to a minute late.
    """

    class Kind(models.TextChoices):
        SYSTEM = "system", "System"
        USER = "user", "User"

    class Access(models.TextChoices):
        ALL = "all", "Everything"
        GROUPS = "groups", "Listed groups"
        SERVERS = "servers", "Listed servers"
        CUSTOM = "custom", "Listed groups and servers"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    preview = models.CharField(max_length=20, editable=False)
    enabled = models.BooleanField(default=True)
    kind = models.CharField(max_length=6, choices=Kind.choices, default=Kind.SYSTEM)
    owner = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="keys")
    access = models.CharField(max_length=7, choices=Access.choices, default=Access.ALL)
    allowed_groups = models.JSONField(default=list, blank=True)
    allowed_servers = models.JSONField(default=list, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    note = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = BearerKeyQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(kind="user", owner=None), name="accounts_user_keys_have_an_owner"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def principal(self) -> str:
        """Its id as `gateway.principal.Principal` and the bus name it."""
        return f"key:{self.pk}"

    def has_expired(self, now: datetime | None = None) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= (now or timezone.now())


def digest_of(token: str) -> str:
    """What is stored of a token. Tokens are long and random, so a plain hash cannot be searched."""
    return hashlib.sha256(token.encode()).hexdigest()


def masked(token: str) -> str:
    """A token as lists show it: first eight and last four characters, or only asterisks where it is short."""
    return f"{token[:8]}...{token[-4:]}" if len(token) > 12 else "*" * 8


class SignInFailures(models.Model):
    """Failed sign-ins of one account or one address within the present window; enough of them lock it for a while."""

    class Scope(models.TextChoices):
        ACCOUNT = "account", "Account"
        ADDRESS = "address", "Address"

    scope = models.CharField(max_length=7, choices=Scope.choices)
    subject = models.CharField(max_length=150)
    count = models.PositiveIntegerField(default=0)
    since = models.DateTimeField(default=timezone.now)
    locked_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "sign-in failures"
        constraints = [models.UniqueConstraint(fields=["scope", "subject"], name="accounts_failures_once")]

    def __str__(self) -> str:
        return f"{self.scope} {self.subject}: {self.count}"
