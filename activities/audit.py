"""The audit: every change that an action made, appended to a chain of hashes inside the action's transaction.

Each entry's hash covers its own content and the hash before it, and one row holds the end of the chain, so an entry
that is altered, removed or added later shows. Registered as a witness of `mcphub.changes`. Below: `models`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from activities.models import AuditEntry, AuditHead
from mcphub.changes import Change
from mcphub.masking import masked

_COVERED = (
    "actor", "via", "key_id", "address", "request",
    "action", "subject", "subject_id", "subject_name", "before", "after",
)  # fmt: skip


@transaction.atomic
def record(change: Change) -> None:
    """Append one change. Part of the action's transaction; secrets are masked."""
    AuditHead.objects.get_or_create(pk=1)
    head = AuditHead.objects.select_for_update().get(pk=1)
    actor = change.actor
    entry = AuditEntry(
        at=timezone.now(),
        actor=actor.username,
        via=actor.via,
        key_id=actor.key_id or "",
        address=actor.address[:64],
        request=actor.request[:128],
        action=change.action,
        subject=change.subject,
        subject_id=change.subject_id,
        subject_name=change.subject_name,
        before=_kept(change.before),
        after=_kept(change.after),
        previous=head.hash,
    )
    entry.hash = hash_of(entry)
    entry.save(force_insert=True)
    head.entries += 1
    head.hash = entry.hash
    head.save()


def hash_of(entry: AuditEntry) -> str:
    """SHA-256 (hex) over an entry's content and the hash before it."""
    content = {name: getattr(entry, name) for name in _COVERED}
    material = [entry.previous, entry.at.isoformat(timespec="microseconds"), content]
    return hashlib.sha256(json.dumps(material, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def first_broken() -> int | None:
    """The id of the first entry that does not fit the chain; 0 where only its end is missing; None where all fits."""
    previous, entries = "0" * 64, 0
    for entry in AuditEntry.objects.order_by("pk").iterator(chunk_size=1000):
        if entry.previous != previous or entry.hash != hash_of(entry):
            return entry.pk
        previous, entries = entry.hash, entries + 1
    head = AuditHead.objects.filter(pk=1).first()
    if head is None:
        return 0 if entries else None
    return None if (head.hash, head.entries) == (previous, entries) else 0


def _kept(members: Mapping[str, Any] | None) -> Any:
    return None if members is None else _plain(masked(members))


def _plain(value: Any) -> Any:
    """JSON that every database gives back as it was: no NUL characters, whole numbers as integers."""
    if isinstance(value, Mapping):
        return {str(name).replace("\0", ""): _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(member) for member in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if value is None or isinstance(value, bool | int):
        return value
    return str(value).replace("\0", "")
