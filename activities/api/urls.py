"""Paths of activities, audit and log."""

from __future__ import annotations

from activities.api import log_views, views
from mcphub.api.routes import route

urlpatterns = [
    route("api/activities", views.Activities),
    route("api/activities/available", views.Available),
    route("api/activities/stats", views.Stats),
    route("api/activities/filters", views.Names),
    route("api/activities/series", views.Series),
    route("api/activities/export", views.Export),
    route("api/activities/cleanup", views.CleanUp),
    route("api/activities/<id>", views.Activity),
    route("api/audit", views.Audit),
    route("api/audit/export", views.AuditExport),
    route("api/audit/<id>", views.AuditOne),
    route("api/logs", log_views.Logs),
    route("api/logs/stream", log_views.LogStream),
]
