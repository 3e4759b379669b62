"""What people and the hub do to the records of what happened: remove old calls, clear the log.

Above: the API, `tasks`. Below: `retention`, `logs`, the audit's witness.
"""

from __future__ import annotations

from datetime import UTC, datetime

from activities import retention
from activities.logs import logbook
from activities.settings_reader import switches
from mcphub.actor import Actor
from mcphub.bus import LogCleared
from mcphub.changes import Change, announce, changed


def clean_up_calls(days: int, *, actor: Actor) -> tuple[int, datetime]:
    """Remove the calls that are older than so many days; returns how many, and the moment before which.

    Not one transaction, on purpose: a million rows in one would keep everybody else from writing.
    """
    before = retention.cutoff(days)
    removed = retention.prune_calls(before)
    moment = datetime.fromtimestamp(before / 1000, UTC)
    changed(
        Change(
            action="activities.clean_up_calls",
            actor=actor,
            subject="activities",
            after={"removed": removed, "before": moment.isoformat(), "days": days},
        )
    )
    return removed, moment


def apply_retention(*, actor: Actor) -> int:
    """Remove what the settings no longer keep; returns how many calls. Audited where it removed any."""
    kept = switches()
    removed = 0
    if kept.retention_days:
        removed += retention.prune_calls(retention.midnight(retention.cutoff(kept.retention_days)))
    if kept.retention_calls and (excess := retention.excess(kept.retention_calls)):
        removed += retention.prune_calls(retention.cutoff(0), excess)
    retention.prune_rollups()
    if removed:
        changed(
            Change(action="activities.apply_retention", actor=actor, subject="activities", after={"removed": removed})
        )
    return removed


def clear_log(*, actor: Actor) -> None:
    """Forget the lines in the log books of all processes."""
    logbook().clear()
    changed(Change(action="activities.clear_log", actor=actor, subject="log"))
    announce(LogCleared())
