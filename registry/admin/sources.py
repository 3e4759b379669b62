"""Sources in the admin: health, progress, sync now, reports; and what of them could not be used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from mcphub.errors import HubError
from mcphub.web.backoffice import ReadingAdmin, actor_of
from registry import actions, schedules
from registry.admin.seams import told
from registry.models import Reject, Source, SyncRun, Version

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Source]
else:
    ModelForm = forms.ModelForm  # Django's forms take type parameters in their stubs only

_CHANGEABLE = ("name", "url", "enabled", "approves", "pace_ms", "position")


class SourceForm(ModelForm):
    """A source. Headers are written, never shown."""

    new_headers = forms.JSONField(
        label="Headers", required=False, help_text='Such as {"Authorization": "Bearer …"}; empty keeps the stored ones.'
    )

    class Meta:
        model = Source
        fields = ("slug", *_CHANGEABLE)

    @property
    def changes(self) -> dict[str, Any]:
        """What was changed, in the words of the actions."""
        found = {name: self.cleaned_data[name] for name in self.changed_data if name in _CHANGEABLE}
        if self.cleaned_data.get("new_headers") is not None:
            found["headers"] = self.cleaned_data["new_headers"]
        return found


@admin.register(Source)
class SourceAdmin(ModelAdmin):
    """See the module."""

    form = SourceForm
    list_display = ("name", "kind", "enabled", "health", "progress", "succeeded_at", "versions_known")
    actions_detail = ("sync_now", "sync_all", "accept_reset")
    readonly_fields = ("kind", "health", "progress", "watermark", "schedule", "last_runs")
    fieldsets = (
        (None, {"fields": ("slug", *_CHANGEABLE[:4], "new_headers")}),
        ("Health", {"fields": ("kind", "health", "progress", "watermark", "schedule", "last_runs")}),
        ("Politeness and order", {"fields": ("pace_ms", "position")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Source | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "slug") if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Source | None = None) -> bool:
        return obj is None or obj.kind == Source.Kind.REGISTRY

    def save_model(self, request: HttpRequest, obj: Source, form: SourceForm, change: bool) -> None:
        # Refusals of the action's own rules are told and nothing is stored; the form's were told before.
        with told(request):
            if change:
                actions.change_source(obj.slug, actor=actor_of(request), **form.changes)
                return
            known = {name: value for name, value in form.changes.items() if name not in ("name", "url")}
            made = actions.add_source(actor=actor_of(request), slug=obj.slug, name=obj.name, url=obj.url, **known)
            obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: Source) -> None:
        actions.remove_source(obj.slug, actor=actor_of(request))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}  # sources are removed one by one: each takes its mirror with it

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        told_of = [f"{source.name}, its mirror and its entries; installed servers stay" for source in objs]
        return told_of, {"sources": len(told_of)}, set(), []

    # -- health ------------------------------------------------------------------------------------------------------

    @display(description="Health", label={"Well": "success", "Trouble": "danger", "Not synchronised yet": "info"})
    def health(self, source: Source) -> str:
        if source.kind != Source.Kind.REGISTRY:
            return "Well"
        if source.alarm or source.failures:
            return "Trouble"
        return "Well" if source.succeeded_at else "Not synchronised yet"

    @display(description="Progress")
    def progress(self, source: Source) -> str:
        if source.alarm:
            return source.alarm
        if source.holder:
            return f"{source.pass_kind}: {source.pass_pages} pages, {source.pass_rows} rows so far"
        return "interrupted; the next run goes on" if source.pass_kind else "idle"

    @display(description="Versions")
    def versions_known(self, source: Source) -> int:
        return source.versions.count()

    @display(description="Schedules")
    def schedule(self, source: Source) -> SafeString | str:
        edit = "admin:django_celery_beat_periodictask_change"
        rows = [
            (reverse(edit, args=[task.pk]), task.name, str(task.interval or task.crontab))
            for task in schedules.of(source)
        ]
        return format_html_join("", "<p><a href='{}'>{}</a>: {}</p>", rows) if rows else "none"

    @display(description="Last runs")
    def last_runs(self, source: Source) -> SafeString | str:
        rows = [
            (reverse("admin:registry_syncrun_change", args=[run.pk]), f"{run.started_at:%Y-%m-%d %H:%M}", run.kind,
             run.get_state_display(), run.message)
            for run in source.runs.all()[:5]
        ]  # fmt: skip
        return format_html_join("", "<p><a href='{}'>{}</a> {}: {} {}</p>", rows) if rows else "none yet"

    # -- actions -----------------------------------------------------------------------------------------------------

    @action(description="Sync now", url_path="sync", icon="sync")
    def sync_now(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._queued(request, object_id, "delta")

    @action(description="Read everything again", url_path="sync-all", icon="cached")
    def sync_all(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._queued(request, object_id, "full")

    @action(description="Accept the loss of data", url_path="accept-reset", icon="rule")
    def accept_reset(self, request: HttpRequest, object_id: int) -> HttpResponse:
        source = get_object_or_404(Source, pk=object_id)
        with told(request):
            actions.accept_reset(source.slug, actor=actor_of(request))
            messages.success(request, "The next full pass, which begins now, marks what is gone as missing.")
        return redirect(reverse("admin:registry_source_change", args=[object_id]))

    def _queued(self, request: HttpRequest, object_id: int, kind: str) -> HttpResponse:
        source = get_object_or_404(Source, pk=object_id)
        try:
            actions.request_sync(source.slug, actor=actor_of(request), kind=kind)
            messages.success(request, "Queued; the progress shows here.")
        except HubError as refusal:
            messages.error(request, refusal.message)
        return redirect(reverse("admin:registry_source_change", args=[object_id]))


@admin.register(SyncRun)
class SyncRunAdmin(ReadingAdmin):
    """The reports."""

    list_display = ("source", "kind", "state", "started_at", "finished_at", "rows", "unusable", "message")
    list_filter = ("source", "state", "kind")
    fields = ("source", "kind", "state", "asked_by", "resumed", "started_at", "finished_at", "message", "shown_report")
    readonly_fields = fields

    @display(description="Rows")
    def rows(self, run: SyncRun) -> int:
        return int(run.report.get("rows", 0))

    @display(description="Not usable")
    def unusable(self, run: SyncRun) -> int:
        return int(run.report.get("unusable", 0))

    @display(description="Report")
    def shown_report(self, run: SyncRun) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(run.report, indent=2, ensure_ascii=False))


@admin.register(Reject)
class RejectAdmin(ReadingAdmin):
    """List items that could not even be stored as a version."""

    list_display = ("source", "reason", "first_seen", "last_seen")
    list_filter = ("source",)


@admin.register(Version)
class VersionAdmin(ReadingAdmin):
    """The mirror."""

    list_display = ("name", "version", "source", "availability", "is_latest", "problem")
    list_filter = ("source", "availability", "is_latest", ("problem", admin.EmptyFieldListFilter))
    search_fields = ("name__startswith",)
    show_full_result_count = False
