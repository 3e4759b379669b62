"""`manage.py rebuildrollups`: sum up all stored calls anew, for instance after rows were loaded by other means."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction
from django.db.models import Max, Min

from activities import rollups
from activities.models import CallRecord, CallRollup, Span
from activities.retention import prune_rollups

_DAY_MS = Span.DAY * 1000


class Command(BaseCommand):
    help = "Sum up all stored calls anew. Sums over calls that were pruned are lost."

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            self._rebuild()
        with connection.cursor() as cursor:
            # The database's planner knows nothing yet of so many rows, and would search for old ones the long way.
            cursor.execute(f"ANALYZE {CallRollup._meta.db_table}")
        prune_rollups()
        self.stdout.write(f"{CallRollup.objects.count()} rows.")

    def _rebuild(self) -> None:
        CallRollup.objects.all()._raw_delete(CallRollup.objects.db)
        bounds = CallRecord.objects.aggregate(first=Min("started"), last=Max("started"))
        if bounds["first"] is not None:
            for day in range(bounds["first"] // _DAY_MS * _DAY_MS, bounds["last"] + 1, _DAY_MS):
                self._sum_up(day)

    def _sum_up(self, day: int) -> None:
        age = (time.time() * 1000 - day) / _DAY_MS
        spans = [span.value for span, days in rollups.KEPT_DAYS.items() if days >= age - 1]
        table = CallRecord._meta.db_table
        rows = f"SELECT * FROM {table} WHERE started >= {day} AND started < {day + _DAY_MS}"  # noqa: S608 (names of ours)
        rollups.add(rows, [], spans)
