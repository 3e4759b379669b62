"""Numbered system checks: combinations of settings that cannot work are said at start, with a hint.

Below: `settings`, read through Django. Above: `manage.py check`, `runhub`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


@register()
def storage(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """E001: many processes on a database that only one can write to."""
    if settings.REDIS_URL and not settings.DATABASE_URL:
        return [
            Error(
                "REDIS_URL is set but DATABASE_URL is not: many processes cannot share a SQLite file.",
                hint="Set DATABASE_URL to a PostgreSQL database, or unset REDIS_URL to run in one process.",
                id="mcphub.E001",
            )
        ]
    return []


@register()
def settings_file(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """E002: a settings file that is not there."""
    path = settings.MCPHUB_SETTING_PATH
    if path is not None and path.exists() and not path.is_file():
        return [Error(f"MCPHUB_SETTING_PATH={path} is not a file.", id="mcphub.E002")]
    return []


@register()
def public_address(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """E003: a public address no client could use."""
    if not settings.PUBLIC_URL.startswith(("http://", "https://")):
        return [
            Error(
                f"INSTALL_BASE_URL={settings.PUBLIC_URL} is no http address.",
                hint="Give scheme and host, such as https://hub.example.org.",
                id="mcphub.E003",
            )
        ]
    return []


@register("security", deploy=True)
def exposure(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """W001: reachable from everywhere under any name, which lets foreign web pages in by DNS rebinding."""
    if "*" in settings.ALLOWED_HOSTS:
        return [
            Warning(
                "The hub listens on all addresses and answers to any host name.",
                hint="Set ALLOWED_HOSTS to the names under which it is reached.",
                id="mcphub.W001",
            )
        ]
    return []
