"""Routes of the settings: the whole state, system settings, export, caches, what anyone may know, health."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.serializers import ADMIN_PERMISSIONS, KeySerializer, UserSerializer
from accounts.models import BearerKey, User
from mcphub.actor import Actor
from mcphub.api.bodies import members
from mcphub.api.callers import actor_of
from mcphub.api.documents import ANY_OBJECT, FLAG, NUMBER, TEXT, array_of, object_of
from mcphub.api.envelope import Refusal, reply
from mcphub.api.operations import Allow, operation
from mcphub.api.views import HubView
from mcphub.errors import NotAuthenticated, NotFound
from mcphub.masking import masked
from servers import actions, health, readings, settings_reader, system_config
from servers.api.noticed import Noticed
from servers.caches import clear_caches
from servers.models import DiscoveredItem, Group, Server

_ROUTING = {"enableBearerAuth": True, "bearerAuthHeaderName": "X-MCP-Auth"}
_STDIO = {"type": "stdio", "command": "uvx", "args": ["time-server"], "owner": "admin", "enabled": True}
_STATE = {
    "mcpServers": {"time": _STDIO},
    "groups": [],
    "users": [{"username": "admin", "isAdmin": True, "email": None, "ssoUserId": None}],
    "systemConfig": {"routing": _ROUTING},
    "userConfigs": {},
    "bearerKeys": [],
}


def whole_state(values: dict[str, Any]) -> dict[str, Any]:
    """Everything an admin may read, secrets masked; `values` are the system settings to show."""
    separator = str(values["nameSeparator"])
    # Of the items only their names: five thousand definitions would be read for nothing.
    names = DiscoveredItem.objects.order_by().only("server_id", "key")
    servers = Server.objects.prefetch_related("overrides", Prefetch("items", names))
    return {
        "mcpServers": {server.name: _shown(server, separator) for server in servers},
        "users": UserSerializer(User.objects.all(), many=True).data,
        "groups": _groups(),
        "systemConfig": masked(values),
        "userConfigs": {user.username: user.preferences for user in User.objects.exclude(preferences={})},
        "oauthClients": [],
        "oauthTokens": [],
        "bearerKeys": KeySerializer(BearerKey.objects.select_related("owner"), many=True).data,
    }


def _shown(server: Server, separator: str) -> dict[str, Any]:
    known = {item.key for item in server.items.all()}
    return readings.with_prefixes(readings.shown(server, server.overrides.all()), server, separator, known)


def _groups() -> list[dict[str, Any]]:
    groups = Group.objects.prefetch_related("members__server")
    return [readings.group_of(group, group.members.all()) for group in groups]


class Settings(HubView):
    """GET /api/settings."""

    tag = "Settings"

    @operation(
        "Read everything",
        note="Admins get servers, groups, users, keys and system settings with every secret masked; others the hub's "
        "address and their own keys.",
        data=ANY_OBJECT,
        example={"success": True, "data": _STATE | {"servers": [{"name": "time", **_STDIO}]}},
    )
    def get(self, request: Request) -> Response:
        actor = actor_of(request)
        values = settings_reader.effective()
        values["install"]["baseUrl"] = _shown_address(values)
        if not actor.is_admin:
            return reply(_own_state(actor, values))
        state = whole_state(values)
        listed = [{"name": name, **config} for name, config in state["mcpServers"].items()]
        return reply(state | {"servers": listed})


def _own_state(actor: Actor, values: dict[str, Any]) -> dict[str, Any]:
    keys = BearerKey.objects.visible_to(actor).select_related("owner")
    return {
        "mcpServers": {},
        "servers": [],
        "systemConfig": {"install": {"baseUrl": values["install"]["baseUrl"]}},
        "bearerKeys": KeySerializer(keys, many=True).data,
    }


def _shown_address(values: dict[str, Any]) -> str:
    """`install.baseUrl` as the contract resolves it: where nobody set one, its documented default whatever the port."""
    stored = settings_reader.stored().get("install", {}).get("baseUrl")
    return str(values["install"]["baseUrl"] if stored or settings.PUBLIC_URL_GIVEN else "http://localhost:3000")


class SystemConfig(Noticed):
    """PUT /api/system-config."""

    tag = "Settings"

    @operation(
        "Change system settings",
        allow=Allow.ADMIN,
        note="Any subset of `systemConfig`. Members of a wrong type are ignored, values out of bounds refused; a "
        "masked value that comes back keeps what is stored; null clears. Acts at once.",
        body=ANY_OBJECT,
        sample={"routing": _ROUTING, "nameSeparator": "__"},
        data=ANY_OBJECT,
        example={"success": True, "message": "The settings were saved.", "data": {"routing": _ROUTING}},
        refuses={400: "Nothing applies, or a value breaks its rule."},
    )
    def put(self, request: Request) -> Response:
        stored = actions.change_settings(actor=actor_of(request), values=members(request))
        return reply(masked(system_config.effective(stored)), "The settings were saved.")

    def shape(self, refused: Refusal) -> dict[str, Any]:
        body = super().shape(refused)
        if refused.code == "incomplete_smart_routing":
            del body["success"]  # this one refusal never had it, and clients tell it by that
        return body


class Export(HubView):
    """GET /api/mcp-settings/export."""

    tag = "Settings"

    @operation(
        "Export the settings",
        allow=Allow.ADMIN,
        note="The format of mcp_settings.json with every secret masked. `manage.py exportsettings` writes a complete "
        "one. `serverName` exports one server; empty means all.",
        query=(OpenApiParameter("serverName", str, description="One server only; empty for all."),),
        data=ANY_OBJECT,
        example={"success": True, "data": _STATE},
        refuses={404: "There is no server of that name."},
    )
    def get(self, request: Request) -> Response:
        state = whole_state(system_config.effective(settings_reader.stored()))
        name = request.query_params.get("serverName")
        if name:
            if name not in state["mcpServers"]:
                raise NotFound(f"There is no server named {name!r}.")
            return reply({"mcpServers": {name: state["mcpServers"][name]}})
        for key in state["bearerKeys"]:
            del key["token"]
        return reply(state)


class CacheClear(HubView):
    """POST /api/cache/clear."""

    tag = "Settings"

    @operation(
        "Clear the package caches",
        allow=Allow.ADMIN,
        note="Empties the caches of npm and uv, at most a minute each.",
        members={"results": object_of(npm=object_of(status=TEXT), uv=object_of(status=TEXT))},
        example={
            "success": True,
            "message": "Done.",
            "results": {"npm": {"status": "cleared"}, "uv": {"status": "skipped", "message": "uv is not installed."}},
        },
    )
    def post(self, request: Request) -> Response:
        return reply(message="Done.", results=clear_caches(actor=actor_of(request)))


class Config(HubView):
    """GET /config."""

    tag = "Public"
    unlimited = True

    @operation(
        "Show where and what the hub is",
        allow=Allow.ANYONE,
        data=object_of(basePath=TEXT, version=TEXT, name=TEXT),
        example={"success": True, "data": {"basePath": "", "version": "1.0.0", "name": "mcphub"}},
    )
    def get(self, request: Request) -> Response:
        return reply({"basePath": settings.BASE_PATH, "version": settings.VERSION, "name": "mcphub"})


class PublicConfig(HubView):
    """GET /public-config."""

    tag = "Public"
    unlimited = True

    @operation(
        "Show what a sign-in page needs",
        allow=Allow.ANYONE,
        note="`permissions` lists an admin's permissions while `routing.skipAuth` is on, and is `{}` otherwise.",
        data=object_of(skipAuth=FLAG, permissions={}, betterAuth=ANY_OBJECT),
        example={"success": True, "data": {"skipAuth": False, "permissions": {}, "betterAuth": {"enabled": False}}},
    )
    def get(self, request: Request) -> Response:
        values = settings_reader.effective()
        skip = values["routing"]["skipAuth"]
        permissions: Any = ADMIN_PERMISSIONS if skip else {}
        return reply({"skipAuth": skip, "permissions": permissions, "betterAuth": _single_sign_on(values)})


def _single_sign_on(values: dict[str, Any]) -> dict[str, Any]:
    """What is configured of single sign-on. No provider is usable: this build signs in with passwords."""
    auth = values["auth"]["betterAuth"]
    oidc = auth.get("providers", {}).get("oidc", {})
    told = {
        "enabled": False,
        "providerId": oidc.get("providerId") or "oidc",
        "scopes": oidc.get("scopes") or ["openid", "profile", "email"],
        "pkce": oidc.get("pkce", True),
        "trustEmail": False,
    }
    told |= {name: oidc[name] for name in ("discoveryUrl", "prompt") if oidc.get(name)}
    return {
        "enabled": False,
        "basePath": auth["basePath"],
        "trustedOrigins": auth.get("trustedOrigins") or [values["install"]["baseUrl"]],
        "disableAutoCreate": auth["disableAutoCreate"],
        "disablePasswordLogin": False,
        "providers": {"google": {"enabled": False}, "github": {"enabled": False}, "oidc": told},
    }


class HealthCheck(HubView):
    """GET /health."""

    tag = "Public"
    unlimited = True

    @operation(
        "Show how the hub is",
        allow=Allow.ANYONE,
        note="`starting` while servers are connected for the first time, `degraded` when enabled servers are not up, "
        "`unhealthy` (503) when the hub or its database does not answer. Admins also see which server and why.",
        whole=object_of(
            status={"enum": ["starting", "healthy", "degraded", "unhealthy"]},
            message=TEXT,
            servers=object_of(total=NUMBER, connected=NUMBER, disconnected=NUMBER, states=ANY_OBJECT),
            reasons=array_of(TEXT),
            timestamp=TEXT,
        ),
        example={
            "status": "degraded",
            "message": "Some enabled servers are not up.",
            "servers": {"total": 3, "connected": 2, "disconnected": 1, "states": {"connected": 2, "retrying": 1}},
            "reasons": ["1 server is failing and being retried."],
            "timestamp": "2026-09-01T10:00:00Z",
        },
        also={503: "The hub or its database does not answer."},
    )
    def get(self, request: Request) -> Response:
        seen = health.examine()
        up = seen.counts.get("connected", 0)
        body: dict[str, Any] = {
            "status": seen.status,
            "message": seen.message,
            "servers": {
                "total": seen.total,
                "connected": up,
                "disconnected": seen.total - up - seen.counts.get("sleeping", 0),
                "states": dict(seen.counts),
            },
            "reasons": seen.reasons,
            "timestamp": timezone.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        if seen.servers and seen.status != "unhealthy" and _is_admin(request):
            body["details"] = seen.servers
        return Response(body, status=seen.http_status)


def _is_admin(request: Request) -> bool:
    try:
        return isinstance(request.user, Actor) and request.user.is_admin
    except NotAuthenticated:  # a stale token must not keep anyone from seeing how the hub is
        return False
