"""What every action says about itself: the change, to its witnesses; and facts, to the bus, once it is committed.

An action knows its own app and those below. The audit and the snapshot's revision live above some of them, so they
register here as witnesses (in `AppConfig.ready`) and are told of each change inside its transaction: either all of it
is stored or nothing. Witnesses are asked in the order of INSTALLED_APPS, always, so their row locks cannot cross.
Above: every `actions.py`. Below: `bus`, `actor`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, models, transaction

from mcphub.actor import Actor
from mcphub.bus import Bus, Fact, MemoryBus, RedisBus
from mcphub.errors import Conflict


@dataclass(frozen=True, slots=True)
class Change:
    """One change of state.

    Attributes:
        action: its name with its app, such as `servers.change_server`.
        subject: the kind of thing (server, group, user, key …), which one, and what people call it.
        before, after: the members that changed (masked again by the audit); None where there was or is nothing.
        noticed: whether AI clients may see something else from now on; raises the snapshot's revision.
    """

    action: str
    actor: Actor
    subject: str
    subject_id: str = ""
    subject_name: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    noticed: bool = False


Witness = Callable[[Change], None]
_witnesses: list[Witness] = []


def witness(hear: Witness) -> None:
    """Have a function told of every change, inside its transaction. Called once per process, from `AppConfig.ready`."""
    if hear not in _witnesses:
        _witnesses.append(hear)


def changed(change: Change) -> None:
    """Tell the witnesses. The last line of every action, inside its transaction."""
    for hear in _witnesses:
        hear(change)


def insert(row: models.Model) -> None:
    """Store a new row. Raises `Conflict` where its id or another unique value is taken, if only since the check."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise Conflict() from None


def announce(fact: Fact) -> None:
    """Publish a fact when the present transaction is committed (at once where there is none)."""
    transaction.on_commit(functools.partial(bus().publish, fact))


@functools.cache
def bus() -> Bus:
    """The process's bus: between processes where Redis is configured, within this one otherwise."""
    return RedisBus(settings.REDIS_URL) if settings.REDIS_URL else MemoryBus()


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The members whose values differ, as they were and as they are."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}
