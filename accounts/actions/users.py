"""Create, change and delete users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import identify_hasher, is_password_usable, make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from accounts import passwords, policies
from accounts.hashers import imported, is_bcrypt
from accounts.models import BearerKey, User
from mcphub.actor import HUB, Actor
from mcphub.bus import KeyRevoked
from mcphub.changes import Change, announce, changed, differences, insert
from mcphub.errors import InvalidInput, NotAllowed, NotAuthenticated
from mcphub.texts import is_storable

#: Names that stand for the operator or for nobody; a user of that name would own what belongs to no user.
RESERVED_NAMES = frozenset({"system", "admin", "guest", "root"})
_NAME_LENGTH = 150
_UNCHANGED: Any = object()


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """The admin made at first start; `password` is shown once where it was `generated`."""

    username: str
    password: str
    generated: bool


@transaction.atomic
def create_user(
    *,
    actor: Actor,
    username: str,
    password: str | None,
    is_admin: bool = False,
    email: str | None = None,
    sso_id: str | None = None,
) -> User:
    """Add a user; admins only (and the hub itself, for those an identity provider vouches for).

    Args:
        password: None makes an account that cannot sign in with one.
    Raises `InvalidInput` (name, password or e-mail unfit or taken) and `NotAllowed`.
    """
    _require_admin(actor)
    name = _unreserved(username)
    user = User(username=name, is_admin=_boolean(is_admin, "isAdmin"), email=_email(email), sso_id=sso_id)
    if password is None:
        user.set_unusable_password()
    else:
        user.set_password(passwords.require_strong(password))
    return _added(user, actor)


@transaction.atomic
def register_user(*, actor: Actor, username: str, password: str) -> User:
    """Add a plain user; admins only. Registration asks six characters of a password, as it always did, and no more.

    Raises `InvalidInput` (name, password) and `NotAllowed`.
    """
    _require_admin(actor)
    user = User(username=_unreserved(username))
    user.set_password(passwords.require_length(password, 6))
    return _added(user, actor)


@transaction.atomic
def import_user(*, actor: Actor, username: str, password: str = "", is_admin: bool = False, **known: Any) -> User:
    """Add a user from a settings file: reserved names are allowed there, and the password is a hash.

    Args:
        known: `email`, `sso_id`, `preferences`.
    Raises `InvalidInput`.
    """
    user = User(
        username=_new_name(username),
        is_admin=is_admin is True,
        email=_email(known.get("email")),
        sso_id=known.get("sso_id") or None,
        preferences=known.get("preferences") or {},
    )
    user.password = _known_hash(password)
    return _added(user, actor)


@transaction.atomic
def ensure_first_admin() -> FirstAdmin | None:
    """Make `admin` where there is no user at all; None where there is one."""
    if User.objects.exists():
        return None
    generated = not settings.ADMIN_PASSWORD
    password = passwords.generated() if generated else settings.ADMIN_PASSWORD
    user = User(username="admin", is_admin=True)
    user.set_password(password)
    _added(user, HUB)
    return FirstAdmin(user.username, password, generated)


@transaction.atomic
def change_user(
    user: User,
    *,
    actor: Actor,
    is_admin: bool = _UNCHANGED,
    email: str | None = _UNCHANGED,
    password: str = _UNCHANGED,
    plan: str = _UNCHANGED,
    plan_limit: int | None = _UNCHANGED,
) -> User:
    """Change what was given; admins only. An empty `email` clears it; a new role or password ends older tokens.

    Raises `InvalidInput`, `NotAllowed`; the last admin stays one.
    """
    _require_admin(actor)
    user = User.objects.select_for_update().get(pk=user.pk)
    before = _told(user)
    if is_admin is not _UNCHANGED:
        _change_role(user, _boolean(is_admin, "isAdmin"))
    if email is not _UNCHANGED:
        user.email = _email(email, other_than=user)
    if plan is not _UNCHANGED:
        user.plan = _plan(plan)
    if plan_limit is not _UNCHANGED:
        user.plan_limit = _plan_limit(plan_limit)
    renewed = password is not _UNCHANGED
    if renewed:
        user.set_password(passwords.require_strong(password))
        user.epoch += 1
    user.save()
    _changed("accounts.change_user", user, actor, before, {"password": "changed"} if renewed else {})
    return user


@transaction.atomic
def change_password(user: User, *, actor: Actor, current: str, new: str) -> User:
    """A user's own change. The new password is judged first, so that a guess at the old one learns nothing sooner.

    Raises `InvalidInput` (new one too weak), `NotAuthenticated` (current one wrong).
    """
    passwords.require_strong(new)
    user = User.objects.select_for_update().get(pk=user.pk)
    if not isinstance(current, str) or not user.check_password(current):
        raise NotAuthenticated("The current password is not right.")
    before = _told(user)
    user.set_password(new)
    user.epoch += 1
    user.save()
    _changed("accounts.change_password", user, actor, before, {"password": "changed"})
    return user


@transaction.atomic
def delete_user(user: User, *, actor: Actor) -> None:
    """Remove a user and the user's keys; admins only. Servers and groups stay, under the name of nobody.

    Raises `InvalidInput` for one's own account and for the last admin, `NotAllowed`.
    """
    _require_admin(actor)
    user = User.objects.select_for_update().get(pk=user.pk)
    if user.username == actor.username:
        raise InvalidInput("You cannot delete your own account.")
    if policies.is_last_admin(user):
        raise InvalidInput("The last admin cannot be deleted.")
    _forget(user)
    identity, before = str(user.pk), _told(user)
    user.delete()
    changed(
        Change("accounts.delete_user", actor, "user", identity, user.username, before=before, after=None, noticed=True)
    )


def _added(user: User, actor: Actor) -> User:
    insert(user)
    changed(Change("accounts.create_user", actor, "user", str(user.pk), user.username, None, _told(user), noticed=True))
    return user


def _changed(action: str, user: User, actor: Actor, before: Mapping[str, Any], also: Mapping[str, Any]) -> None:
    was, now = differences(before, _told(user))
    _forget(user)
    changed(Change(action, actor, "user", str(user.pk), user.username, was, {**now, **also}, noticed="isAdmin" in now))


def _change_role(user: User, is_admin: bool) -> None:
    if is_admin == user.is_admin:
        return
    if not is_admin and policies.is_last_admin(user):
        raise InvalidInput("The last admin must stay one.")
    user.is_admin = is_admin
    user.epoch += 1


def _forget(user: User) -> None:
    """Have every process forget what it cached of this user and the user's keys."""
    announce(KeyRevoked(f"user:{user.username}"))
    for key in BearerKey.objects.filter(owner=user):
        announce(KeyRevoked(key.principal))


def _known_hash(text: object) -> str:
    """A bcrypt hash (the original's) or one of the hub's own as `User.password` holds it; else an unusable one."""
    if isinstance(text, str) and is_bcrypt(text):
        return imported(text)
    try:
        identify_hasher(str(text))
    except ValueError:
        return make_password(None)
    return str(text)


def _told(user: User) -> dict[str, Any]:
    """What the audit keeps of a user."""
    return {
        "username": user.username,
        "isAdmin": user.is_admin,
        "email": user.email,
        "plan": user.plan,
        "planLimit": user.plan_limit,
        "hasPassword": is_password_usable(user.password),
    }


def _require_admin(actor: Actor) -> None:
    if not policies.may_manage_users(actor):
        raise NotAllowed("Only admins manage users.")


def _new_name(username: object) -> str:
    if not isinstance(username, str) or not (name := username.strip()):
        raise InvalidInput("A user needs a name.")
    if len(name) > _NAME_LENGTH or not name.isprintable() or any(letter in name for letter in "/\\?#%"):
        raise InvalidInput(f"A user name has at most {_NAME_LENGTH} printable characters, without / \\ ? # %.")
    if User.objects.filter(username__iexact=name).exists():
        raise InvalidInput(f"There is a user named {name!r} already.")
    return name


def _unreserved(username: object) -> str:
    name = _new_name(username)
    if name.lower() in RESERVED_NAMES:
        raise InvalidInput(f"The user name {name!r} is reserved.")
    return name


def _email(email: object, other_than: User | None = None) -> str | None:
    if email is None or email == "":
        return None
    try:
        if not isinstance(email, str) or not is_storable(email):
            raise ValidationError("no string")
        validate_email(email)
    except ValidationError:
        raise InvalidInput("This is not an e-mail address.") from None
    taken = User.objects.filter(email__iexact=email)
    if other_than is not None:
        taken = taken.exclude(pk=other_than.pk)
    if taken.exists():
        raise InvalidInput("Another user has this e-mail address.")
    return email


def _boolean(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{name} must be true or false.")
    return value


def _plan(plan: object) -> str:
    if plan not in User.Plan.values:
        raise InvalidInput(f"The plan must be one of {', '.join(User.Plan.values)}.")
    return str(plan)


def _plan_limit(limit: object) -> int | None:
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= 1_000_000:
        raise InvalidInput("The plan's limit must be 1 to 1,000,000 requests a minute.")
    return limit
