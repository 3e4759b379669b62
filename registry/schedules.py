"""When sources are synchronised: rows of django-celery-beat, made once and then the admins' to change.

Above: `actions`. Below: django-celery-beat.
"""

from __future__ import annotations

import json

from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from registry.models import Source

_TASK = "registry.tasks.sync_on_schedule"


def ensure(source: Source) -> None:
    """Make the schedules of a source where they are missing: changes every hour, everything once a week."""
    if source.kind != Source.Kind.REGISTRY:
        return
    hourly, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.HOURS)
    weekly, _ = CrontabSchedule.objects.get_or_create(minute="17", hour="3", day_of_week="0", timezone="UTC")
    for kind, schedule in (("delta", {"interval": hourly}), ("full", {"crontab": weekly})):
        PeriodicTask.objects.get_or_create(
            name=_name(source.slug, kind),
            defaults={
                "task": _TASK,
                "kwargs": json.dumps({"source": source.slug, "kind": kind}),
                "description": "Reads what changed." if kind == "delta" else "Reads everything again, as a repair.",
                **schedule,
            },
        )


def ensure_copy() -> None:
    """Make the schedule of the copy in Supabase: once a day; it does nothing where Supabase is not configured."""
    nightly, _ = CrontabSchedule.objects.get_or_create(minute="41", hour="4", timezone="UTC")
    PeriodicTask.objects.get_or_create(
        name="Registry: copy to Supabase", defaults={"task": "registry.tasks.push_catalogue", "crontab": nightly}
    )


def remove(slug: str) -> None:
    """Remove the schedules of a source that is gone."""
    for task in PeriodicTask.objects.filter(name__in=[_name(slug, kind) for kind in ("delta", "full")]):
        # One by one: the beat scheduler learns of a deletion from the model's own delete.
        task.delete()


def of(source: Source) -> list[PeriodicTask]:
    """The schedules of a source."""
    return list(PeriodicTask.objects.filter(name__in=[_name(source.slug, kind) for kind in ("delta", "full")]))


def _name(slug: str, kind: str) -> str:
    return f"Registry: {'changes' if kind == 'delta' else 'all'} of {slug}"
