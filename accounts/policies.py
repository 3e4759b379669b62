"""Who may do what with users and keys. Pure questions; asked by every door. Below: `models`."""

from __future__ import annotations

from accounts.models import BearerKey, User
from mcphub.actor import Viewer


def may_manage_users(viewer: Viewer) -> bool:
    """Only admins create, change and delete users."""
    return viewer.is_admin


def may_manage_key(viewer: Viewer, key: BearerKey) -> bool:
    """Admins manage every key, others the user keys they own."""
    return viewer.is_admin or (
        key.kind == BearerKey.Kind.USER and key.owner is not None and key.owner.username == viewer.username
    )


def is_last_admin(user: User) -> bool:
    """Whether nobody would be left to administer the hub without this user."""
    return user.is_admin and not User.objects.admins().exclude(pk=user.pk).exists()
