"""The project as a Django app: home of the management commands and the system checks."""

from __future__ import annotations

from django.apps import AppConfig


class HubConfig(AppConfig):
    name = "mcphub"
    verbose_name = "Hub"

    def ready(self) -> None:
        from mcphub import checks  # noqa: F401, PLC0415 (registers itself; needs the settings to be complete)
