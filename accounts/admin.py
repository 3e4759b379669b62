"""Users, keys and lock-outs in the admin. Changes go through `accounts.actions`."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import admin as _auth  # noqa: F401 (registers Django's groups, which are taken out below)
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from unfold.decorators import action, display

from accounts import actions
from accounts.models import BearerKey, SignInFailures, User
from mcphub.web.backoffice import ActingAdmin, actor_of

# Django's own groups mean nothing here, and look like the hub's.
admin.site.unregister(Group)

_USER = ("email", "is_admin", "plan", "plan_limit")
_KEY = ("name", "enabled", "expires_at", "note")


@admin.register(User)
class UserAdmin(ActingAdmin):
    """People. The dashboard's Users page makes passwords; here one may be typed."""

    list_display = ("username", "email", "role", "plan", "keys_held", "last_login", "created_at")
    list_filter = ("is_admin", "plan")
    search_fields = ("username", "email")
    ordering = ("username",)
    fields = ("username", *_USER, "new_password", "last_login", "created_at")
    readonly_fields = ("last_login", "created_at")

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        """With a field for a password, which is no column."""
        needed = obj is None
        password = forms.CharField(widget=forms.PasswordInput, required=needed, strip=False)
        form = type("UserForm", (forms.ModelForm,), {"new_password": password})
        return super().get_form(request, obj, change=change, form=form, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Names never change."""
        return (*self.readonly_fields, "username") if obj else self.readonly_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """With the number of their keys."""
        rows: QuerySet[User] = super().get_queryset(request)
        return rows.annotate(held=Count("keys"))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Add or change."""
        sent, actor = form.cleaned_data, actor_of(request)
        if not change:
            made = actions.create_user(
                actor=actor,
                username=obj.username,
                password=sent["new_password"],
                is_admin=obj.is_admin,
                email=obj.email,
            )
            obj.pk, obj._state.adding = made.pk, False
            return
        changes = {name: sent[name] for name in form.changed_data if name in _USER}
        if sent.get("new_password"):
            changes["password"] = sent["new_password"]
        if changes:
            actions.change_user(User.objects.get(pk=obj.pk), actor=actor, **changes)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Remove."""
        actions.delete_user(obj, actor=actor_of(request))

    @display(description="role", ordering="is_admin", label={"Admin": "info", "User": ""})
    def role(self, user: User) -> str:
        """In words."""
        return "Admin" if user.is_admin else "User"

    @display(description="keys", ordering="held")
    def keys_held(self, user: User) -> int:
        """How many."""
        return int(getattr(user, "held", 0))


@admin.register(BearerKey)
class BearerKeyAdmin(ActingAdmin):
    """Keys. They are made on the dashboard, where their tokens are shown once."""

    list_display = ("name", "preview", "kind", "owner", "access", "enabled", "expires_at", "last_used_at")
    list_filter = ("kind", "access", "enabled")
    list_select_related = ("owner",)
    search_fields = ("name", "note", "owner__username", "preview")
    ordering = ("-created_at",)
    actions = ("enable", "disable")
    fields = (*_KEY, "preview", "kind", "owner", "access", "allowed_groups", "allowed_servers", "last_used_at")
    readonly_fields = fields[len(_KEY) :]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Not here."""
        return False

    def save_model(self, request: HttpRequest, obj: BearerKey, form: Any, change: bool) -> None:
        """Change."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data if name in _KEY}
        if changes:
            actions.change_key(BearerKey.objects.get(pk=obj.pk), actor=actor_of(request), **changes)

    def delete_model(self, request: HttpRequest, obj: BearerKey) -> None:
        """Revoke."""
        actions.revoke_key(obj, actor=actor_of(request))

    @action(description="Switch on")
    def enable(self, request: HttpRequest, keys: QuerySet[BearerKey]) -> None:
        """Let them in."""
        for key in keys:
            actions.change_key(key, actor=actor_of(request), enabled=True)

    @action(description="Switch off")
    def disable(self, request: HttpRequest, keys: QuerySet[BearerKey]) -> None:
        """Refuse them."""
        for key in keys:
            actions.change_key(key, actor=actor_of(request), enabled=False)


@admin.register(SignInFailures)
class SignInFailuresAdmin(ActingAdmin):
    """Failed sign-ins. Removing a row ends its lock."""

    list_display = ("subject", "scope", "count", "since", "locked_until")
    list_filter = ("scope",)
    search_fields = ("subject",)
    ordering = ("-since",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def delete_model(self, request: HttpRequest, obj: SignInFailures) -> None:
        """Unlock."""
        actions.unlock(obj, actor=actor_of(request))
