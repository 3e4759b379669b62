"""`manage.py loadcatalogue`: load the shipped catalogue; admins' edits stay. Repeating it changes nothing."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from mcphub.actor import COMMAND
from registry.actions import ensure_sources, load_catalogue


class Command(BaseCommand):
    help = "Load the built-in catalogue and make the official registry's source."

    def handle(self, *args: Any, **options: Any) -> None:
        ensure_sources(actor=COMMAND)
        self.stdout.write(f"{load_catalogue(actor=COMMAND)} entries are new or changed.")
