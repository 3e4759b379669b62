"""Entries in the admin: search, bulk approval, edits with a diff against the source, installation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from mcphub.errors import HubError, InvalidInput
from mcphub.web.backoffice import actor_of
from registry import actions, fields
from registry.admin.seams import told
from registry.models import Entry, Status
from registry.planning.ways import Way
from registry.search import Query, find

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Entry]
else:
    ModelForm = forms.ModelForm  # Django's forms take type parameters in their stubs only

_EDITED = (*Entry.EDITABLE, "status", "self_service")


class EntryForm(ModelForm):
    """One entry. Only what this admin changed is saved, so that two admins do not overwrite each other."""

    class Meta:
        model = Entry
        fields = ("name", *_EDITED, "config")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _EDITED:
            if name in self.fields:
                # What the page showed comes back with the form: a change is a difference to that, not to the database.
                self.fields[name].show_hidden_initial = True
        if "config" in self.fields:
            self.fields["config"] = forms.JSONField(
                required=False, help_text="A ready server configuration. It is stored encrypted and not shown again."
            )
            self.initial["config"] = None

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that this admin changed, with their new values."""
        return {name: self.cleaned_data[name] for name in self._set() if name in self.changed_data}

    def _set(self) -> list[str]:
        """What may be changed here and was understood."""
        return [name for name in (*_EDITED, "config") if name in self.cleaned_data]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name, value in list(cleaned.items()):
            if value is None and name in _EDITED:
                # An emptied JSON field is an empty value of its kind.
                cleaned[name] = getattr(Entry(), name)
        try:
            fields.checked({name: value for name, value in self.changes.items() if value is not None})
        except InvalidInput as refusal:
            self.add_error(str((refusal.data or {}).get("field") or "") or None, refusal.message)
        if self.instance.pk:
            self._refuse_overwriting()
        return cleaned

    def _refuse_overwriting(self) -> None:
        stored = Entry.objects.get(pk=self.instance.pk)
        for name in self.changed_data:
            shown = self.data.get(self.add_initial_prefix(name))
            if name in _EDITED and shown is not None and self.fields[name].has_changed(getattr(stored, name), shown):
                self.add_error(name, ValidationError("This was changed meanwhile; look at it again."))


@admin.register(Entry)
class EntryAdmin(ModelAdmin):
    """See the module."""

    form = EntryForm
    list_display = ("title", "name", "source", "shown_status", "category", "availability", "edited", "installed")
    list_filter = ("source", "status", "category", "availability", "self_service")
    list_select_related = ("source",)
    search_fields = ("name",)
    search_help_text = "Searches names, tags, packages and descriptions."
    list_per_page = 50
    show_full_result_count = False
    actions = ("approve", "hide", "deprecate", "open_to_users", "take_edits_back")
    actions_detail = ("install",)
    readonly_fields = ("source", "upstream_name", "availability", "differences")
    fieldsets = (
        (None, {"fields": ("name", "title", "description", "category", "tags", "icon")}),
        ("Curation", {"fields": ("status", "self_service", "differences")}),
        ("Source", {"fields": ("source", "upstream_name", "availability", "version")}),
        ("Details", {"classes": ("tab",), "fields": ("website", "repository", "tools", "tools_count", "authentication",
                                                     "rate_limit", "platforms", "config")}),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        rows: QuerySet[Entry] = super().get_queryset(request)
        return rows.annotate(
            edit_count=Count("edits", distinct=True), install_count=Count("installations", distinct=True)
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Entry | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "name") if obj else self.readonly_fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Entry], search_term: str
    ) -> tuple[QuerySet[Entry], bool]:
        if not search_term.strip():
            return queryset, False
        found = find(Query(text=search_term, statuses=None, limit=500))
        return queryset.filter(pk__in=found.ids), False

    # -- saving ------------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Entry, form: EntryForm, change: bool) -> None:
        changes = {name: value for name, value in form.changes.items() if value is not None}
        if change:
            if changes:
                actions.change_entry(obj.name, actor=actor_of(request), **changes)
            return
        made = actions.create_entry(actor=actor_of(request), name=form.cleaned_data["name"], **changes)
        obj.pk, obj.source = made.pk, made.source

    def delete_model(self, request: HttpRequest, obj: Entry) -> None:
        actions.delete_entry(obj.name, actor=actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        for name in list(queryset.values_list("name", flat=True)):
            actions.delete_entry(name, actor=actor_of(request))

    # -- bulk actions ------------------------------------------------------------------------------------------------

    @admin.action(description="Approve")
    def approve(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        self._set_status(request, queryset, Status.APPROVED)

    @admin.action(description="Hide")
    def hide(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        self._set_status(request, queryset, Status.HIDDEN)

    @admin.action(description="Mark as deprecated")
    def deprecate(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        self._set_status(request, queryset, Status.DEPRECATED)

    @admin.action(description="Let users install")
    def open_to_users(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        for name in list(queryset.values_list("name", flat=True)):
            actions.change_entry(name, actor=actor_of(request), self_service=True)
        messages.success(request, "Users may install these entries now.")

    @admin.action(description="Take edits back (the source's values count again)")
    def take_edits_back(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        for name in list(queryset.values_list("name", flat=True)):
            actions.restore_fields(name, actor=actor_of(request), fields=Entry.EDITABLE)
        messages.success(request, "The source's values count again.")

    def _set_status(self, request: HttpRequest, queryset: QuerySet[Entry], status: Status) -> None:
        names = list(queryset.values_list("name", flat=True))
        with told(request):
            count = actions.set_status(names, actor=actor_of(request), status=status)
            messages.success(request, f"{count} entries are {status.label.lower()} now.")

    # -- columns -----------------------------------------------------------------------------------------------------

    @display(
        description="Status", label={"Approved": "success", "Draft": "info", "Hidden": "danger"}, ordering="status"
    )
    def shown_status(self, entry: Entry) -> str:
        return str(entry.get_status_display())

    @display(description="Edits", ordering="edit_count")
    def edited(self, entry: Any) -> int:
        return int(entry.edit_count)

    @display(description="Installed", ordering="install_count")
    def installed(self, entry: Any) -> int:
        return int(entry.install_count)

    @display(description="Edited, against the source")
    def differences(self, entry: Entry) -> SafeString | str:
        found = entry.differences() if entry.pk else {}
        if not found:
            return "Nothing differs from the source."
        rows = format_html_join(
            "",
            "<tr><th style='text-align:left;padding-right:1em'>{}</th><td style='padding-right:1em'>{}</td>"
            "<td><del>{}</del></td></tr>",
            ((field, _shown(ours), _shown(theirs)) for field, (ours, theirs) in found.items()),
        )
        return format_html("<table>{}</table>", rows)

    # -- installation ------------------------------------------------------------------------------------------------

    @action(description="Install", url_path="install", icon="download")
    def install(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask what the entry needs, show the exact command, then install it."""
        entry = get_object_or_404(Entry.objects.select_related("source", "release"), pk=object_id)
        ways = actions.ways_for(entry)
        chosen = _chosen(ways, request.POST.get("way", "") or request.GET.get("way", ""))
        given = {one.name: request.POST.get(f"answer:{one.name}", "") for one in chosen.questions} if chosen else {}
        shown = ""
        if request.method == "POST" and chosen:
            try:
                if "install" in request.POST:
                    name = request.POST.get("server", "").strip()
                    done = actions.install_entry(
                        entry.name, actor=actor_of(request), way=chosen.id, answers=given, server_name=name
                    )
                    messages.success(request, f"{entry.title} is installed as {done.server.name}.")
                    return redirect(reverse("admin:registry_entry_change", args=[entry.pk]))
                shown = actions.plan_install(entry, chosen.id, given)[1].shown
            except HubError as refusal:
                messages.error(request, refusal.message)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Install {entry.title}",
            "entry": entry,
            "ways": ways,
            "chosen": chosen,
            "questions": [(one, given.get(one.name) or one.default or "") for one in chosen.questions]
            if chosen
            else [],
            "shown": shown,
            "server": request.POST.get("server", ""),
            "opts": self.model._meta,
        }
        return render(request, "registry/admin/install.html", context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # Django would list thousands of rows of the index and edits; what matters is said by the names.
        names = [str(entry) for entry in objs]
        return names, {str(Entry._meta.verbose_name_plural): len(names)}, set(), []


def _chosen(ways: list[Way], wanted: str) -> Way | None:
    return next((way for way in ways if way.id == wanted), next((way for way in ways if way.is_usable), None))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
