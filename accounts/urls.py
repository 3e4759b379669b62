"""Addresses of the pages about people."""

from __future__ import annotations

from django.urls import path

from accounts.views import signing, users

urlpatterns = [
    path("login", signing.sign_in, name="sign-in"),
    path("dashboard/sign-out", signing.sign_out, name="sign-out"),
    path("dashboard/password", users.password, name="password"),
    path("dashboard/users", users.users, name="users"),
    path("dashboard/users/new", users.new_user, name="new-user"),
    path("dashboard/users/add", users.add_user, name="add-user"),
    path("dashboard/users/unlock/<int:id>", users.unlock, name="unlock"),
    path("dashboard/user/<str:username>", users.user, name="user"),
    path("dashboard/user/<str:username>/save", users.save_user, name="save-user"),
    path("dashboard/user/<str:username>/delete", users.delete_user, name="delete-user"),
]
