"""Django's URL map; each app brings its own. MCP paths never arrive here (`asgi`).

API routes name their whole path in the app that owns them (`mcphub.api.routes.route`), so that searching for a path
finds its view. What lies below /api and is no route is refused in JSON, last.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView

from mcphub.api.descriptions import urlpatterns as descriptions
from mcphub.api.routes import UNKNOWN
from mcphub.metrics.door import metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("accounts.api.urls")),
    path("", include("activities.api.urls")),
    path("", include("servers.api.urls")),
    path("", include("registry.api.urls")),
    re_path(r"^metrics/?$", metrics),
    # Browsers ask for it on pages that name no icon, such as the admin's.
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}icon.svg")),
    # After the registry, whose API has paths below /admin of its own.
    path("admin/", admin.site.urls),
    *descriptions,
    *(
        []
        if settings.DISABLE_WEB
        else [path("", include(f"{app}.urls")) for app in ("accounts", "activities", "servers", "registry")]
    ),
    *UNKNOWN,
]
