"""Curation under django-unfold: entries, sources with their health, what could not be used, users' wishes.

The admin translates between forms and actions; it saves nothing itself. Above: Django's admin. Below: `actions`.
"""

from registry.admin.entries import EntryAdmin
from registry.admin.requests import EntryRequestAdmin
from registry.admin.sources import RejectAdmin, SourceAdmin, SyncRunAdmin, VersionAdmin

__all__ = ["EntryAdmin", "EntryRequestAdmin", "RejectAdmin", "SourceAdmin", "SyncRunAdmin", "VersionAdmin"]
