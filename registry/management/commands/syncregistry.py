"""`manage.py syncregistry [SOURCE]`: synchronise registries now and print the report."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mcphub.errors import HubError
from registry.models import Source, SyncRun
from registry.sync.passes import DELTA, FULL, run


class Command(BaseCommand):
    help = "Synchronise one source, or all enabled registries, and print what was done."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", nargs="?", help="slug of the source; all registries where left out")
        parser.add_argument("--full", action="store_true", help="read everything again, not only changes")

    def handle(self, *args: Any, **options: Any) -> None:
        sources = Source.objects.filter(kind=Source.Kind.REGISTRY, enabled=True)
        if options["source"]:
            sources = Source.objects.filter(slug=options["source"])
        if not sources:
            raise CommandError("There is no such source.")
        failed = False
        for source in sources:
            try:
                done = run(source, FULL if options["full"] else DELTA, asked_by="command line")
            except HubError as refusal:
                raise CommandError(f"{source.name}: {refusal.message}") from None
            told = {
                "source": source.slug,
                "kind": done.kind,
                "state": done.state,
                "message": done.message,
                **done.report,
            }
            self.stdout.write(json.dumps(told))
            failed |= done.state != SyncRun.State.DONE
        if failed:
            raise CommandError("Not every source could be synchronised.")
