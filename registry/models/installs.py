"""Servers made from entries, and what each user wants switched on.

The switches themselves are `servers.models.UserSwitch`, as the data plane obeys them. Below: `entries`, `servers`.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from registry.models.entries import Entry
from servers.models import Server


class Installation(models.Model):
    """A server that was made from an entry. It outlives the entry.

    Attributes:
        entry_name: kept for when the entry is gone. version: of the entry when it was installed.
        way: which of its ways was taken, such as `npx:@scope/name`.
    """

    server = models.OneToOneField(Server, on_delete=models.CASCADE, related_name="installation")
    entry = models.ForeignKey(Entry, null=True, on_delete=models.SET_NULL, related_name="installations")
    entry_name = models.CharField(max_length=100)
    version = models.CharField(max_length=255, blank=True, default="")
    way = models.CharField(max_length=600, blank=True, default="")
    installed_by = models.CharField(max_length=150)
    installed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-installed_at"]

    def __str__(self) -> str:
        return f"{self.entry_name} {self.version}".strip()


class UserSelection(models.Model):
    """What a user wants switched on, on every device; `version` counts its changes, for optimistic locking."""

    username = models.CharField(max_length=150, unique=True)
    servers = models.JSONField(default=list)
    packs = models.JSONField(default=list)
    version = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.username
