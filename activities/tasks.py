"""Jobs of this app: retention, and alerts on their way. Above: beat (`schedule`). Below: `actions`, `alerts`."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from activities import actions, alerts
from activities.settings_reader import switches
from mcphub.actor import HUB

#: Attempts to deliver an alert, over about two hours.
_ATTEMPTS = 10


@shared_task(name="activities.apply_retention")
def apply_retention() -> None:
    """Remove what the settings no longer keep."""
    actions.apply_retention(actor=HUB)


@shared_task(
    name="activities.deliver_alert",
    autoretry_for=(alerts.NotDelivered,),
    retry_backoff=5,
    retry_backoff_max=1800,
    retry_jitter=True,
    max_retries=_ATTEMPTS,
    acks_late=True,
)
def deliver_alert(message: dict[str, Any]) -> None:
    """Post an alert to the webhook as it is set now."""
    found = switches()
    if found.webhook:
        alerts.deliver(message, found.webhook, found.webhook_secret)
