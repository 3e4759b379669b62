"""Which call records and audit entries someone may see. Above: models' managers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from mcphub.actor import Viewer

if TYPE_CHECKING:
    from activities.models import AuditEntry, CallRecord  # noqa: F401 (named in strings)


class CallRecordQuerySet(models.QuerySet["CallRecord"]):
    """Call records."""

    def visible_to(self, viewer: Viewer) -> CallRecordQuerySet:
        """Admins see all calls, others their own."""
        if viewer.is_admin:
            return self
        return self.filter(username=viewer.username) if viewer.username else self.none()


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    """Audit entries."""

    def visible_to(self, viewer: Viewer) -> AuditEntryQuerySet:
        """The audit is for admins."""
        return self if viewer.is_admin else self.none()
