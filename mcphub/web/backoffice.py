"""What the admin's classes share: who acts, refusals as messages, rows that only the hub writes.

Changes made in the admin go through the apps' actions: `save_model` and `delete_model` of `ActingAdmin` say which.
Above: the apps' admin. Below: django-unfold.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin

from mcphub.actor import Actor
from mcphub.api.callers import address_of
from mcphub.context import request_id
from mcphub.errors import HubError

#: Rows that are counted for the pages of a long list; deeper ones are found by searching.
_COUNTED = 10_000

if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
else:
    AnyPaginator = Paginator  # Django's paginator takes type parameters in its stubs only


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in admin as the actions know one."""
    user = request.user
    return Actor(
        user.get_username(),
        is_admin=bool(getattr(user, "is_admin", False)),
        address=address_of(request),
        request=request_id.get(),
    )


class BoundedPaginator(AnyPaginator):
    """Pages of a list that may have millions of rows: counting them all would take longer than showing any."""

    @property
    def count(self) -> int:
        """The number of rows, at most `_COUNTED`."""
        rows: Any = self.object_list
        return int(rows[:_COUNTED].count())


class ActingAdmin(ModelAdmin):
    """An admin of what actions change. A refusal becomes a message, and nothing of the request is stored."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The form."""
        return self._told(request, super().changeform_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The question before something is removed."""
        return self._told(request, super().delete_view, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The list, and what is done to many rows."""
        return self._told(request, super().changelist_view, *args, **kwargs)

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[Any]) -> None:
        """Remove many: each as one is."""
        for row in queryset:
            self.delete_model(request, row)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What would go along; the hub's own records of it are no objection."""
        found, counts, _, protected = super().get_deleted_objects(objs, request)
        return found, counts, set(), protected

    def log_addition(self, request: HttpRequest, *args: Any) -> None:
        """Not needed: the audit knows."""

    def log_change(self, request: HttpRequest, *args: Any) -> None:
        """Not needed: the audit knows."""

    def log_deletions(self, request: HttpRequest, *args: Any) -> None:
        """Not needed: the audit knows."""

    def _told(self, request: HttpRequest, view: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = view(request, *args, **kwargs)
        except HubError as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(request.get_full_path())
        return response


class ReadingAdmin(ModelAdmin):
    """Rows that only the hub writes."""

    show_full_result_count = False
    paginator = BoundedPaginator

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False
