"""`manage.py importsettings FILE`: take an mcp_settings.json into the database, and say what could not be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mcphub.errors import HubError
from servers.settings_file import import_settings


class Command(BaseCommand):
    help = "Import an mcp_settings.json; what exists already is left alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = import_settings(options["file"])
        except HubError as refused:
            raise CommandError(refused.message) from None
        self.stdout.write(f"Imported {options['file']}: {report.summary()}")
        for problem in report.problems:
            self.stderr.write(f"  not imported: {problem}")
