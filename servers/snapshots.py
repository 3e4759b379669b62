"""DatabaseSnapshots: the snapshot from the database, building again only what changed.

Implements `gateway.ports.SnapshotSource`. Each server's row carries the revision that touched it last, so a load reads
the few servers that changed and shares the values of the others with the snapshot before. Above: `hub`. Below:
`specs`, `settings_reader`, `models`.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from accounts.models import User
from mcphub.bridge import in_database
from mcphub.gateway.snapshot import GroupSpec, ServerSpec, Snapshot
from servers import models, revision, settings_reader, specs
from servers.expansion import hub_environment
from servers.specs import Found, Surroundings

#: Owners that stand for the operator rather than for a user.
_OPERATOR = frozenset({"", "system", "guest"})
#: Names of one IN (…); databases bound the parameters of a statement.
_IN = 500


@dataclass(frozen=True, slots=True)
class _Built:
    revision: int
    around: Surroundings
    spec: ServerSpec


class DatabaseSnapshots:
    """See the module."""

    def __init__(self) -> None:
        self._built: dict[uuid.UUID, _Built] = {}
        self._lock = threading.Lock()

    async def revision(self) -> int:
        """The newest revision; one small query."""
        return await in_database(revision.current)

    async def load(self, previous: Snapshot | None) -> Snapshot:
        """The newest snapshot; `previous` itself where nothing changed."""
        return await in_database(self.build, previous)

    def build(self, previous: Snapshot | None = None) -> Snapshot:
        """See `load`; for threads that may query."""
        with self._lock:
            # Read first: what changes while the rest is read has a higher number and is read again by the next load.
            number = revision.current()
            if previous is not None and previous.revision == number and self._built:
                return previous
            return self._build(number)

    def _build(self, number: int) -> Snapshot:
        values = settings_reader.effective()
        users = dict(User.objects.filter(is_active=True).values_list("username", "is_admin"))
        servers = self._servers(values, users)
        names = {key: spec.name for key, spec in servers.items()}
        return Snapshot(
            revision=number,
            servers={spec.name: spec for spec in servers.values()},
            groups=_groups(names),
            users=users,
            prompts=tuple(map(specs.prompt_value, models.BuiltinPrompt.objects.filter(enabled=True))),
            resources=tuple(map(specs.resource_value, models.BuiltinResource.objects.filter(enabled=True))),
            switches=settings_reader.switches(values),
        )

    def _servers(self, values: dict[str, Any], users: dict[str, bool]) -> dict[uuid.UUID, ServerSpec]:
        """All servers in their order; those whose rows or surroundings changed are built, the others shared."""
        trusted, untrusted = _surroundings(values)
        around, stale = {}, []
        for key, changed, owner in models.Server.objects.values_list("pk", "revision", "owner"):
            around[key] = trusted if owner in _OPERATOR or users.get(owner) else untrusted
            known = self._built.get(key)
            if known is None or known.revision != changed or known.around != around[key]:
                stale.append(key)
        built = {key: self._built[key] for key in around.keys() - set(stale)}
        for keys in _portions(stale, everything=len(stale) == len(around)):
            built |= _build_servers(keys, around)
        self._built = {key: built[key] for key in around if key in built}
        return {key: each.spec for key, each in self._built.items()}


def _surroundings(values: dict[str, Any]) -> tuple[Surroundings, Surroundings]:
    install = values.get("install", {})
    indexes = {}
    if registry := install.get("npmRegistry"):
        indexes["npm_config_registry"] = registry
    if index := install.get("pythonIndexUrl"):
        indexes |= {"UV_DEFAULT_INDEX": index, "PIP_INDEX_URL": index}
    defaults = (indexes, settings.REQUEST_TIMEOUT_MS, settings.INIT_TIMEOUT_MS)
    outer = hub_environment(os.environ, settings.MCPHUB_EXPANDABLE)
    return Surroundings(True, outer, *defaults), Surroundings(False, {}, *defaults)


def _portions(keys: list[uuid.UUID], *, everything: bool) -> Iterable[Collection[uuid.UUID] | None]:
    """Keys in bounded portions; None stands for all rows, which is what a first load asks for."""
    if everything:
        return [None] if keys else []
    return [keys[start : start + _IN] for start in range(0, len(keys), _IN)]


def _build_servers(
    keys: Collection[uuid.UUID] | None, around: dict[uuid.UUID, Surroundings]
) -> dict[uuid.UUID, _Built]:
    rows = models.Server.objects.all() if keys is None else models.Server.objects.filter(pk__in=keys)
    servers = [row for row in rows if row.pk in around]
    items: dict[uuid.UUID, list[Any]] = defaultdict(list)
    listed = _of(models.DiscoveredItem.objects.filter(present=True).order_by("server_id", "kind", "position"), keys)
    for server, *item in listed.values_list("server_id", "kind", "key", "definition", "fingerprint"):
        items[server].append(tuple(item))
    overrides: dict[uuid.UUID, dict[tuple[str, str], tuple[bool, str | None]]] = defaultdict(dict)
    decided = _of(models.ItemOverride.objects.all(), keys)
    for server, kind, key, enabled, description in decided.values_list(
        "server_id", "kind", "key", "enabled", "description"
    ):
        overrides[server][kind, key] = (enabled, description)
    switched_off: dict[uuid.UUID, set[str]] = defaultdict(set)
    for server, username in _of(models.UserSwitch.objects.filter(enabled=False), keys).values_list(
        "server_id", "username"
    ):
        switched_off[server].add(username)
    return {
        row.pk: _Built(
            row.revision,
            around[row.pk],
            specs.spec_of(
                row, Found(items[row.pk], overrides[row.pk], frozenset(switched_off[row.pk])), around[row.pk]
            ),
        )
        for row in servers
    }


def _of(rows: QuerySet[Any], keys: Collection[uuid.UUID] | None) -> QuerySet[Any]:
    return rows if keys is None else rows.filter(server_id__in=keys)


def _groups(names: dict[uuid.UUID, str]) -> dict[str, GroupSpec]:
    members: dict[uuid.UUID, list[models.GroupMember]] = defaultdict(list)
    for row in models.GroupMember.objects.all():
        members[row.group_id].append(row)
    return {str(group.pk): specs.group_spec(group, members[group.pk], names) for group in models.Group.objects.all()}
