"""What every action of this app says about itself. Above: the actions. Below: `mcphub.changes`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from mcphub.actor import Actor
from mcphub.changes import Change, changed
from registry import queue


def note(
    action: str,
    actor: Actor,
    subject: str,
    name: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Tell the audit. `subject` is entry, source, request or selection."""
    changed(
        Change(
            f"registry.{action}", actor, subject, subject_id=name[:64], subject_name=name, before=before, after=after
        )
    )


def catalogue_changed() -> None:
    """After each change of what is offered: a copy elsewhere follows, where that is wanted."""
    if settings.SUPABASE_AUTO_SYNC:
        queue.later("registry.tasks.push_catalogue")
