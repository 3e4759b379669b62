"""`manage.py exportsettings [FILE]`: write the database as an mcp_settings.json, secrets masked unless asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from servers.settings_file import export_settings


class Command(BaseCommand):
    help = "Export servers, groups, users, keys and settings as an mcp_settings.json."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help="where to; standard output where left out")
        parser.add_argument(
            "--secrets",
            action="store_true",
            help="with secrets in plain, and tokens and passwords as hashes: a backup to be kept safe",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        text = json.dumps(export_settings(secrets=options["secrets"]), indent=2, ensure_ascii=False)
        path: Path | None = options["file"]
        if path is None:
            self.stdout.write(text)
            return
        try:
            # Readable by its owner alone from the first byte on.
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as failure:
            raise CommandError(f"Cannot write {path}: {failure.strerror}.") from None
        path.chmod(0o600)
