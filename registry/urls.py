"""Addresses of the pages about what can be installed."""

from __future__ import annotations

from django.urls import path

from registry import views

urlpatterns = [
    path("dashboard/registry", views.registry, name="registry"),
    path("dashboard/registry/wishes", views.wishes, name="wishes"),
    path("dashboard/registry/wishes/add", views.wish, name="add-wish"),
    path("dashboard/registry/wishes/<int:id>", views.decide, name="decide-wish"),
    path("dashboard/entry/<str:name>", views.entry, name="entry"),
    path("dashboard/entry/<str:name>/plan", views.plan, name="plan-entry"),
    path("dashboard/entry/<str:name>/install", views.install, name="install-entry"),
]
