"""Addresses of the pages about the hub as a whole, its servers and groups.

Below /dashboard, because `/<user>/mcp` is an MCP route: a server page such as /servers/mcp would be one. Pages of one
server stand below /server and those of all below /servers, so that a server may be called "new". Names may hold
slashes; a name that ends like a page's own ending is found at the longer address first.
"""

from __future__ import annotations

from django.urls import path, re_path
from django.views.generic import RedirectView

from servers.views import adding, connecting, groups, keys, overview, server, servers, shell, system

_PARTS = "tools|prompts|resources|try|logs|activity|settings"
#: Pages that the hub this one replaces had at the root. People have bookmarks.
_BOOKMARKED = {name: name for name in ("servers", "groups", "users", "settings", "logs", "activity")} | {
    "market": "registry"
}

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="overview")),
    *(path(kept, RedirectView.as_view(pattern_name=name)) for kept, name in _BOOKMARKED.items()),
    path("dashboard", overview.overview, name="overview"),
    path("dashboard/live", shell.live, name="live"),
    path("dashboard/palette", shell.palette, name="palette"),
    path("dashboard/connect", connecting.connect, name="connect"),
    path("dashboard/connect/key", connecting.make_key, name="connect-key"),
    path("dashboard/servers", servers.servers, name="servers"),
    path("dashboard/servers/many", servers.change_many, name="change-servers"),
    path("dashboard/servers/new", adding.new_server, name="new-server"),
    path("dashboard/servers/add", adding.add_server, name="add-server"),
    path("dashboard/servers/demo", adding.add_demo, name="add-demo"),
    path("dashboard/servers/test", adding.test_connection, name="test-server"),
    path("dashboard/servers/mcpb", adding.add_bundle, name="add-bundle"),
    path("dashboard/servers/pasted", adding.preview, name="preview-servers"),
    path("dashboard/servers/pasted/add", adding.add_pasted, name="add-servers"),
    path("dashboard/server/<path:name>/row", servers.server_row, name="server-row"),
    path("dashboard/server/<path:name>/toggle", servers.toggle_server, name="toggle-server"),
    path("dashboard/server/<path:name>/reload", servers.reload_server, name="reload-server"),
    path("dashboard/server/<path:name>/remove", servers.remove_server, name="remove-server"),
    path("dashboard/server/<path:name>/change", server.change_server, name="change-server"),
    path("dashboard/server/<path:name>/details", server.item_details, name="item-details"),
    path("dashboard/server/<path:name>/item", server.change_item, name="change-item"),
    path("dashboard/server/<path:name>/items", server.switch_all, name="switch-items"),
    path("dashboard/server/<path:name>/use", server.try_item, name="try-item"),
    re_path(rf"^dashboard/server/(?P<name>.+)/(?P<part>{_PARTS})$", server.server, name="server-part"),
    path("dashboard/server/<path:name>", server.server, name="server"),
    path("dashboard/groups", groups.groups, name="groups"),
    path("dashboard/groups/new", groups.new_group, name="new-group"),
    path("dashboard/groups/add", groups.save_group, name="add-group"),
    path("dashboard/groups/choices", groups.more_choices, name="group-choices"),
    path("dashboard/groups/pick", groups.pick, name="pick-server"),
    path("dashboard/groups/preview", groups.preview, name="preview-group"),
    path("dashboard/group/<str:key>", groups.group, name="group"),
    path("dashboard/group/<str:key>/save", groups.save_group, name="save-group"),
    path("dashboard/group/<str:key>/remove", groups.remove_group, name="remove-group"),
    path("dashboard/keys", keys.keys, name="keys"),
    path("dashboard/keys/new", keys.new_key, name="new-key"),
    path("dashboard/keys/add", keys.add_key, name="add-key"),
    path("dashboard/key/<uuid:id>", keys.key, name="key"),
    path("dashboard/key/<uuid:id>/save", keys.save_key, name="save-key"),
    path("dashboard/key/<uuid:id>/toggle", keys.toggle_key, name="toggle-key"),
    path("dashboard/key/<uuid:id>/revoke", keys.revoke_key, name="revoke-key"),
    path("dashboard/settings", system.settings, name="settings"),
    path("dashboard/settings/<str:section>", system.save_section, name="save-settings"),
]
