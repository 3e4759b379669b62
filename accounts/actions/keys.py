"""Create, change and revoke bearer keys."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import policies
from accounts.models import BearerKey, User, digest_of, masked
from mcphub.actor import Actor
from mcphub.bus import KeyRevoked
from mcphub.changes import Change, announce, changed, differences, insert
from mcphub.errors import Conflict, InvalidInput, NotAllowed
from mcphub.texts import findable, is_storable

_NAME_LENGTH = 200
_LISTED = 1000
_NOTE_LENGTH = 10_000
_USE_GRAIN = timedelta(minutes=1)

#: What `change_key` accepts; kind, owner and token never change.
CHANGEABLE = frozenset({"name", "enabled", "access", "allowed_groups", "allowed_servers", "expires_at", "note"})


@dataclass(frozen=True, slots=True)
class Token:
    """What is stored of a token: its SHA-256 and its masked form."""

    digest: str
    preview: str

    @classmethod
    def of(cls, token: str) -> Token:
        """From the token itself."""
        return cls(digest_of(token), masked(token))


def new_token() -> str:
    """A fresh token: `mcphub_` and 64 hex digits."""
    return f"mcphub_{secrets.token_hex(32)}"


@transaction.atomic
def create_key(*, actor: Actor, name: str, owner: str | None = None, **known: Any) -> tuple[BearerKey, str]:
    """Make a key; returns it with its token, which is nowhere else.

    Args:
        owner: name of the user a user key acts as; people who are no admins always get a user key of their own.
        known: `kind` (default system), `access` (required for system keys), `allowed_groups`, `allowed_servers`,
            `enabled`, `expires_at`, `note`.
    Raises `InvalidInput`, `NotAllowed` (an actor that is no user).
    """
    kind = known.pop("kind", None) or BearerKey.Kind.SYSTEM
    if not actor.is_admin:
        kind, owner = BearerKey.Kind.USER, actor.username
    if kind not in BearerKey.Kind.values:
        raise InvalidInput(f"The kind must be one of {', '.join(BearerKey.Kind.values)}.")
    key = BearerKey(kind=kind)
    if kind == BearerKey.Kind.USER:
        key.owner = _owner(owner, actor)
        known = {name: value for name, value in known.items() if name in ("enabled", "expires_at", "note")}
    elif known.get("access") is None:
        raise InvalidInput("A system key needs an access type.")
    _set(key, {"name": name, **known})
    token = new_token()
    return _added(key, Token.of(token), actor), token


@transaction.atomic
def import_key(
    *, actor: Actor, id: UUID | None, token: Token, name: str, owner: User | None, **known: Any
) -> BearerKey:
    """Add a key whose token people have already (a settings file); its id is kept.

    Raises `InvalidInput`, `Conflict` (the token or the id is stored already).
    """
    kind = known.pop("kind", None) or BearerKey.Kind.SYSTEM
    if kind == BearerKey.Kind.USER and owner is None:
        raise InvalidInput("A user key without an existing owner.")
    key = BearerKey(kind=kind, owner=owner, **({"id": id} if id else {}))
    _set(key, {"name": name, **known})
    if BearerKey.objects.filter(digest=token.digest).exists() or BearerKey.objects.filter(pk=key.pk).exists():
        raise Conflict("This key is stored already.")
    return _added(key, token, actor)


@transaction.atomic
def change_key(key: BearerKey, *, actor: Actor, **changes: Any) -> BearerKey:
    """Change what was given (see `CHANGEABLE`). Owners of user keys change all but their reach, which has no effect.

    Raises `InvalidInput`, `NotAllowed`.
    """
    _require_manager(key, actor)
    key = BearerKey.objects.select_for_update(of=("self",)).select_related("owner").get(pk=key.pk)
    before = _told(key)
    if key.kind == BearerKey.Kind.USER:
        changes = {name: value for name, value in changes.items() if name in ("name", "enabled", "expires_at", "note")}
    _set(key, changes)
    key.save()
    announce(KeyRevoked(key.principal))
    was, now = differences(before, _told(key))
    changed(Change("accounts.change_key", actor, "key", str(key.pk), key.name, was, now))
    return key


@transaction.atomic
def revoke_key(key: BearerKey, *, actor: Actor) -> None:
    """Delete a key; every process forgets it at once. Raises `NotAllowed`."""
    _require_manager(key, actor)
    identity, principal = str(key.pk), key.principal
    key.delete()
    announce(KeyRevoked(principal))
    changed(Change("accounts.revoke_key", actor, "key", identity, key.name, _told(key), None))


def note_use(key: BearerKey) -> None:
    """Remember that a key was used now; to the minute, so that a busy key costs one write a minute. Not audited."""
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > _USE_GRAIN:
        BearerKey.objects.filter(pk=key.pk).update(last_used_at=now)


@transaction.atomic
def rename_in_keys(kind: str, old: str, new: str | None) -> None:
    """Follow a renamed (or, with `new` None, removed) server or group in the scopes of all keys.

    Args:
        kind: `allowed_servers` or `allowed_groups`.
    Part of the transaction of the action that renames; that action records the change.
    """
    if old == new:
        return
    for key in BearerKey.objects.exclude(**{kind: []}).select_for_update():
        names: list[str] = getattr(key, kind)
        if old in names:
            replaced = [new if name == old else name for name in names]
            setattr(key, kind, [name for name in replaced if name is not None])
            key.save(update_fields=[kind])
            announce(KeyRevoked(key.principal))


def _added(key: BearerKey, token: Token, actor: Actor) -> BearerKey:
    key.digest, key.preview = token.digest, token.preview
    insert(key)
    changed(Change("accounts.create_key", actor, "key", str(key.pk), key.name, None, _told(key)))
    return key


def _set(key: BearerKey, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name not in CHANGEABLE:
            raise InvalidInput(f"A key has no changeable member {name!r}.")
        setattr(key, name, _CHECKS[name](value))


def _require_manager(key: BearerKey, actor: Actor) -> None:
    if not policies.may_manage_key(actor, key):
        raise NotAllowed("You may not manage this key.")


def _owner(name: object, actor: Actor) -> User:
    if not isinstance(name, str) or not name:
        raise InvalidInput("A user key needs an owner.")
    owner = User.objects.filter(username=findable(name)).first()
    if owner is None and not actor.is_admin:
        raise NotAllowed("Only users have keys of their own.")
    if owner is None:
        raise InvalidInput(f"There is no user named {name!r}.")
    return owner


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.strip().isprintable() or not 0 < len(value.strip()) <= _NAME_LENGTH:
        raise InvalidInput(f"A key needs a name of at most {_NAME_LENGTH} printable characters.")
    return value.strip()


def _enabled(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput("enabled must be true or false.")
    return value


def _access(value: object) -> str:
    if value not in BearerKey.Access.values:
        raise InvalidInput(f"The access type must be one of {', '.join(BearerKey.Access.values)}.")
    return str(value)


def _names(value: object) -> list[str]:
    if not isinstance(value, list):
        return []  # the contract reads anything else as an empty list
    if len(value) > _LISTED or not all(_is_name(name) for name in value):
        raise InvalidInput(f"Groups and servers are listed by name, at most {_LISTED}.")
    return list(dict.fromkeys(name.strip() for name in value))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and is_storable(value)


def _expiry(value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or timezone.is_naive(value):
        raise InvalidInput("The expiry must be a moment with a time zone.")
    return value


def _note(value: object) -> str:
    if not isinstance(value, str) or len(value) > _NOTE_LENGTH or not is_storable(value):
        raise InvalidInput(f"A note is a text of at most {_NOTE_LENGTH} characters.")
    return value


_CHECKS = {
    "name": _name,
    "enabled": _enabled,
    "access": _access,
    "allowed_groups": _names,
    "allowed_servers": _names,
    "expires_at": _expiry,
    "note": _note,
}


def _told(key: BearerKey) -> dict[str, Any]:
    """What the audit keeps of a key."""
    return {
        "name": key.name,
        "kind": key.kind,
        "owner": key.owner.username if key.owner else None,
        "accessType": key.access,
        "allowedGroups": key.allowed_groups,
        "allowedServers": key.allowed_servers,
        "enabled": key.enabled,
        "expiresAt": key.expires_at.isoformat() if key.expires_at else None,
        "note": key.note,
        "preview": key.preview,
    }
