"""Users' wishes in the admin: approve or refuse with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from mcphub.web.backoffice import actor_of
from registry import actions
from registry.admin.seams import told
from registry.models import EntryRequest

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[EntryRequest]
else:
    ModelForm = forms.ModelForm  # Django's forms take type parameters in their stubs only


class DecisionForm(ModelForm):
    """What the admin decides of a wish."""

    decision = forms.ChoiceField(choices=[("", "later"), ("approve", "Approve"), ("refuse", "Refuse")], required=False)

    class Meta:
        model = EntryRequest
        fields = ("answer",)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("decision") == "refuse" and not (cleaned.get("answer") or "").strip():
            self.add_error("answer", "A refusal needs a reason.")
        return cleaned


@admin.register(EntryRequest)
class EntryRequestAdmin(ModelAdmin):
    """See the module."""

    form = DecisionForm
    list_display = ("subject", "username", "state", "entry", "created_at", "decided_by")
    list_filter = ("state",)
    fields = ("subject", "username", "reason", "entry", "state", "decision", "answer")
    readonly_fields = ("subject", "username", "reason", "entry", "state")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: EntryRequest | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: EntryRequest, form: DecisionForm, change: bool) -> None:
        decision = form.cleaned_data.get("decision")
        if decision:
            with told(request):
                answer = form.cleaned_data.get("answer") or ""
                actions.decide_request(obj.pk, actor=actor_of(request), approve=decision == "approve", answer=answer)
