"""`manage.py reindexregistry`: make the search index again from the entries."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction

from registry.search import rebuild


class Command(BaseCommand):
    help = "Make the registry's search index again."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            count = rebuild()
        self.stdout.write(f"{count} entries are indexed.")
