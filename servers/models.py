"""What exists: servers, what they offered, overrides, groups, settings, built-ins. Written only by the app's adapters.

The revision counts every change that AI clients may notice; rows that decide a server's part of the snapshot carry
the revision that last touched them (`Server.revision`). Above: the app. Below: `querysets`, the project's seams.
"""

from __future__ import annotations

import json
import uuid

from django.db import models
from django.utils import timezone

from mcphub.fields import EncryptedJSONField
from servers.querysets import GroupQuerySet, ServerQuerySet


class Visibility(models.TextChoices):
    """Who besides the owner may see and use something."""

    PRIVATE = "private", "Private"
    GROUP = "group", "Shared with named users"
    PUBLIC = "public", "Public"


class Transport(models.TextChoices):
    """How a server is reached."""

    STDIO = "stdio", "stdio"
    SSE = "sse", "SSE (legacy)"
    STREAMABLE_HTTP = "streamable-http", "Streamable HTTP"
    OPENAPI = "openapi", "OpenAPI"


class Kind(models.TextChoices):
    """What a server offers."""

    TOOL = "tool", "Tool"
    PROMPT = "prompt", "Prompt"
    RESOURCE = "resource", "Resource"
    TEMPLATE = "template", "Resource template"


class Server(models.Model):
    """One configured MCP server.

    Attributes:
        owner: a user name; names of no user (system, guest) stand for the operator.
        config: how to reach it, in the words of the REST contract (4.1) without the members that are columns here;
            members the hub does not know are kept. Encrypted whole: addresses and arguments hold secrets, too.
        generation: raised to ask for a new connection.
        revision: the hub's revision when anything of this server changed last, its items included.
        protocol, server_info, capabilities, instructions, ttl_ms: what it told of itself last (JSON as received).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255, unique=True)
    transport = models.CharField("type", max_length=15, choices=Transport.choices)
    description = models.TextField(blank=True, default="")
    enabled = models.BooleanField(default=True)
    owner = models.CharField(max_length=150, default="admin", db_index=True)
    visibility = models.CharField(max_length=7, choices=Visibility.choices, default=Visibility.PRIVATE)
    shared_with = models.JSONField(default=list, blank=True)
    position = models.PositiveIntegerField(default=0, db_index=True)
    config = EncryptedJSONField(default=dict)
    generation = models.PositiveIntegerField(default=0, editable=False)
    revision = models.BigIntegerField(default=0, editable=False, db_index=True)
    protocol = models.CharField(max_length=32, blank=True, default="", editable=False)
    server_info = models.TextField(default="{}", editable=False)
    capabilities = models.TextField(default="{}", editable=False)
    instructions = models.TextField(null=True, editable=False)  # noqa: DJ001 (None: it sent none)
    ttl_ms = models.PositiveBigIntegerField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ServerQuerySet.as_manager()

    class Meta:
        ordering = ["position", "created_at"]

    def __str__(self) -> str:
        return self.name


class DiscoveredItem(models.Model):
    """A tool, prompt, resource or template that a server offered.

    Attributes:
        key: name, URI or pattern, as at the upstream.
        definition: the object as the upstream sent it (JSON text, unknown members included).
        fingerprint: SHA-256 of what matters in it; `previous` is the one before the last change, "" while unchanged.
        present: whether its last list had it. Items that left are remembered for a while, so that one which comes
            back with another definition is seen as changed.
    """

    id = models.BigAutoField(primary_key=True)
    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="items")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    key = models.CharField(max_length=2048)
    definition = models.TextField()
    fingerprint = models.CharField(max_length=64)
    previous = models.CharField(max_length=64, blank=True, default="")
    position = models.PositiveIntegerField(default=0)
    present = models.BooleanField(default=True)
    first_seen = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["server", "kind", "position"]
        constraints = [models.UniqueConstraint(fields=["server", "kind", "key"], name="servers_item_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    def described(self) -> str:
        """The description in the upstream's definition; "" where it gave none."""
        description = json.loads(self.definition).get("description")
        return description if isinstance(description, str) else ""


class ItemOverride(models.Model):
    """What the hub's people decided about an item; kept under the upstream's own name, whether or not it exists.

    `description` None keeps the upstream's; an empty one is an override.
    """

    id = models.BigAutoField(primary_key=True)
    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="overrides")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    key = models.CharField(max_length=2048)
    enabled = models.BooleanField(default=True)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 (None: no override)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "kind", "key"], name="servers_override_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class UserSwitch(models.Model):
    """A user's own switch for a server: off hides it from that user alone. Without one, the server's state counts."""

    id = models.BigAutoField(primary_key=True)
    username = models.CharField(max_length=150, db_index=True)
    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="user_switches")
    enabled = models.BooleanField()

    class Meta:
        verbose_name_plural = "user switches"
        constraints = [models.UniqueConstraint(fields=["server", "username"], name="servers_user_switch_once")]

    def __str__(self) -> str:
        return f"{self.username}: {self.server_id}"


class Group(models.Model):
    """A named selection of servers, with a route of its own.

    `visibility` None: stored before groups had one, and reachable on MCP by anyone who may use its servers.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255, unique=True)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001 (absent and empty are told apart in replies)
    owner = models.CharField(max_length=150, default="admin", db_index=True)
    visibility = models.CharField(  # noqa: DJ001 (None: see the class)
        max_length=7, choices=Visibility.choices, null=True, blank=True, default=Visibility.PRIVATE
    )
    shared_with = models.JSONField(default=list, blank=True)
    position = models.PositiveIntegerField(default=0, db_index=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = GroupQuerySet.as_manager()

    class Meta:
        ordering = ["position", "created_at"]

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    """A server in a group. A selection of None means everything; names in it are the upstream's own.

    Attributes:
        alias: the name that stands before its items in this group; "" for the server's own.
        pinned: tools shown beside the meta tools on the group's smart route.
    """

    id = models.BigAutoField(primary_key=True)
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="members")
    server = models.ForeignKey(Server, on_delete=models.CASCADE, related_name="memberships")
    alias = models.CharField(max_length=128, blank=True, default="")
    tools = models.JSONField(null=True, blank=True)
    prompts = models.JSONField(null=True, blank=True)
    resources = models.JSONField(null=True, blank=True)
    pinned = models.JSONField(null=True, blank=True)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["group", "server"], name="servers_member_once")]

    def __str__(self) -> str:
        return self.alias or str(self.server_id)


class SystemSettings(models.Model):
    """The one row of settings that admins change while the hub runs (`systemConfig`); see `servers.system_config`.

    Only what was set is stored; defaults and environment are laid under and over it when it is read.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    values = EncryptedJSONField(default=dict)

    class Meta:
        verbose_name_plural = "system settings"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="servers_one_settings_row")]

    def __str__(self) -> str:
        return "system settings"


class Revision(models.Model):
    """The one row that numbers the snapshots. Whoever changes something raises it and holds its lock until commit."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    number = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="servers_one_revision_row")]

    def __str__(self) -> str:
        return str(self.number)


class BuiltinPrompt(models.Model):
    """A prompt of the hub's own; `{{name}}` in `template` stands for an argument. Offered to everyone.

    `arguments`: list of `{name, title?, description?, required?}`; None where none were given.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255, unique=True)
    title = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 (absent and empty are told apart)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001
    template = models.TextField()
    arguments = models.JSONField(null=True, blank=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.name


class BuiltinResource(models.Model):
    """A text resource of the hub's own. Offered to everyone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    uri = models.CharField(max_length=2048, unique=True)
    name = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 (absent and empty are told apart)
    description = models.TextField(null=True, blank=True)  # noqa: DJ001
    mime_type = models.CharField(max_length=255, default="text/plain")
    content = models.TextField()
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.uri
