"""A run: a full pass over a registry or a delta since the last one, resumed where another process ended.

Each page is stored, settled and harvested before its cursor is; whoever goes on after a crash repeats one page, which
changes nothing. Nothing is ever deleted: what a full pass does not find is marked missing, and where it finds less
than half of what was known it stops and raises an alarm, as registries do lose their data. Above: jobs, commands.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.utils import timezone

from mcphub.errors import HubError, InvalidInput
from registry.models import Availability, Source, SyncRun, Version
from registry.sync import mirror
from registry.sync.client import Client, Page, Patience, SourceFailed
from registry.sync.harvest import harvest
from registry.sync.lease import Lease, LeaseLost
from registry.sync.report import Report
from registry.sync.rows import Row
from registry.web import Web

logger = logging.getLogger(__name__)

FULL, DELTA = "full", "delta"
#: Taken off the watermark: clocks differ, and rows become visible after the time they carry.
OVERLAP = timedelta(minutes=5)
MOST_PAGES = 5000
#: So many names are asked for their latest version in one run; the next run asks for the rest.
MOST_SETTLED = 2000
#: A full pass with less than this part of what was known is a reset, not a change.
LEAST_PART = 0.5
#: Known names that a delta asks for, to notice a reset long before the next full pass.
PROBES = 3


class LooksReset(HubError):
    """The registry has lost most of what it had; an admin has to say that this is right."""

    code = "source_looks_reset"
    http_status = 502
    sentence = "The registry seems to have lost its data; the mirror keeps what it had."


def run(source: Source, kind: str = DELTA, *, asked_by: str = "", patience: Patience | None = None) -> SyncRun:
    """Synchronise a source and return the run with its report; failures of the registry end in the run, not here.

    Args:
        kind: full or delta. A delta becomes full where there was no full pass yet; a pass that was begun is finished
            first, except that a full one takes the place of a delta.
    Raises `SyncInProgress`, `InvalidInput` (no registry, or switched off).
    """
    if source.kind != Source.Kind.REGISTRY or not source.enabled or not source.url:
        raise InvalidInput(f"{source.name} is no enabled registry.")
    lease = Lease(source)
    try:
        source.refresh_from_db()
        SyncRun.objects.filter(source=source, state=SyncRun.State.RUNNING).update(
            state=SyncRun.State.FAILED, finished_at=timezone.now(), message="The process ended without a word."
        )
        resumed = _begin(source, kind, lease)
        entry = SyncRun.objects.create(source=source, kind=source.pass_kind, asked_by=asked_by, resumed=resumed)
        with Web(source.headers) as web:
            return _Pass(source, entry, lease, web, patience or Patience()).run()
    finally:
        lease.give_back()


def _begin(source: Source, kind: str, lease: Lease) -> bool:
    """Begin a pass, or go on with the one that was begun; whether it was."""
    if kind not in (FULL, DELTA):
        raise InvalidInput("A run is full or delta.")
    wanted = FULL if source.watermark is None else kind
    if source.pass_kind and not (wanted == FULL and source.pass_kind == DELTA):
        return True
    source.pass_kind, source.pass_number = wanted, source.pass_number + 1
    source.pass_started = timezone.now()
    source.pass_since = source.watermark if wanted == DELTA else None
    source.pass_cursor, source.pass_pages, source.pass_rows = "", 0, 0
    fields = ("pass_kind", "pass_number", "pass_started", "pass_since", "pass_cursor", "pass_pages", "pass_rows")
    lease.keep(**{name: getattr(source, name) for name in fields})
    return False


class _Pass:
    """One run over one source, while its lease is held."""

    def __init__(self, source: Source, entry: SyncRun, lease: Lease, web: Web, patience: Patience) -> None:
        self._source = source
        self._entry = entry
        self._lease = lease
        self._client = Client(web, source.url, source.pace_ms / 1000, patience, lambda seconds: lease.keep())
        self._report = Report()
        self._cursors: set[str] = set()

    def run(self) -> SyncRun:
        try:
            harvest(self._source, self._report)
            self._pages()
            self._finish()
        except LeaseLost:
            self._end(SyncRun.State.FAILED, "Another process took over.")
        except LooksReset as reset:
            self._lease.keep(pass_kind="", pass_cursor="", alarm=reset.message)
            self._end(SyncRun.State.REFUSED, reset.message)
        except HubError as failure:
            self._lease.keep(failures=self._source.failures + 1)
            self._end(SyncRun.State.FAILED, failure.message)
        except Exception as failure:
            self._end(SyncRun.State.FAILED, f"The hub failed ({type(failure).__name__}); its log says more.")
            raise
        return self._entry

    def _pages(self) -> None:
        source = self._source
        while True:
            page = self._client.page(source.pass_cursor, source.pass_since)
            mirror.store(source, page.rows, self._report)
            if source.pass_kind == DELTA:
                self._settle(_unsettled(page))
            harvest(source, self._report)
            self._report.counts["pages"] += 1
            source.pass_pages += 1
            source.pass_rows += len(page.rows)
            if page.cursor in self._cursors or source.pass_pages > MOST_PAGES:
                raise SourceFailed("The registry's list does not end.")
            self._cursors.add(page.cursor)
            source.pass_cursor = page.cursor
            if not page.cursor:
                return
            self._save()

    def _save(self) -> None:
        source = self._source
        self._lease.keep(pass_cursor=source.pass_cursor, pass_pages=source.pass_pages, pass_rows=source.pass_rows)
        self._entry.report = self._report.told()
        self._entry.save(update_fields=["report"])

    def _finish(self) -> None:
        source = self._source
        if source.pass_kind == FULL:
            known, found = mirror.known(source), self._found()
            if found < known * LEAST_PART and not source.reset_accepted:
                raise LooksReset(
                    f"A full pass found {found} of {known} known versions. The registry seems to have lost its data; "
                    "the mirror keeps what it had."
                )
            self._report.counts["missing"] = mirror.mark_missing(source)
            self._settle(mirror.without_latest(source))
            harvest(source, self._report)
        elif self._has_forgotten():
            raise LooksReset("The registry no longer knows servers that it had; a full pass should tell more.")
        assert source.pass_started is not None
        source.watermark = source.pass_started - OVERLAP
        self._lease.keep(
            watermark=source.watermark, succeeded_at=timezone.now(), failures=0, alarm="", reset_accepted=False,
            pass_kind="", pass_cursor="",
        )  # fmt: skip
        self._end(SyncRun.State.DONE, "")

    def _found(self) -> int:
        """Versions that this pass, in all its runs, has seen."""
        return Version.objects.filter(source=self._source, seen=self._source.pass_number).count()

    def _settle(self, names: list[str]) -> None:
        """Find out the latest version of names where the list left it open."""
        for name in names[:MOST_SETTLED]:
            versions = list(Version.objects.filter(source=self._source, name=name))
            if any('"isLatest"' in one.raw or '"is_latest"' in one.raw for one in versions):
                row = self._client.latest(name)
                if row is not None:
                    mirror.store(self._source, [row], Report())
                mirror.promote(self._source, row.version if row else None, name)
            elif chosen := mirror.latest_by_rule(versions):
                mirror.promote(self._source, chosen.version, name)
            self._report.counts["settled"] += 1

    def _has_forgotten(self) -> bool:
        """Whether the registry knows none of some servers it listed before, the newest of them."""
        listed = Version.objects.filter(source=self._source, is_latest=True)
        listed = listed.filter(availability__in=(Availability.ACTIVE, Availability.DEPRECATED))
        names = list(listed.order_by("-published_at", "-pk").values_list("name", flat=True)[:PROBES])
        return bool(names) and all(self._client.latest(name) is None for name in names)

    def _end(self, state: SyncRun.State, message: str) -> None:
        self._entry.state, self._entry.message = state, message
        self._entry.finished_at, self._entry.report = timezone.now(), self._report.told()
        self._entry.save()
        if message:
            logger.warning("Sync of %s: %s", self._source.name, message)


def _unsettled(page: Page) -> list[str]:
    """Names of a delta's page of which no row is both listed and the latest: the flag went elsewhere, silently."""
    rows = [row for row in page.rows if isinstance(row, Row)]
    settled = {row.name for row in rows if row.is_latest and row.availability != Availability.DELETED}
    return sorted({row.name for row in rows} - settled)
