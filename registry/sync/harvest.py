"""Stored versions into entries: the second step, which can be repeated at any time, as the raw documents are kept.

Each name has one entry, which stands for its latest version. Entries and edits are read under lock, so an edit that an
admin makes meanwhile comes before or after this, never under it. Above: `passes`. Below: `entries`, `search`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

from django.db import transaction
from django.db.models import Case, IntegerField, Value, When

from registry.documents.reading import Unusable, read
from registry.documents.values import Document
from registry.entries import SYNCED, described, edited_fields, lay, slug_for
from registry.models import Availability, Entry, Source, Status, Tombstone, Version
from registry.search import put
from registry.sync.report import Report

BATCH = 200


def harvest(source: Source, report: Report) -> None:
    """Make or renew the entries of all versions that wait."""
    while _batch(source, report):
        pass


@transaction.atomic
def _batch(source: Source, report: Report) -> bool:
    waiting = list(Version.objects.filter(source=source, pending=True).order_by("id").values_list("pk", "name")[:BATCH])
    if not waiting:
        return False
    names = sorted({name for _, name in waiting})
    stored = Entry.objects.select_for_update().filter(source=source, upstream_name__in=names)
    entries = {entry.upstream_name: entry for entry in stored}
    edited = edited_fields(list(entries.values()))
    removed = set(
        Tombstone.objects.filter(source=source, upstream_name__in=names).values_list("upstream_name", flat=True)
    )
    releases = _releases(source, names)
    touched = []
    for name, version in releases.items():
        document = _document(version, report)
        entry = entries.get(name) or _new(source, name)
        if name not in removed and _renew(entry, version, document, edited.get(entry.pk, ())):
            touched.append(entry)
    _write(touched, source)
    _note_others(waiting, releases.values(), report)
    Version.objects.filter(pk__in=[pk for pk, _ in waiting]).update(pending=False)
    return True


def _releases(source: Source, names: Sequence[str]) -> dict[str, Version]:
    """The version each name's entry stands for: the latest, else the newest that is listed, else the newest."""
    listed = Case(
        When(is_latest=True, then=Value(0)),
        When(availability__in=("active", "deprecated"), then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
    chosen: dict[str, int] = {}
    ranked = Version.objects.filter(source=source, name__in=names).order_by("name", listed, "-published_at", "-pk")
    for name, pk in ranked.values_list("name", "pk"):
        chosen.setdefault(name, pk)
    return {version.name: version for version in Version.objects.filter(pk__in=chosen.values())}


def _document(version: Version, report: Report) -> Document:
    """The version's document; what could not be used of it is noted at the version and in the report."""
    try:
        document = read(json.loads(version.raw).get("server"))
    except (Unusable, RecursionError) as failure:
        document = Document(version.name, version.version, notes=(str(failure),))
    notes = list(document.notes)
    if not document.packages and not document.remotes:
        notes.append("it names no usable package or remote")
    problem = "; ".join(notes)[:2000]
    if problem != version.problem:
        version.problem = problem
        Version.objects.filter(pk=version.pk).update(problem=problem)
    for note in notes:
        report.problem(note, version.name, version.version)
    return document


def _note_others(waiting: Sequence[tuple[int, str]], done: Iterable[Version], report: Report) -> None:
    """Note the problems of the versions that no entry stands for, so that the report is complete."""
    finished = {version.pk for version in done}
    for version in Version.objects.filter(pk__in=[pk for pk, _ in waiting if pk not in finished]):
        _document(version, report)


def _new(source: Source, name: str) -> Entry:
    status = Status.APPROVED if source.approves else Status.DRAFT
    return Entry(source=source, upstream_name=name, published_name=name, status=status)


def _renew(entry: Entry, version: Version, document: Document, edited: Collection[str]) -> bool:
    """Bring an entry up to date; whether anything of it changed."""
    fields = described(document, json.loads(version.raw).get("server") or {})
    transports = list(document.transports)
    state = (entry.upstream, entry.transports, entry.availability, entry.release_id)
    if entry.pk and state == (fields, transports, version.availability, version.pk):
        return False
    lay(entry, fields, edited)
    entry.transports, entry.release = transports, version
    entry.availability = Availability(version.availability)
    return True


def _write(entries: Sequence[Entry], source: Source) -> None:
    fresh = [entry for entry in entries if entry.pk is None]
    known = [entry for entry in entries if entry.pk is not None]
    wanted = [slug_for(entry.upstream_name) for entry in fresh]
    taken = set(Entry.objects.filter(name__in=wanted).values_list("name", flat=True))
    for entry in fresh:
        entry.name = slug_for(entry.upstream_name, taken, source.slug)
        taken.add(entry.name)
    Entry.objects.bulk_create(fresh, batch_size=100)
    Entry.objects.bulk_update(known, SYNCED, batch_size=50)
    put(entries)
