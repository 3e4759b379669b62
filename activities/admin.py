"""Calls, changes and alerts in the admin: to search and to read, as only the hub writes them."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from activities.models import Alert, AuditEntry, CallRecord
from mcphub.web.backoffice import ReadingAdmin


@admin.register(CallRecord)
class CallRecordAdmin(ReadingAdmin):
    """Calls; the dashboard's Activity page has charts and exports."""

    list_display = ("item", "server", "status", "username", "key_name", "took", "at")
    list_filter = ("status", "method", "door")
    search_fields = ("item__startswith", "server__exact", "username__exact", "id__exact")
    search_help_text = "Beginning of the item's name, or a whole server, user or id."

    @display(description="took", ordering="duration")
    def took(self, call: CallRecord) -> str:
        """In milliseconds."""
        return f"{call.duration:.0f} ms"

    @display(description="when", ordering="started")
    def at(self, call: CallRecord) -> str:
        """The moment, in UTC."""
        return f"{call.started_at:%Y-%m-%d %H:%M:%S}"


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadingAdmin):
    """Changes; `manage.py verifyaudit` proves that none is missing."""

    list_display = ("at", "actor", "via", "action", "subject", "subject_name", "address")
    list_filter = ("subject", "via")
    search_fields = ("actor", "action", "subject_name", "request")


@admin.register(Alert)
class AlertAdmin(ReadingAdmin):
    """What somebody should know, or should have known."""

    list_display = ("kind", "server", "raised_at", "told_at", "ended_at")
    list_filter = ("kind", ("ended_at", admin.EmptyFieldListFilter))
    search_fields = ("server",)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Newest first."""
        return ("-raised_at",)
