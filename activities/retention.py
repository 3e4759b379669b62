"""Retention: calls and roll-ups that are older than anyone wants, removed in batches that nobody notices.

A batch takes a few milliseconds and is followed by a pause of twice the length, so that whoever wants to write has to
wait for one batch at most; and what reaches the disk late is this module's to wait for, not that of whoever writes next
(`_removing`, `_settle`). Above: `actions`. Below: `models`, `rollups`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from activities.models import CallPayload, CallRecord, CallRollup, Span
from activities.rollups import COARSE_LEVELS, HOURS_KEPT_DAYS, KEPT_DAYS

#: What one batch should take, in seconds, and the bounds of its size in rows.
AIM = 0.01
LEAST, MOST = 100, 2_000
#: How often what was removed is carried over to SQLite's file, in seconds: rarely enough that pages which many batches
#: change are carried once, often enough that it is never left to others (see wal_autocheckpoint in the settings).
SETTLE = 0.2
_DAY = 86_400


def prune_calls(before: int, most: int | None = None) -> int:
    """Remove calls that began before a time (epoch milliseconds), oldest first, at most so many; returns how many."""
    return _in_batches(lambda size: _remove_calls(before, size if most is None else min(size, most)), most)


def excess(keep: int) -> int:
    """How many calls there are beyond a number, as far as the planner of a big database knows."""
    return max(0, _roughly() - keep)


def prune_rollups() -> int:
    """Remove roll-ups that are finer than their age deserves; returns how many."""
    now, removed = int(time.time()), 0
    ages = [(Q(span=span), days) for span, days in KEPT_DAYS.items()]
    for rows, days in [*ages, (Q(span=Span.HOUR) & ~Q(level__in=COARSE_LEVELS), HOURS_KEPT_DAYS)]:
        removed += _remove_all(CallRollup.objects.filter(rows, start__lt=now - days * _DAY))
    return removed


def _remove_calls(before: int, size: int) -> int:
    oldest = CallRecord.objects.filter(started__lt=before).order_by("started").values_list("id", flat=True)[:size]
    with _removing():
        ids = list(oldest)
        if ids:
            # Past the model layer's collector, which would fetch every row to look for what hangs on it.
            CallPayload.objects.filter(call__in=ids)._raw_delete(CallPayload.objects.db)
            CallRecord.objects.filter(id__in=ids)._raw_delete(CallRecord.objects.db)
    return len(ids)


def _remove_all(rows: QuerySet[CallRollup]) -> int:
    """Remove rows, each looked at once: a search that began anew with every batch would wade through what is gone.

    Thousands of keys are read at a time, outside of any transaction, as looking for them takes longer than a batch may.
    """
    removed, last = 0, 0
    while found := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:MOST]):
        last = found[-1]
        removed += _in_batches(lambda size, found=found: _remove(found, size), None)  # type: ignore[misc]
    return removed


def _remove(ids: list[int], size: int) -> int:
    """Remove the first of these roll-ups, from the list as well."""
    batch = ids[:size]
    del ids[:size]
    with _removing():
        CallRollup.objects.filter(pk__in=batch)._raw_delete(CallRollup.objects.db)
    return len(batch)


@contextlib.contextmanager
def _removing() -> Iterator[None]:
    """A transaction that takes nothing from the others' share of the disk.

    PostgreSQL need not have it on disk before going on: what a crash brings back is removed by the next run.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit = off")
        yield


def _settle() -> None:
    """Have SQLite carry over to its file what was removed; else the commit of whoever writes next would wait for it."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _in_batches(remove: Callable[[int], int], most: int | None) -> int:
    removed, size, settled = 0, LEAST, time.monotonic()
    while most is None or removed < most:
        began = time.monotonic()
        count = remove(size if most is None else min(size, most - removed))
        took = time.monotonic() - began
        removed += count
        if time.monotonic() - settled > SETTLE:
            _settle()
            settled = time.monotonic()
        if count < size:
            break
        size = max(LEAST, min(MOST, int(size * min(2.0, AIM / max(took, 0.0005)))))
        time.sleep(2 * max(AIM, took))
    return removed


def _roughly() -> int:
    """The number of calls: counted where that is cheap, else what the database believes."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE relname = %s", [CallRecord._meta.db_table])
            believed = int((cursor.fetchone() or (0,))[0])
        if believed > 1_000_000:
            return believed
    return CallRecord.objects.count()


def cutoff(days: int) -> int:
    """The time so many days ago, epoch milliseconds."""
    return int((timezone.now().timestamp() - days * _DAY) * 1000)


def midnight(moment: int) -> int:
    """The beginning of that day (UTC): whole days of calls are what the roll-ups know."""
    return moment // (_DAY * 1000) * _DAY * 1000
