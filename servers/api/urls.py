"""Paths of settings, servers and groups."""

from __future__ import annotations

from mcphub.api.routes import route
from servers.api import builtin_views as builtins
from servers.api import bundle_views as bundles
from servers.api import calling_views as calling
from servers.api import cost_views as cost
from servers.api import group_views as groups
from servers.api import item_views as items
from servers.api import openapi_views as openapi
from servers.api import server_views as servers
from servers.api import settings_views as settings
from servers.api import template_views as templates

urlpatterns = [
    route("api/settings", settings.Settings),
    route("api/system-config", settings.SystemConfig),
    route("api/mcp-settings/export", settings.Export),
    route("api/cache/clear", settings.CacheClear),
    route("api/servers", servers.Servers),
    route("api/servers/batch", servers.ServerBatch),
    route("api/servers/openapi/tool-stats", servers.ToolStats),
    route("api/servers/<name>", servers.OneServer),
    route("api/servers/<name>/toggle", servers.ServerSwitch),
    route("api/servers/<name>/reload", servers.ServerReload),
    route("api/servers/<name>/reinstall", servers.ServerReinstall),
    route("api/servers/<name>/share-candidates", servers.ShareCandidates),
    route("api/servers/<name>/oauth/disconnect", servers.OAuthDisconnect),
    route("api/servers/<server>/tools/<item>/toggle", items.ToolSwitch),
    route("api/servers/<server>/tools/<item>/description", items.ToolDescription),
    route("api/servers/<server>/prompts/<item>/toggle", items.PromptSwitch),
    route("api/servers/<server>/prompts/<item>/description", items.PromptDescription),
    route("api/servers/<server>/resources/<item>/toggle", items.ResourceSwitch),
    route("api/servers/<server>/resources/<item>/description", items.ResourceDescription),
    route("api/groups", groups.Groups),
    route("api/groups/batch", groups.GroupBatch),
    route("api/groups/<id>", groups.OneGroup),
    route("api/groups/<id>/servers", groups.GroupServers),
    route("api/groups/<id>/servers/batch", groups.GroupServerBatch),
    route("api/groups/<id>/servers/<server>", groups.GroupServer),
    route("api/groups/<id>/server-configs", groups.ServerConfigs),
    route("api/groups/<id>/server-configs/<server>", groups.ServerConfig),
    route("api/groups/<id>/server-configs/<server>/tools", groups.MemberTools),
    route("api/tools/call/<server>", calling.ToolCall),
    route("api/mcp/<server>/prompts/<prompt>", calling.PromptCall),
    route("api/resources/read", calling.ResourceRead),
    route("api/prompts", builtins.Prompts),
    route("api/prompts/<id>", builtins.OnePrompt),
    route("api/resources", builtins.Resources),
    route("api/resources/<id>", builtins.OneResource),
    route("api/mcpb/upload", bundles.BundleUpload),
    route("api/templates/export", templates.TemplateExport),
    route("api/templates/export/groups/<id>", templates.GroupExport),
    route("api/templates/import", templates.TemplateImport),
    route("api/cost/servers", cost.ServerCosts),
    route("api/cost/groups", cost.GroupCosts),
    route("api/openapi.json", openapi.Document),
    route("api/openapi.yaml", openapi.YamlDocument),
    route("api/openapi/servers", openapi.ConnectedServers),
    route("api/openapi/stats", openapi.Stats),
    route("api/tools/<server>/<tool>", openapi.Execution),
    # Last: their first segment is any group or server.
    route("api/<name>/openapi.json", openapi.DoorDocument),
    route("api/<name>/openapi.yaml", openapi.DoorYamlDocument),
    route("api/<name>/tools/<server>/<tool>", openapi.DoorExecution),
    route("config", settings.Config),
    route("public-config", settings.PublicConfig),
    route("health", settings.HealthCheck),
]
