"""Signing in with a password: throttled per account and per address, in equal time for names nobody has."""

from __future__ import annotations

import time
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts.models import SignInFailures, User
from mcphub.actor import Actor
from mcphub.changes import Change, changed
from mcphub.errors import NotAllowed, NotAuthenticated, TooManyRequests
from mcphub.texts import findable, is_storable

WINDOW = timedelta(minutes=15)
#: Failures within the window that lock an address, and an account (more: others must not lock it out too easily).
LIMITS = {SignInFailures.Scope.ADDRESS: 20, SignInFailures.Scope.ACCOUNT: 50}


def sign_in(username: str, password: str, *, actor: Actor) -> User:
    """The user of that name and password. `actor` is who tries: its address counts.

    Raises `NotAuthenticated`, with the same sentence and after the same time whether or not the user exists, and
    `TooManyRequests` while the account or the address is locked, without looking at the password.
    """
    began = time.monotonic()
    username = findable(username)
    subjects = [(SignInFailures.Scope.ACCOUNT, username[:150]), (SignInFailures.Scope.ADDRESS, actor.address)]
    subjects = [(scope, subject) for scope, subject in subjects if subject]
    _require_unlocked(subjects)
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        make_password(findable(password))  # the work a known name would have cost
    elif is_storable(password) and user.check_password(password):
        User.objects.filter(pk=user.pk).update(last_login=timezone.now())
        SignInFailures.objects.filter(scope=SignInFailures.Scope.ACCOUNT, subject=username).delete()
        return user
    _count_failure(subjects, actor)
    _await_equal_time(began)
    raise NotAuthenticated("The user name or the password is not right.")


@transaction.atomic
def unlock(failures: SignInFailures, *, actor: Actor) -> None:
    """End a lock; admins only. Raises `NotAllowed`."""
    if not actor.is_admin:
        raise NotAllowed()
    before = {"scope": failures.scope, "failures": failures.count}
    subject = failures.subject
    failures.delete()
    changed(Change("accounts.unlock", actor, "sign-in", "", subject, before, None))


def _await_equal_time(began: float) -> None:
    # The same work is not enough: an imported bcrypt hash is checked in another time than one of our own.
    if settings.SIGN_IN_PACE:
        time.sleep(-(time.monotonic() - began) % settings.SIGN_IN_PACE)


def _require_unlocked(subjects: list[tuple[SignInFailures.Scope, str]]) -> None:
    now = timezone.now()
    for scope, subject in subjects:
        locked = SignInFailures.objects.filter(scope=scope, subject=subject, locked_until__gt=now).first()
        if locked is not None and locked.locked_until is not None:
            seconds = (locked.locked_until - now).total_seconds()
            raise TooManyRequests("Too many failed sign-ins; try again later.", retry_after=seconds)


@transaction.atomic
def _count_failure(subjects: list[tuple[SignInFailures.Scope, str]], actor: Actor) -> None:
    now = timezone.now()
    # Forgotten by the way, or guesses at names nobody has would fill the table.
    SignInFailures.objects.filter(since__lt=now - 2 * WINDOW).delete()
    for scope, subject in subjects:
        row, _ = SignInFailures.objects.select_for_update().get_or_create(scope=scope, subject=subject)
        if row.since < now - WINDOW:
            row.since, row.count, row.locked_until = now, 0, None
        row.count += 1
        if row.count >= LIMITS[scope] and row.locked_until is None:
            row.locked_until = now + WINDOW
            told = {"scope": scope.value, "failures": row.count, "until": row.locked_until.isoformat()}
            changed(Change("accounts.lock_out", actor, "sign-in", "", subject, None, told))
        row.save()
