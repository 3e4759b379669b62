"""List items into versions, page by page, and which version of a name is the latest.

Registries change `isLatest` of a row without touching its time, so what a row says counts only until a newer one of
its name says otherwise; a database constraint holds that no name has two. Above: `passes`. Below: `rows`, `models`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.utils import timezone

from registry.documents.versions import order_of
from registry.models import Availability, Reject, Source, Version
from registry.sync.report import Report
from registry.sync.rows import Rejected, Row

_UPDATED = ["raw", "digest", "availability", "is_latest", "published_at", "updated_at", "seen", "pending"]


@transaction.atomic
def store(source: Source, rows: Iterable[Row | Rejected], report: Report) -> None:
    """Store one page. Storing it twice changes nothing."""
    items = list(rows)
    _reject(source, [item for item in items if isinstance(item, Rejected)], report)
    # A page may name a version twice; the last one counts, as it would on two pages.
    wanted = {(row.name, row.version): row for row in items if isinstance(row, Row)}
    stored = {
        (version.name, version.version): version
        for version in Version.objects.filter(source=source, name__in={name for name, _ in wanted}).defer("raw")
    }
    added: list[Version] = []
    changed: list[Version] = []
    same: list[int] = []
    for key, row in wanted.items():
        version = stored.get(key)
        if version is None:
            added.append(_filled(Version(source=source, name=row.name, version=row.version), row, source))
        elif _differs(version, row):
            changed.append(_filled(version, row, source))
        else:
            same.append(version.pk)
    _demote(source, [row for row in wanted.values() if row.is_latest])
    Version.objects.bulk_create(added, batch_size=100)
    Version.objects.bulk_update(changed, _UPDATED, batch_size=100)
    Version.objects.filter(pk__in=same).update(seen=source.pass_number)
    report.counts.update(rows=len(items), added=len(added), changed=len(changed), unchanged=len(same))


@transaction.atomic
def promote(source: Source, version: str | None, name: str) -> None:
    """Make this version the latest of its name, or no listed one where the registry has none."""
    latest = Version.objects.filter(source=source, name=name, is_latest=True)
    if version is None:
        latest.exclude(availability=Availability.DELETED).update(is_latest=False, pending=True)
        return
    latest.exclude(version=version).update(is_latest=False)
    chosen = Version.objects.filter(source=source, name=name, version=version)
    chosen.filter(is_latest=False).update(is_latest=True, pending=True)


def without_latest(source: Source) -> list[str]:
    """Names that have listed versions and none that is the latest."""
    listed = Version.objects.filter(source=source, availability__in=("active", "deprecated"))
    settled = Version.objects.filter(source=source, is_latest=True).values("name")
    return list(listed.exclude(name__in=settled).values_list("name", flat=True).distinct().order_by("name"))


def latest_by_rule(versions: Sequence[Version]) -> Version | None:
    """The latest by the official rule, for registries that do not say: by semantic order, else by publication."""
    listed = [one for one in versions if one.availability in ("active", "deprecated")]
    if not listed:
        return None
    orders = [order_of(one.version) for one in listed]
    known = [(order, one) for order, one in zip(orders, listed, strict=True) if order is not None]
    if len(known) == len(listed):
        return max(known, key=lambda pair: pair[0])[1]
    return max(listed, key=lambda one: (one.published_at is not None, one.published_at, one.pk))


def mark_missing(source: Source) -> int:
    """Mark what the full pass that just ended did not have. Nothing is deleted: a registry may lose its data."""
    unseen = Version.objects.filter(source=source, seen__lt=source.pass_number)
    unseen = unseen.exclude(availability__in=(Availability.MISSING, Availability.DELETED))
    return unseen.update(availability=Availability.MISSING, is_latest=False, pending=True)


def known(source: Source) -> int:
    """How many versions the registry is known to have."""
    return Version.objects.filter(source=source).exclude(availability=Availability.MISSING).count()


def _differs(version: Version, row: Row) -> bool:
    flag = version.is_latest if row.is_latest is None else row.is_latest
    return (version.digest, version.availability, version.is_latest) != (row.digest, row.availability, flag)


def _filled(version: Version, row: Row, source: Source) -> Version:
    version.raw, version.digest, version.availability = row.raw, row.digest, row.availability
    version.published_at, version.updated_at = row.published, row.updated
    version.is_latest = version.is_latest if row.is_latest is None else row.is_latest
    version.seen, version.pending = source.pass_number, True
    return version


def _demote(source: Source, latest: Sequence[Row]) -> None:
    """Take the flag from every other version of these names; their entries follow with the page's own rows."""
    chosen = {row.name: row.version for row in latest}
    flagged = Version.objects.filter(source=source, name__in=chosen, is_latest=True).only("pk", "name", "version")
    stale = [one.pk for one in flagged if one.version != chosen[one.name]]
    Version.objects.filter(pk__in=stale).update(is_latest=False, pending=True)


def _reject(source: Source, rejected: Sequence[Rejected], report: Report) -> None:
    now = timezone.now()
    for item in rejected:
        report.problem(item.reason)
    Reject.objects.bulk_create(
        [
            Reject(source=source, digest=item.digest, raw=item.raw, reason=item.reason[:1000], last_seen=now)
            for item in {item.digest: item for item in rejected}.values()
        ],
        update_conflicts=True,
        unique_fields=["source", "digest"],
        update_fields=["reason", "last_seen"],
    )
