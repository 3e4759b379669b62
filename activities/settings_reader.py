"""The system settings this app obeys. They live in the servers app, above; a setting names what reads them.

Above: retention, alerts, the API. Below: `settings.ACTIVITY_SWITCHES` (the way API_SWITCHES works).
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils.module_loading import import_string


@dataclass(frozen=True, slots=True)
class ActivitySwitches:
    """What `systemConfig.activityLog` and `systemConfig.alerts` say.

    Attributes:
        enabled: calls are recorded. retention_days, retention_calls: 0 keeps everything.
        webhook, webhook_secret: where alerts go, and what signs them; "" sends none.
        down_minutes: how long a server is away before that is told; 0 never tells.
        error_percent, error_calls: the share of failing calls in five minutes that is told, and of how many calls
            at least; 0 percent never tells.
    """

    enabled: bool = True
    retention_days: int = 90
    retention_calls: int = 10_000_000
    webhook: str = ""
    webhook_secret: str = ""
    down_minutes: int = 5
    error_percent: int = 20
    error_calls: int = 20


def switches() -> ActivitySwitches:
    """The switches as stored now."""
    found = import_string(settings.ACTIVITY_SWITCHES)()
    assert isinstance(found, ActivitySwitches)
    return found
