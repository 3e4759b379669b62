"""Dashboard tokens: JWTs that name a user, whose state is read fresh each time one is used.

A token ends with its time, with its user, and with the user's epoch: a new password or another role makes all
earlier tokens worthless. Above: `authenticator`, the API's sign-in. Below: `models`.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

import jwt
from django.conf import settings

from accounts.models import User

#: Seconds a token lives.
LIFETIME = 24 * 3600
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says; whether it still counts is for `user_of` to decide."""

    user: uuid.UUID
    epoch: int


def issue(user: User) -> str:
    """A fresh token for a user. `user.isAdmin` inside is for clients to show; the hub never trusts it."""
    now = int(time.time())
    payload = {
        "user": {"username": user.username, "isAdmin": user.is_admin},
        "sub": str(user.pk),
        "epoch": user.epoch,
        "iat": now,
        "exp": now + LIFETIME,
    }
    return jwt.encode(payload, settings.JWT_SECRET, _ALGORITHM)


def read(token: str) -> Claims | None:
    """The claims of a token that is ours and in time, else None."""
    try:
        payload = jwt.decode(token, settings.JWT_SECRET, [_ALGORITHM], options={"require": ["exp", "iat", "sub"]})
        return Claims(uuid.UUID(payload["sub"]), int(payload["epoch"]))
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
        return None


def user_of(token: str) -> User | None:
    """The user a token stands for now: None where it is invalid or ended, or the user is gone or inactive."""
    claims = read(token)
    if claims is None:
        return None
    return User.objects.filter(pk=claims.user, epoch=claims.epoch, is_active=True).first()
