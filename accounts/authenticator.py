"""DatabaseAuthenticator: bearer tokens and dashboard tokens to principals, from the database.

Implements `gateway.ports.Authenticator`. The gateway caches what is found for a minute, so a key's last use is known
to the minute as well; it is written apart from the look-up, many at once. Above: `hub`. Below: `tokens`, `models`.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import datetime

from django.utils import timezone

from accounts.models import BearerKey, User, digest_of
from accounts.tokens import user_of
from mcphub.actor import Actor
from mcphub.bridge import in_database, write_in_database
from mcphub.gateway.principal import Principal
from mcphub.gateway.tasks import Tasks

#: Seconds that uses are gathered before they are written.
_GATHER = 5.0


class DatabaseAuthenticator:
    """See the module. `aclose` writes what was not written yet."""

    def __init__(self, gather: float = _GATHER) -> None:
        self._gather = gather
        self._used: dict[uuid.UUID, datetime] = {}
        self._tasks = Tasks("authenticator")

    async def authenticate(self, token: str) -> Principal | None:
        """The principal of a bearer key that may be used now, else None."""
        key = await in_database(_usable_key, token)
        if key is None:
            return None
        self._note_use(key)
        return principal_of_key(key)

    async def authenticate_user(self, token: str) -> Principal | None:
        """The principal of a dashboard token, else None."""
        user = await in_database(user_of, token)
        return None if user is None else principal_of_user(user)

    async def aclose(self) -> None:
        """Write the last uses and stop."""
        await self._tasks.aclose()
        await self._write()

    def _note_use(self, key: BearerKey) -> None:
        if not self._used:
            self._tasks.start(self._write_later(), "last use")
        self._used[key.pk] = timezone.now()

    async def _write_later(self) -> None:
        await asyncio.sleep(self._gather)
        await self._write()

    async def _write(self) -> None:
        used, self._used = self._used, {}
        if used:
            await write_in_database(_store_uses, used)


def principal_of_key(key: BearerKey) -> Principal:
    """What a key may reach: a user key what its owner may now, a system key what its scope says."""
    if key.kind == BearerKey.Kind.USER and key.owner is not None:
        return Principal(
            key.principal, key.owner.username, is_admin=key.owner.is_admin, key_id=str(key.pk), key_name=key.name
        )
    return Principal(
        key.principal,
        unrestricted=True,
        access=key.access,  # type: ignore[arg-type]  # the choices are the literal's
        groups=frozenset(key.allowed_groups),
        servers=frozenset(key.allowed_servers),
        key_id=str(key.pk),
        key_name=key.name,
    )


def principal_of_user(user: User) -> Principal:
    """What a signed-in user may reach."""
    return Principal(f"user:{user.username}", user.username, is_admin=user.is_admin)


def principal_of_actor(actor: Actor) -> Principal:
    """What a caller of the REST API may reach over MCP: the same as over REST."""
    if actor.via == "key" and actor.key_id is not None:
        return Principal(f"key:{actor.key_id}", unrestricted=True, key_id=actor.key_id, key_name=actor.key_name)
    return Principal(f"user:{actor.username}", actor.username, is_admin=actor.is_admin)


def _usable_key(token: str) -> BearerKey | None:
    # Looked up by hash: the time this takes says nothing about how much of a guess was right.
    return BearerKey.objects.usable().select_related("owner").filter(digest=digest_of(token)).first()


def _store_uses(used: dict[uuid.UUID, datetime]) -> None:
    BearerKey.objects.bulk_update([BearerKey(pk=pk, last_used_at=at) for pk, at in used.items()], ["last_used_at"])
