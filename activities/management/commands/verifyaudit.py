"""`manage.py verifyaudit`: check the audit's chain of hashes from the first entry to the last."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from activities.audit import first_broken
from activities.models import AuditEntry, AuditHead


class Command(BaseCommand):
    help = "Check that no audit entry was altered, removed or added by other means than the hub's."

    def handle(self, *args: Any, **options: Any) -> None:
        broken = first_broken()
        if broken is None:
            head = AuditHead.objects.filter(pk=1).first()
            self.stdout.write(f"{AuditEntry.objects.count()} entries, all in order. The chain ends in:")
            # Noted down elsewhere, it proves later that nothing before it was replaced, the chain's end included.
            self.stdout.write(head.hash if head else "0" * 64)
        elif broken:
            raise CommandError(f"The audit was tampered with: entry {broken} does not fit the one before it.")
        else:
            raise CommandError("The audit was tampered with: entries are missing at its end.")
