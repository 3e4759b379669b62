"""`manage.py preparehub`: migrations, first admin, import of `MCPHUB_SETTING_PATH`, the shipped catalogue.

`runhub` and `runcluster` do it by themselves; where processes are started one by one, run it before them.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, OutputWrapper
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.actions import ensure_first_admin
from accounts.models import User
from mcphub.actor import HUB
from registry.actions import ensure_sources, load_catalogue
from servers.settings_file import import_settings


class Command(BaseCommand):
    help = "Make the database ready: migrations, first admin, import of MCPHUB_SETTING_PATH, catalogue."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        prepare(self.stdout, self.stderr)


def prepare(out: OutputWrapper, err: OutputWrapper) -> None:
    """See the module. A database that is ready costs a few queries."""
    if pending_migrations():
        call_command("migrate", verbosity=0, interactive=False)
    if (path := settings.MCPHUB_SETTING_PATH) and path.exists() and not User.objects.exists():
        report = import_settings(path)
        out.write(f"Imported {path}: {report.summary()}")
        for line in report.problems:
            err.write(f"  not imported: {line}")
    ensure_sources(actor=HUB)
    load_catalogue(actor=HUB)
    created = ensure_first_admin()
    if created is not None and created.generated:
        out.write(f"First start: sign in as {created.username} with the password {created.password}")
        out.write("It is shown only this once; change it under Settings.")


def pending_migrations() -> bool:
    """Whether the database lacks a migration; asking is much cheaper than running `migrate` at each start."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
