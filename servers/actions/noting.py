"""What the actions on servers share: noting a change so that the snapshot follows. Above: the actions.

The audit's lock is always taken before the revision's, here as for changes of users, so that they cannot cross.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Max, Model, QuerySet

from mcphub.actor import Actor
from mcphub.changes import Change, changed, differences
from servers.config import shown_config
from servers.models import Server
from servers.revision import raise_revision


def note_server(
    action: str, server: Server, actor: Actor, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> None:
    """Record a change of a server and give it the new revision; `before` and `after` in plain, masked here.

    Where both are given and equal, nothing changed and nothing is recorded. (Masked ones would also be equal where
    only a secret changed.)
    """
    if before is not None and after is not None:
        before, after = differences(before, after)
        if not after:
            return
    was, now = (None if members is None else shown_config(members) for members in (before, after))
    changed(Change(f"servers.{action}", actor, "server", str(server.pk), server.name, was, now))
    server.revision = raise_revision()
    Server.objects.filter(pk=server.pk).update(revision=server.revision)


def note(action: str, actor: Actor, subject: str, row: Model, before: Any, after: Any) -> None:
    """Record a change of anything else that clients may notice, unless `before` and `after` are equal."""
    if before is not None and after is not None:
        before, after = differences(before, after)
        if not after:
            return
    changed(Change(f"servers.{action}", actor, subject, str(row.pk), str(row)[:2048], before, after, noticed=True))


def next_position(rows: QuerySet[Any]) -> int:
    """The position after the last."""
    last = rows.aggregate(last=Max("position"))["last"]
    return 0 if last is None else last + 1
