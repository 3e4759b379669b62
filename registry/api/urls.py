"""Paths of the registry: the registry API at the host's root, the dashboard's catalogues, the hub's own registry."""

from __future__ import annotations

from django.urls import re_path

from mcphub.api.routes import route
from registry.api import catalogue_views as catalogue
from registry.api import cloud_views as cloud
from registry.api import discovery_views as discovery
from registry.api import entry_views as entries
from registry.api import market_views as market
from registry.api import mirror_views as mirror
from registry.api import own_views as own

urlpatterns = [
    route("mcp_servers", catalogue.McpServers),
    route("mcp_servers/toggle", catalogue.Toggle),
    route("tools/installed", catalogue.InstalledTools),
    route("mcp_registry", catalogue.Catalogue),
    route("mcp_registry/<name>", catalogue.CatalogueEntry),
    # Before the entries of that path, and the Django admin's own.
    route("admin/mcp_registry/sync-to-supabase", catalogue.SupabaseCopy),
    route("admin/mcp_registry", catalogue.Curation),
    route("admin/mcp_registry/<name>", catalogue.CuratedEntry),
    route("user-servers/servers", catalogue.UserServers),
    route("user-servers/sync-trigger", catalogue.SyncTrigger),
    route("api/market/servers", market.Servers),
    route("api/market/servers/search", market.Search),
    route("api/market/servers/<name>", market.Server),
    route("api/market/categories", market.Categories),
    route("api/market/categories/<category>", market.Category),
    route("api/market/tags", market.Tags),
    route("api/market/tags/<tag>", market.Tag),
    route("api/cloud/servers", cloud.Servers),
    route("api/cloud/servers/search", cloud.Search),
    route("api/cloud/servers/<name>", cloud.Server),
    route("api/cloud/servers/<server_key>/tools", cloud.Tools),
    route("api/cloud/servers/<server_key>/tools/<tool>/call", cloud.ToolCall),
    route("api/cloud/categories", cloud.Categories),
    route("api/cloud/categories/<category>", cloud.Category),
    route("api/cloud/tags", cloud.Tags),
    route("api/cloud/tags/<tag>", cloud.Tag),
    route("api/registry/servers", mirror.Servers),
    route("api/registry/servers/versions", mirror.Versions),
    route("api/registry/servers/version", mirror.Version),
    route("api/registry/entries", entries.Entries),
    route("api/registry/entries/<name>", entries.OneEntry),
    route("api/registry/entries/<name>/plan", entries.PlanOf),
    route("api/registry/entries/<name>/install", entries.Install),
    route("api/registry/requests", entries.Requests),
    route("api/registry/requests/<id>", entries.Decision),
    route("api/registry/sources", entries.Sources),
    route("api/registry/sources/<slug>/sync", entries.SyncNow),
    route("api/changelog/update-info", mirror.UpdateInfo),
    route(".well-known/mcp-marketplace", discovery.Marketplace),
    route("discovery/servers", discovery.Servers),
    route("discovery/servers/<name>", discovery.Server),
    route("discovery/servers/<name>/install", discovery.Install),
    route("discovery/categories", discovery.Categories),
    route("discovery/tags", discovery.Tags),
    # A name holds one slash; servers that decode paths before routing show it as it is.
    re_path(r"^v0(?:\.1)?/servers/?$", own.servers),
    re_path(r"^v0(?:\.1)?/servers/(?P<name>[^/]+/[^/]+)/versions/?$", own.versions),
    re_path(r"^v0(?:\.1)?/servers/(?P<name>[^/]+/[^/]+)/versions/(?P<version>.+?)/?$", own.version),
    re_path(r"^v0(?:\.1)?/(?:health|ping)/?$", own.health),
    re_path(r"^v0(?:\.1)?/(?:publish|validate|auth/.*)$", own.health),
]
