"""Which entries and versions someone may see: the only way to fetch them for a person. Above: models' managers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from mcphub.actor import Viewer

if TYPE_CHECKING:
    from registry.models import Entry, Version  # noqa: F401 (in the strings below)


class EntryQuerySet(models.QuerySet["Entry"]):
    """Entries."""

    def offered(self) -> EntryQuerySet:
        """What users see: approved or deprecated by the admins, and not withdrawn by the source."""
        return self.filter(status__in=("approved", "deprecated")).exclude(availability="deleted")

    def visible_to(self, viewer: Viewer | None) -> EntryQuerySet:
        """Everything for admins, else what is offered."""
        return self if viewer is not None and viewer.is_admin else self.offered()

    def installable_by(self, viewer: Viewer | None) -> EntryQuerySet:
        """What the viewer may install: admins what is offered, users what of that is self-service."""
        offered = self.offered()
        return offered if viewer is not None and viewer.is_admin else offered.filter(self_service=True)


class VersionQuerySet(models.QuerySet["Version"]):
    """Mirrored versions, in the order of the registry API: by name, then version."""

    def listed(self, *, deleted: bool = False) -> VersionQuerySet:
        """What a list has: everything but deleted versions, those too where asked for."""
        return self if deleted else self.exclude(availability="deleted")

    def after(self, name: str, version: str) -> VersionQuerySet:
        """What comes after a place in the list."""
        # The first condition alone is an index range; the second cuts off its beginning.
        return self.filter(Q(name__gte=name) & (Q(name__gt=name) | Q(version__gt=version)))
