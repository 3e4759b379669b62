"""Questions about many users or keys at once. Above: models' managers, and whoever asks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models
from django.utils import timezone

from mcphub.actor import Viewer

if TYPE_CHECKING:
    from accounts.models import BearerKey, User  # noqa: F401 (named in strings)


class UserQuerySet(models.QuerySet["User"]):
    """Users."""

    def admins(self) -> UserQuerySet:
        """Those who see and do everything."""
        return self.filter(is_admin=True, is_active=True)

    def get_by_natural_key(self, username: str) -> User:
        """The user of that name; asked by Django's sign-in."""
        return self.get(username=username)


class BearerKeyQuerySet(models.QuerySet["BearerKey"]):
    """Bearer keys."""

    def visible_to(self, viewer: Viewer) -> BearerKeyQuerySet:
        """Admins see all keys, others the ones they own."""
        return self if viewer.is_admin else self.filter(owner__username=viewer.username)

    def usable(self, now: datetime | None = None) -> BearerKeyQuerySet:
        """Enabled, not expired, and of a living owner where the key acts for one."""
        now = now or timezone.now()
        return self.filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=now),
            models.Q(kind="system") | models.Q(owner__is_active=True),
            enabled=True,
        )
