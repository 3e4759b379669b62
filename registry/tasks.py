"""Jobs of the registry, a few lines each: from Celery to what does the work. Above: beat, `queue`. Below: the app."""

from __future__ import annotations

import random

from celery import shared_task
from django.conf import settings

from accounts.models import User
from mcphub.actor import Actor
from registry import supabase
from registry.actions import apply_selection
from registry.models import Source
from registry.sync import passes
from registry.sync.lease import SyncInProgress

#: Schedules of many hubs strike at the same minute; each waits a part of this, in seconds.
JITTER = 300


@shared_task(name="registry.tasks.sync_on_schedule")
def sync_on_schedule(source: str, kind: str = "delta", jitter: int = JITTER) -> None:
    """Beat's own job: queue the synchronisation a little later."""
    wait = random.uniform(0, jitter)  # noqa: S311 (not a secret)
    sync_source.apply_async(kwargs={"source": source, "kind": kind, "asked_by": "schedule"}, countdown=wait)


@shared_task(name="registry.tasks.sync_source")
def sync_source(source: str, kind: str = "delta", asked_by: str = "") -> str:
    """Synchronise one source; nothing where it is switched off, gone, or being synchronised."""
    row = Source.objects.filter(slug=source, kind=Source.Kind.REGISTRY, enabled=True).first()
    if row is None:
        return "off"
    try:
        done = passes.run(row, kind, asked_by=asked_by)
    except SyncInProgress:
        return "busy"
    if settings.SUPABASE_AUTO_SYNC and (done.report.get("added") or done.report.get("changed")):
        push_catalogue.delay()
    return done.state


@shared_task(name="registry.tasks.push_catalogue")
def push_catalogue() -> int:
    """Copy the catalogue to Supabase, where that is configured."""
    return supabase.push().count if supabase.is_configured() else 0


@shared_task(name="registry.tasks.reapply_selection")
def reapply_selection(username: str) -> int:
    """Apply what a user wants switched on again; returns how many servers are on."""
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        return 0
    return len(apply_selection(actor=Actor(user.username, is_admin=user.is_admin, via="hub")).applied)
