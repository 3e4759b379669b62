"""Where entries come from, and the mirror: every document of another registry, kept as it was sent."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from mcphub.fields import EncryptedJSONField
from registry.querysets import VersionQuerySet


class Availability(models.TextChoices):
    """What the source says of a server. `missing`: it was listed once and a full pass did not find it again."""

    ACTIVE = "active", "Active"
    DEPRECATED = "deprecated", "Deprecated"
    DELETED = "deleted", "Deleted"
    MISSING = "missing", "Missing"


class Source(models.Model):
    """A place that entries come from: the shipped catalogue, the admins' own, or a registry that is mirrored.

    Attributes:
        headers: sent with each request, such as Authorization; encrypted.
        approves: whether new entries are approved at once, or wait as drafts.
        pace_ms: least time between the starts of two requests.
        watermark: changes up to here are mirrored.
        alarm: what needs an admin, such as a data reset; "" when all is well.
        reset_accepted: an admin said that the registry's loss is right; the next full pass follows it.
        pass_*: the pass in progress, so that another process can go on where one ended: its number, kind
            (full, delta), start, the `updated_since` it asks with, the cursor of its next page, pages and rows so far.
        holder, held_until: which run works on it now, and until when it may be silent.
    """

    class Kind(models.TextChoices):
        BUILTIN = "builtin", "Built-in catalogue"
        CUSTOM = "custom", "Made here"
        REGISTRY = "registry", "MCP registry"

    slug = models.SlugField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.REGISTRY)
    url = models.URLField("address", max_length=500, blank=True, default="", help_text="Such as https://host/v0.1")
    headers = EncryptedJSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True)
    approves = models.BooleanField("approve new entries at once", default=False)
    pace_ms = models.PositiveIntegerField("least milliseconds between requests", default=200)
    position = models.PositiveIntegerField(default=0)

    watermark = models.DateTimeField(null=True, editable=False)
    pass_number = models.PositiveIntegerField(default=0, editable=False)
    pass_kind = models.CharField(max_length=5, blank=True, default="", editable=False)
    pass_started = models.DateTimeField(null=True, editable=False)
    pass_since = models.DateTimeField(null=True, editable=False)
    pass_cursor = models.TextField(blank=True, default="", editable=False)
    pass_pages = models.PositiveIntegerField(default=0, editable=False)
    pass_rows = models.PositiveIntegerField(default=0, editable=False)
    holder = models.CharField(max_length=200, blank=True, default="", editable=False)
    held_until = models.DateTimeField(null=True, editable=False)

    succeeded_at = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    alarm = models.TextField(blank=True, default="", editable=False)
    reset_accepted = models.BooleanField(default=False, editable=False)

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.name


class Version(models.Model):
    """One published version of a server, as its registry sent it.

    Attributes:
        raw: the list item (`{"server", "_meta"}`), JSON text exactly as received.
        digest: SHA-256 of `raw`, to see a change without comparing.
        is_latest: at most one of a name; may be newer than what `raw` says, as registries change it silently.
        seen: number of the last pass that had it. pending: stored, but its entry is not made from it yet.
        problem: what of the document could not be used, "" when all could.
    """

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="versions")
    name = models.CharField(max_length=200)
    version = models.CharField(max_length=255)
    raw = models.TextField()
    digest = models.CharField(max_length=64)
    availability = models.CharField(max_length=10, choices=Availability.choices, default=Availability.ACTIVE)
    is_latest = models.BooleanField(default=False)
    published_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(null=True)
    seen = models.PositiveIntegerField(default=0)
    pending = models.BooleanField(default=True)
    problem = models.TextField(blank=True, default="")

    objects = VersionQuerySet.as_manager()

    class Meta:
        ordering = ["name", "version"]
        constraints = [
            models.UniqueConstraint(fields=["source", "name", "version"], name="registry_version_once"),
            models.UniqueConstraint(
                fields=["source", "name"], condition=models.Q(is_latest=True), name="registry_one_latest"
            ),
        ]
        indexes = [
            models.Index(fields=["source", "id"], condition=models.Q(pending=True), name="registry_pending"),
            models.Index(fields=["source", "seen"], name="registry_seen"),
            models.Index(fields=["source", "updated_at"], name="registry_updated"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Reject(models.Model):
    """A list item that could not even be stored as a version, kept so that nothing disappears silently."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="rejects")
    digest = models.CharField(max_length=64)
    raw = models.TextField()
    reason = models.TextField()
    first_seen = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-last_seen"]
        constraints = [models.UniqueConstraint(fields=["source", "digest"], name="registry_reject_once")]

    def __str__(self) -> str:
        return self.reason


class SyncRun(models.Model):
    """One synchronisation and its report.

    Attributes:
        resumed: whether it went on with a pass that another run had begun.
        report: counts by word (pages, rows, added, changed, unchanged, unusable, missing, settled), `reasons` (how
            often each problem was met) and `examples` (the first of them with name, version and reason).
    """

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        REFUSED = "refused", "Stopped, as the source looks reset"

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=5)
    state = models.CharField(max_length=8, choices=State.choices, default=State.RUNNING)
    asked_by = models.CharField(max_length=150, blank=True, default="")
    resumed = models.BooleanField(default=False)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    message = models.TextField(blank=True, default="")
    report = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"
