"""Servers, what they offer, groups and the hub's own prompts in the admin. Changes go through `servers.actions`.

Commands, addresses and secrets are changed on the dashboard, which tests a connection before it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from mcphub import plane
from mcphub.web.backoffice import ActingAdmin, ReadingAdmin, actor_of
from servers import actions
from servers.models import BuiltinPrompt, BuiltinResource, DiscoveredItem, Group, ItemOverride, Server

#: Columns that may be changed here, and what the REST contract calls them.
_SERVER = {"description": "description", "owner": "owner", "visibility": "visibility", "shared_with": "sharedWithUsers"}
_GROUP = {"name": "name", "description": "description", "visibility": "visibility", "shared_with": "sharedWithUsers"}
_TONES = {"connected": "success", "sleeping": "success", "connecting": "warning", "off": "", "retrying": "danger",
          "disconnected": "danger", "authorization needed": "danger"}  # fmt: skip


@admin.register(Server)
class ServerAdmin(ActingAdmin):
    """Servers."""

    list_display = ("name", "state", "transport", "tools_known", "owner", "visibility", "enabled", "updated_at")
    list_filter = ("transport", "enabled", "visibility")
    search_fields = ("name", "description", "owner")
    list_per_page = 50
    actions = ("enable", "disable", "reload")
    fields = ("name", "dashboard", "transport", *_SERVER, "protocol", "created_at", "updated_at")
    readonly_fields = ("name", "dashboard", "transport", "protocol", "created_at", "updated_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """On the dashboard."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Server]:
        """With the number of their tools, and without what would have to be decrypted."""
        rows: QuerySet[Server] = super().get_queryset(request)
        tools = Count("items", filter=Q(items__kind="tool", items__present=True))
        return rows.annotate(tool_count=tools).defer("config", "server_info", "capabilities", "instructions")

    def save_model(self, request: HttpRequest, obj: Server, form: Any, change: bool) -> None:
        """Change."""
        config = {_SERVER[name]: form.cleaned_data[name] for name in form.changed_data if name in _SERVER}
        if config:
            actions.change_server(obj.name, actor=actor_of(request), config=config)

    def delete_model(self, request: HttpRequest, obj: Server) -> None:
        """Remove."""
        actions.remove_server(obj.name, actor=actor_of(request))

    @display(description="state", label=_TONES)
    def state(self, server: Server) -> str:
        """Of its connection, as this process knows it."""
        if not server.enabled:
            return "off"
        state = str(plane.states().get(str(server.pk), {}).get("state", "connecting"))
        return "authorization needed" if state == "oauth_required" else state

    @display(description="tools", ordering="tool_count")
    def tools_known(self, server: Server) -> int:
        """How many it offers."""
        return int(getattr(server, "tool_count", 0))

    @display(description="on the dashboard")
    def dashboard(self, server: Server) -> SafeString:
        """A link."""
        return format_html('<a href="{}">Connection, tools, log</a>', reverse("server", args=[server.name]))

    @action(description="Switch on")
    def enable(self, request: HttpRequest, servers: QuerySet[Server]) -> None:
        """Connect them."""
        for server in servers:
            actions.toggle_server(server.name, actor=actor_of(request), enabled=True)

    @action(description="Switch off")
    def disable(self, request: HttpRequest, servers: QuerySet[Server]) -> None:
        """Disconnect them."""
        for server in servers:
            actions.toggle_server(server.name, actor=actor_of(request), enabled=False)

    @action(description="Connect anew")
    def reload(self, request: HttpRequest, servers: QuerySet[Server]) -> None:
        """Have their connections made anew."""
        for server in servers:
            actions.reload_server(server.name, actor=actor_of(request))


@admin.register(DiscoveredItem)
class DiscoveredItemAdmin(ReadingAdmin):
    """What servers offer; switched on and off for everybody."""

    list_display = ("key", "kind", "server", "present", "is_changed", "first_seen", "changed_at")
    list_filter = ("kind", "present", ("previous", admin.EmptyFieldListFilter))
    list_select_related = ("server",)
    search_fields = ("key", "server__name")
    actions = ("enable", "disable")
    fields = ("server", "kind", "key", "definition", "fingerprint", "previous", "first_seen", "changed_at")

    @display(description="changed", boolean=True)
    def is_changed(self, item: DiscoveredItem) -> bool:
        """Whether it is another than when it was seen first."""
        return bool(item.previous)

    @action(description="Offer to clients")
    def enable(self, request: HttpRequest, items: QuerySet[DiscoveredItem]) -> None:
        """Switch them on."""
        _switch(request, items, enabled=True)

    @action(description="Hide from clients")
    def disable(self, request: HttpRequest, items: QuerySet[DiscoveredItem]) -> None:
        """Switch them off."""
        _switch(request, items, enabled=False)


def _switch(request: HttpRequest, items: QuerySet[DiscoveredItem], *, enabled: bool) -> None:
    # Templates follow their resources and have no switch of their own.
    for item in items.select_related("server").exclude(kind="template"):
        actions.set_item_enabled(item.server.name, item.kind, item.key, actor=actor_of(request), enabled=enabled)


@admin.register(ItemOverride)
class ItemOverrideAdmin(ActingAdmin):
    """What was decided about items; removing one lets the server's own count again."""

    list_display = ("key", "kind", "server", "enabled", "description")
    list_filter = ("kind", "enabled")
    list_select_related = ("server",)
    search_fields = ("key", "description", "server__name")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """On the dashboard."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """On the dashboard."""
        return False

    def delete_model(self, request: HttpRequest, obj: ItemOverride) -> None:
        """Forget what was decided."""
        told, actor = (obj.server.name, obj.kind, obj.key), actor_of(request)
        if obj.description is not None:
            actions.reset_item(*told, actor=actor)
        if not obj.enabled:
            actions.set_item_enabled(*told, actor=actor, enabled=True)


@admin.register(Group)
class GroupAdmin(ActingAdmin):
    """Groups; what is in them is chosen on the dashboard."""

    list_display = ("name", "description", "member_count", "owner", "visibility", "updated_at")
    list_filter = ("visibility",)
    search_fields = ("name", "description", "owner")
    fields = (*_GROUP, "owner")
    readonly_fields = ("owner",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """On the dashboard."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        """With the number of their servers."""
        rows: QuerySet[Group] = super().get_queryset(request)
        return rows.annotate(servers_in=Count("members"))

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        """Change."""
        changes = {_GROUP[name]: form.cleaned_data[name] for name in form.changed_data if name in _GROUP}
        if changes:
            actions.change_group(str(obj.pk), actor=actor_of(request), **changes)

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        """Remove."""
        actions.remove_group(str(obj.pk), actor=actor_of(request))

    @display(description="servers", ordering="servers_in")
    def member_count(self, group: Group) -> int:
        """How many."""
        return int(getattr(group, "servers_in", 0))


class _BuiltinAdmin(ActingAdmin):
    """A prompt or resource of the hub's own: `members` are its columns, by the contract's names."""

    members: Mapping[str, str] = {}
    list_filter = ("enabled",)

    def sent(self, form: Any) -> dict[str, Any]:
        """What the form says, in the words of the actions."""
        return {name: form.cleaned_data[column] for name, column in self.members.items()}


@admin.register(BuiltinPrompt)
class BuiltinPromptAdmin(_BuiltinAdmin):
    """Prompts."""

    members = {name: name for name in ("name", "title", "description", "template", "arguments", "enabled")}
    list_display = ("name", "title", "description", "enabled")
    search_fields = ("name", "title", "description")
    fields = tuple(members.values())

    def save_model(self, request: HttpRequest, obj: BuiltinPrompt, form: Any, change: bool) -> None:
        """Add or change."""
        if change:
            actions.change_prompt(obj.pk, actor=actor_of(request), members=self.sent(form))
        else:
            actions.add_prompt(actor=actor_of(request), members=self.sent(form), id=obj.pk)

    def delete_model(self, request: HttpRequest, obj: BuiltinPrompt) -> None:
        """Remove."""
        actions.remove_prompt(obj.pk, actor=actor_of(request))


@admin.register(BuiltinResource)
class BuiltinResourceAdmin(_BuiltinAdmin):
    """Resources."""

    members = {
        "uri": "uri", "name": "name", "description": "description", "mimeType": "mime_type", "content": "content",
        "enabled": "enabled",
    }  # fmt: skip
    list_display = ("uri", "name", "mime_type", "enabled")
    search_fields = ("uri", "name", "description")
    fields = tuple(members.values())

    def save_model(self, request: HttpRequest, obj: BuiltinResource, form: Any, change: bool) -> None:
        """Add or change."""
        if change:
            actions.change_resource(obj.pk, actor=actor_of(request), members=self.sent(form))
        else:
            actions.add_resource(actor=actor_of(request), members=self.sent(form), id=obj.pk)

    def delete_model(self, request: HttpRequest, obj: BuiltinResource) -> None:
        """Remove."""
        actions.remove_resource(obj.pk, actor=actor_of(request))
