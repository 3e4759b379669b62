"""What the hub offers to install: one row for each server of each source, with its admins' edits on top."""

from __future__ import annotations

import json
from typing import Any

from django.db import models
from django.utils import timezone

from mcphub.fields import EncryptedJSONField
from registry.documents.reading import read
from registry.documents.values import Document
from registry.models.sources import Availability, Source, Version
from registry.querysets import EntryQuerySet


class Category(models.TextChoices):
    """The categories of the registry API."""

    VERSION_CONTROL = "version-control", "Version control"
    INFRASTRUCTURE = "infrastructure", "Infrastructure"
    MONITORING = "monitoring", "Monitoring"
    MESSAGING = "messaging", "Messaging"
    DATABASES = "databases", "Databases"
    CI_CD = "ci-cd", "CI/CD"
    DEVELOPMENT = "development", "Development"
    COMMUNICATION = "communication", "Communication"
    CUSTOM = "custom", "Custom"


class Status(models.TextChoices):
    """What the hub's admins decided: only approved and deprecated entries are shown to users."""

    DRAFT = "draft", "Draft"
    APPROVED = "approved", "Approved"
    HIDDEN = "hidden", "Hidden"
    DEPRECATED = "deprecated", "Deprecated"


class Entry(models.Model):
    """One installable server.

    Attributes:
        name: unique in the hub, usable in a path. upstream_name: its name at the source.
        published_name: its name in the registry that the hub itself serves, with a namespace.
        status: what the admins decided. availability: what the source says.
        self_service: whether users may install it, not only admins.
        upstream: the fields of `EDITABLE` as the source has them now; where an edit exists the column differs.
        release: the mirrored version it stands for; None for entries without a mirror.
        document: packages and remotes in the words of server.json, where there is no release.
        config: a ready server configuration instead of a document, as admins may give one; encrypted.
        examples, author, license, official: what the market shows besides.
    """

    #: Columns that an admin may edit and whose edits outlive a sync.
    EDITABLE = (
        "title", "description", "website", "repository", "icon", "category", "tags", "version", "tools", "tools_count",
        "authentication", "rate_limit", "platforms",
    )  # fmt: skip

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=100, unique=True)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="entries")
    upstream_name = models.CharField(max_length=200)
    published_name = models.CharField(max_length=220, db_index=True, editable=False)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    website = models.CharField(max_length=2000, blank=True, default="")
    repository = models.CharField(max_length=2000, blank=True, default="")
    icon = models.CharField(max_length=300, blank=True, default="")
    category = models.CharField(max_length=20, choices=Category.choices, default=Category.CUSTOM)
    tags = models.JSONField(default=list, blank=True)
    version = models.CharField(max_length=255, blank=True, default="")
    tools = models.JSONField(default=list, blank=True)
    tools_count = models.PositiveIntegerField(default=0)
    authentication = models.JSONField(default=dict, blank=True)
    rate_limit = models.JSONField(default=dict, blank=True)
    platforms = models.JSONField(default=list, blank=True)
    transports = models.JSONField(default=list, blank=True, editable=False)

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    availability = models.CharField(
        max_length=10, choices=Availability.choices, default=Availability.ACTIVE, editable=False
    )
    self_service = models.BooleanField("users may install it", default=False)

    upstream = models.JSONField(default=dict, editable=False)
    release = models.ForeignKey(Version, null=True, editable=False, on_delete=models.SET_NULL, related_name="+")
    document = models.JSONField(default=dict, blank=True)
    config = EncryptedJSONField(default=dict, blank=True)
    author = models.CharField(max_length=200, blank=True, default="")
    license = models.CharField(max_length=100, blank=True, default="")
    official = models.BooleanField(default=False)
    examples = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "entries"
        constraints = [models.UniqueConstraint(fields=["source", "upstream_name"], name="registry_entry_once")]
        indexes = [models.Index(fields=["status", "name"], name="registry_status_name")]

    def __str__(self) -> str:
        return self.title or self.name

    def read(self) -> Document:
        """Its document. Raises `documents.reading.Unusable` where it has none that can be read."""
        if self.release is None:
            return read({"name": self.upstream_name, "version": self.version or "latest", **self.document})
        return read(json.loads(self.release.raw).get("server"))

    def differences(self) -> dict[str, tuple[Any, Any]]:
        """The fields whose edited value differs from the source's: `{field: (edited, source's)}`."""
        edited = {edit.field for edit in self.edits.all()}
        return {
            field: (getattr(self, field), self.upstream.get(field))
            for field in self.EDITABLE
            if field in edited and getattr(self, field) != self.upstream.get(field)
        }


class FieldEdit(models.Model):
    """An admin's value for one field of an entry. While it exists, the source's value is only kept beside it."""

    entry = models.ForeignKey(Entry, on_delete=models.CASCADE, related_name="edits")
    field = models.CharField(max_length=20)
    value = models.JSONField()
    edited_by = models.CharField(max_length=150)
    edited_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entry", "field"], name="registry_edit_once")]

    def __str__(self) -> str:
        return self.field


class Tombstone(models.Model):
    """An entry that an admin removed: its source would bring it back with the next sync."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="tombstones")
    upstream_name = models.CharField(max_length=200)
    removed_by = models.CharField(max_length=150)
    removed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "upstream_name"], name="registry_tombstone_once")]

    def __str__(self) -> str:
        return self.upstream_name


class EntryRequest(models.Model):
    """A user's wish that something be offered: an entry that is no user's to see yet, or a server unknown so far."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"

    username = models.CharField(max_length=150, db_index=True)
    entry = models.ForeignKey(Entry, null=True, blank=True, on_delete=models.SET_NULL, related_name="requests")
    subject = models.CharField(max_length=300)
    reason = models.TextField(blank=True, default="")
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    answer = models.TextField(blank=True, default="")
    decided_by = models.CharField(max_length=150, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["username", "subject"], condition=models.Q(state="open"), name="registry_request_once"
            )
        ]

    def __str__(self) -> str:
        return self.subject
