"""Jobs of the hub as a whole. Above: beat. Below: `watch`."""

from __future__ import annotations

from celery import shared_task

from mcphub import watch


@shared_task(name="mcphub.keep_watch")
def keep_watch() -> None:
    """Raise, tell and end alerts."""
    watch.keep_watch()
