"""The servers app: what exists."""

from __future__ import annotations

from django.apps import AppConfig

from mcphub import changes


class ServersConfig(AppConfig):
    name = "servers"
    verbose_name = "Servers"

    def ready(self) -> None:
        from servers import revision  # noqa: PLC0415 (models can be imported only now)

        changes.witness(revision.witness)
