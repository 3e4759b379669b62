"""The system settings as the parts of the hub read them. Above: `snapshots`, the doors. Below: `system_config`.

A read costs one indexed row and a decryption; whoever reads often keeps what it read and listens for `ServersChanged`.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from activities.settings_reader import ActivitySwitches
from mcphub.api.switches import ApiSwitches
from mcphub.gateway.snapshot import Switches
from servers import system_config
from servers.models import SystemSettings


def stored() -> dict[str, Any]:
    """Only what was set."""
    row = SystemSettings.objects.filter(pk=1).first()
    return {} if row is None else dict(row.values)


def effective() -> dict[str, Any]:
    """Everything, defaults included; `install.baseUrl` is the address people use."""
    values = system_config.effective(stored())
    values.setdefault("install", {})["baseUrl"] = public_url(values)
    return values


def public_url(values: dict[str, Any]) -> str:
    """The hub's address for people and clients: as set, else from the environment."""
    return (values.get("install", {}).get("baseUrl") or settings.PUBLIC_URL).rstrip("/")


def switches(values: dict[str, Any]) -> Switches:
    """What the data plane obeys, from effective values."""
    routing = values["routing"]
    log = values["activityLog"]
    return Switches(
        global_route=routing["enableGlobalRoute"],
        group_name_route=routing["enableGroupNameRoute"],
        bearer_auth=routing["enableBearerAuth"],
        bearer_header=(routing["bearerAuthHeaderName"] or "Authorization").lower(),
        body_limit=body_limit(values),
        separator=values["nameSeparator"],
        server_route_names=routing["serverRouteNames"],
        public_url=public_url(values),
        allowed_networks=tuple(values["network"]["allowedCidrs"]),
        rate_per_minute=routing["rateLimitPerMinute"],
        record_calls=log["enabled"],
        store_payloads=log["payloads"] if log["storeToolPayload"] else "off",
    )


def api_switches() -> ApiSwitches:
    """What the REST API obeys; named by `settings.API_SWITCHES`."""
    values = effective()
    routing = values["routing"]
    return ApiSwitches(
        skip_auth=routing["skipAuth"],
        bearer_auth=routing["enableBearerAuth"],
        bearer_header=routing["bearerAuthHeaderName"] or "Authorization",
        body_limit=body_limit(values),
    )


def activity_switches() -> ActivitySwitches:
    """What the activities app obeys; named by `settings.ACTIVITY_SWITCHES`."""
    values = effective()
    log, alerts = values["activityLog"], values["alerts"]
    return ActivitySwitches(
        enabled=log["enabled"],
        retention_days=log["retentionDays"],
        retention_calls=log["retentionCalls"],
        webhook=alerts["webhookUrl"],
        webhook_secret=alerts["webhookSecret"],
        down_minutes=alerts["serverDownMinutes"],
        error_percent=alerts["errorPercent"],
        error_calls=alerts["errorCalls"],
    )


def body_limit(values: dict[str, Any]) -> int:
    """`routing.jsonBodyLimit` in bytes."""
    try:
        return system_config.body_bytes(values["routing"]["jsonBodyLimit"])
    except ValueError:  # only from a settings row that was edited by hand
        return Switches().body_limit
