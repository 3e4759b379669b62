"""What happened: calls, their sums, and who changed what. Written by `sink`, `audit` and the app's jobs only.

Calls come by the million: their ids are the calls' own, so that a batch which is stored twice counts once; times are
epoch milliseconds, so that buckets are a division and indexes stay small; payloads lie apart, so that lists and sums
never read past them. Above: the app, `servers`, `registry`. Below: `querysets`, the project's seams.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.utils import timezone

from activities import histogram
from activities.querysets import AuditEntryQuerySet, CallRecordQuerySet


class CallRecord(models.Model):
    """One tools/call, prompts/get or resources/read; the members of `gateway.calls.CallRecord` without payloads.

    Attributes:
        started: epoch milliseconds. duration: milliseconds.
        server: its name at the time, "" where the call led nowhere. item: name or URI as at the upstream.
        status: ok, error (JSON-RPC error), tool_error (the tool said so), cancelled, refused.
        username, key_id, key_name, group: "" where there was none; keys without a user act as "system".
    """

    class Status(models.TextChoices):
        OK = "ok", "OK"
        ERROR = "error", "Error"
        TOOL_ERROR = "tool_error", "Tool error"
        CANCELLED = "cancelled", "Cancelled"
        REFUSED = "refused", "Refused"

    id = models.CharField(primary_key=True, max_length=64)
    started = models.BigIntegerField()
    duration = models.FloatField()
    method = models.CharField(max_length=32)
    server = models.CharField(max_length=255, blank=True, default="")
    item = models.CharField(max_length=512, blank=True, default="")
    status = models.CharField(max_length=10, choices=Status.choices)
    door = models.CharField(max_length=8, default="mcp")
    route = models.CharField(max_length=512, blank=True, default="")
    group = models.CharField(max_length=255, blank=True, default="")
    principal = models.CharField(max_length=200, blank=True, default="")
    username = models.CharField(max_length=150, blank=True, default="")
    key_id = models.CharField(max_length=36, blank=True, default="")
    key_name = models.CharField(max_length=200, blank=True, default="")
    address = models.CharField(max_length=64, blank=True, default="")
    request_size = models.PositiveBigIntegerField(default=0)
    response_size = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True, default="")
    error_code = models.IntegerField(null=True)
    trace = models.JSONField(null=True)

    objects = CallRecordQuerySet.as_manager()

    class Meta:
        ordering = ["-started", "-id"]
        # Every list is newest first within what is filtered for, so each index ends in the time.
        indexes = [
            models.Index(fields=["started"], name="calls_time"),
            models.Index(fields=["server", "started"], name="calls_server_time"),
            models.Index(fields=["username", "started"], name="calls_user_time"),
            models.Index(fields=["key_id", "started"], name="calls_key_time"),
            models.Index(fields=["item", "started"], name="calls_item_time"),
            models.Index(fields=["started"], name="calls_failed", condition=~models.Q(status="ok")),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.item}"

    @property
    def started_at(self) -> datetime:
        """`started` as a moment."""
        return datetime.fromtimestamp(self.started / 1000, UTC)


class CallPayload(models.Model):
    """What went in and came out of a call, where the setting stores it: masked JSON texts, cut at a limit."""

    call = models.OneToOneField(
        CallRecord, primary_key=True, on_delete=models.CASCADE, related_name="payload", db_constraint=False
    )
    input = models.TextField(null=True)  # noqa: DJ001 (None: not stored)
    output = models.TextField(null=True)  # noqa: DJ001

    def __str__(self) -> str:
        return str(self.call_id)


class Level(models.IntegerChoices):
    """Which members of a call a roll-up row keeps apart; the others are "" in it."""

    ALL = 0, "Everything"
    SERVER = 1, "By server"
    TOOL = 2, "By server and item"
    USER = 3, "By user"
    KEY = 4, "By user and key"
    GROUP = 5, "By user and group"
    FULL = 6, "By everything"


class Span(models.IntegerChoices):
    """Lengths of buckets, in seconds. Months (of 30 days) only tell which names there are."""

    MINUTE = 60, "Minute"
    HOUR = 3600, "Hour"
    DAY = 86_400, "Day"
    MONTH = 2_592_000, "Month"


class CallRollup(models.Model):
    """Sums over the calls of one bucket of time, at one level of detail. Written together with the calls.

    The columns `bin_0` and so on count the calls by duration (`activities.histogram`).

    Attributes:
        start: the bucket's beginning, epoch seconds.
        errors: calls that failed; cancelled ones are counted apart.
        duration: the calls' sum in milliseconds; failed_duration: that of those which did not succeed; slowest: the
            longest.
    """

    id = models.BigAutoField(primary_key=True)
    span = models.PositiveIntegerField(choices=Span.choices)
    level = models.PositiveSmallIntegerField(choices=Level.choices)
    start = models.BigIntegerField()
    server = models.CharField(max_length=255, blank=True, default="")
    item = models.CharField(max_length=512, blank=True, default="")
    group = models.CharField(max_length=255, blank=True, default="")
    username = models.CharField(max_length=150, blank=True, default="")
    key_id = models.CharField(max_length=36, blank=True, default="")
    key_name = models.CharField(max_length=200, blank=True, default="")
    calls = models.PositiveBigIntegerField(default=0)
    errors = models.PositiveBigIntegerField(default=0)
    cancelled = models.PositiveBigIntegerField(default=0)
    duration = models.FloatField(default=0.0)
    failed_duration = models.FloatField(default=0.0)
    slowest = models.FloatField(default=0.0)
    request_bytes = models.PositiveBigIntegerField(default=0)
    response_bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            # In this order the index finds the rows of one user, or of all, within a time.
            models.UniqueConstraint(
                fields=["span", "level", "username", "start", "key_id", "server", "item", "group"],
                name="rollup_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.start}+{self.span}"


for _column in histogram.COLUMNS:
    CallRollup.add_to_class(_column, models.PositiveIntegerField(default=0))


class AuditEntry(models.Model):
    """One change: who did what to what. Append-only; each entry's hash covers the one before it.

    Attributes:
        action: the action's name with its app, such as `servers.change_server`.
        subject: kind of thing changed (server, group, key, user, settings …); subject_id, subject_name: which one.
        before, after: what changed, secrets masked; None where there was nothing before or is nothing after.
        previous, hash: SHA-256 in hex; see `activities.audit`.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=150)
    via = models.CharField(max_length=8)
    key_id = models.CharField(max_length=36, blank=True, default="")
    address = models.CharField(max_length=64, blank=True, default="")
    request = models.CharField(max_length=128, blank=True, default="")
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=32)
    subject_id = models.CharField(max_length=64, blank=True, default="")
    subject_name = models.CharField(max_length=2048, blank=True, default="")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["at"], name="audit_time"),
            models.Index(fields=["actor", "at"], name="audit_actor_time"),
            models.Index(fields=["subject", "subject_id", "at"], name="audit_subject_time"),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.subject_name}"


class AuditHead(models.Model):
    """The one row with the end of the audit's chain; its lock puts concurrent entries in a line."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    entries = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="0" * 64)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="activities_one_audit_head")]

    def __str__(self) -> str:
        return self.hash


class Alert(models.Model):
    """Something that somebody should know: raised once, told once, and over when it is.

    Attributes:
        kind: see `Kind`. server: its name, "" where none is concerned.
        raised_at: when it began; told_at: when it was sent (None: not old enough yet); ended_at: when it was over.
        detail: what to know about it, as JSON.
    """

    class Kind(models.TextChoices):
        SERVER_DOWN = "server.down", "A server is down"
        SERVER_UP = "server.up", "A server is back"
        AUTHORIZATION_NEEDED = "authorization.needed", "A server needs authorization"
        TOOLS_CHANGED = "tools.changed", "A server changed its tools"
        ERROR_RATE = "error.rate", "Many calls of a server fail"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    server = models.CharField(max_length=255, blank=True, default="")
    detail = models.JSONField(default=dict)
    raised_at = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-raised_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "server"], condition=models.Q(ended_at=None), name="activities_one_open_alert"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.server}"
