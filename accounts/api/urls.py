"""Paths of sign-in, keys and users."""

from __future__ import annotations

from accounts.api import views
from mcphub.api.routes import route

urlpatterns = [
    route("api/auth/login", views.SignIn),
    route("api/auth/register", views.Registration),
    route("api/auth/user", views.CurrentUser),
    route("api/auth/change-password", views.PasswordChange),
    route("api/auth/keys", views.Keys, {"get": "list", "post": "create"}),
    route("api/auth/keys/<id>", views.Keys, {"put": "update", "delete": "destroy"}),
    route("api/auth/lockouts", views.LockOuts, {"get": "list"}),
    route("api/auth/lockouts/<id>", views.LockOuts, {"delete": "destroy"}),
    route("api/users", views.Users, {"get": "list", "post": "create"}),
    route("api/users/<username>", views.Users, {"get": "retrieve", "put": "update", "delete": "destroy"}),
    route("api/users-stats", views.UserStats),
]
