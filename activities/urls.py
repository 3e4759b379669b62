"""Addresses of the pages about what happened."""

from __future__ import annotations

from django.urls import path

from activities.views import audit, calls, logs

urlpatterns = [
    path("dashboard/activity", calls.activity, name="activity"),
    path("dashboard/activity/export", calls.export, name="activity-export"),
    path("dashboard/activity/<str:id>", calls.call, name="call"),
    path("dashboard/logs", logs.logs, name="logs"),
    path("dashboard/logs/stream", logs.log_stream, name="log-stream"),
    path("dashboard/logs/clear", logs.clear, name="clear-log"),
    path("dashboard/audit", audit.audit, name="audit"),
    path("dashboard/audit/export", audit.export, name="audit-export"),
]
