"""What could be installed, from where it is known, and what became of it. Written by actions, sync and index only.

    sources     Source, Version, Reject, SyncRun: the mirror of other registries, as they sent it
    entries     Entry, FieldEdit, Tombstone, EntryRequest: what the hub offers, curated by its admins
    search      SearchRow: what searches filter by
    installs    Installation, UserSelection: servers made from entries, and each user's choice of them

Above: the app. Below: `querysets`, `servers`, the project's seams.
"""

from registry.models.entries import Category, Entry, EntryRequest, FieldEdit, Status, Tombstone
from registry.models.installs import Installation, UserSelection
from registry.models.search import SearchRow
from registry.models.sources import Availability, Reject, Source, SyncRun, Version

__all__ = [
    "Availability",
    "Category",
    "Entry",
    "EntryRequest",
    "FieldEdit",
    "Installation",
    "Reject",
    "SearchRow",
    "Source",
    "Status",
    "SyncRun",
    "Tombstone",
    "UserSelection",
    "Version",
]
