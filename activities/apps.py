"""The activities app: what happened."""

from __future__ import annotations

from django.apps import AppConfig

from mcphub import changes


class ActivitiesConfig(AppConfig):
    name = "activities"
    verbose_name = "Activities"

    def ready(self) -> None:
        from activities import audit  # noqa: PLC0415 (models can be imported only now)

        changes.witness(audit.record)
