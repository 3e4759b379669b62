"""The filters of activities and audit, by django-filter: what a query says, checked, as criteria.

The API and the pages take the same words, so an address of one is an address of the other. Above: the API, the pages.
Below: `criteria`, `models`.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_date, parse_datetime

from activities.criteria import OUTCOMES, TEXT_WINDOW, Criteria, holding, keys_named, owned
from activities.models import AuditEntry, CallRecord
from activities.shapes import NOWHERE
from mcphub.actor import Viewer
from mcphub.errors import InvalidInput


class MomentField(forms.CharField):
    """An ISO date or time; without an offset it is UTC. `ends`: a date alone means its end."""

    def __init__(self, *args: Any, ends: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ends = ends

    def clean(self, value: Any) -> datetime | None:
        text = str(super().clean(value) or "").strip()
        return self._read(text) if text else None

    def _read(self, text: str) -> datetime:
        try:
            day = parse_date(text) if len(text) == len("2026-09-01") else None
            # A plus sign that nobody encoded arrives as a blank.
            at = None if day else parse_datetime(text) or parse_datetime(text.replace(" ", "+"))
        except ValueError:
            at = day = None
        if day is not None:
            at = datetime.combine(day, time.max if self._ends else time.min)
        if at is None:
            raise forms.ValidationError("must be an ISO date or time")
        return at if at.tzinfo else at.replace(tzinfo=UTC)


class MomentFilter(django_filters.Filter):  # type: ignore[misc]
    """A bound in time."""

    field_class = MomentField


class CallFilters(django_filters.FilterSet):  # type: ignore[misc]
    """The filters of `/api/activities*`: names by a part of them in this case, the key's id exactly."""

    server = django_filters.CharFilter()
    tool = django_filters.CharFilter()
    group = django_filters.CharFilter()
    username = django_filters.CharFilter()
    keyName = django_filters.CharFilter()
    keyId = django_filters.CharFilter()
    status = django_filters.CharFilter()
    method = django_filters.CharFilter()
    text = django_filters.CharFilter()
    startDate = MomentFilter()
    endDate = MomentFilter(ends=True)

    class Meta:
        model = CallRecord
        fields: list[str] = []

    def criteria(self, viewer: Viewer) -> Criteria:
        """What is asked for among the calls that the viewer may see. Raises `InvalidInput`."""
        sent = checked(self)
        names = dict(owned(viewer).names)
        for parameter, column in (("server", "server"), ("tool", "item"), ("group", "group"), ("username", "username")):
            if part := sent[parameter]:
                found = holding(viewer, column, part) | ({""} if column == "server" and part in NOWHERE else set())
                names[column] = names[column] & found if column in names else found
        if part := sent["keyName"]:
            names["key_id"] = keys_named(viewer, part)
        if sent["keyId"]:
            exact = frozenset({sent["keyId"]})
            names["key_id"] = names["key_id"] & exact if "key_id" in names else exact
        since, until = (_milliseconds(sent[bound]) for bound in ("startDate", "endDate"))
        if sent["text"] and since is None:
            since = _milliseconds(datetime.now(UTC) - timedelta(seconds=TEXT_WINDOW))
        return Criteria(names, since, until, OUTCOMES.get(sent["status"], ""), sent["method"], sent["text"])


class AuditFilters(django_filters.FilterSet):  # type: ignore[misc]
    """The filters of `/api/audit*`."""

    actor = django_filters.CharFilter(field_name="actor")
    action = django_filters.CharFilter(field_name="action", lookup_expr="startswith")
    subject = django_filters.CharFilter(field_name="subject")
    subjectId = django_filters.CharFilter(field_name="subject_id")
    name = django_filters.CharFilter(field_name="subject_name", lookup_expr="icontains")
    requestId = django_filters.CharFilter(field_name="request")
    startDate = MomentFilter(field_name="at", lookup_expr="gte")
    endDate = MomentFilter(field_name="at", lookup_expr="lte", ends=True)

    class Meta:
        model = AuditEntry
        fields: list[str] = []


def asked_calls(query: QueryDict, viewer: Viewer) -> Criteria:
    """The calls a query asks for. Raises `InvalidInput`."""
    return CallFilters(query, queryset=CallRecord.objects.none()).criteria(viewer)


def asked_audit(query: QueryDict, viewer: Viewer) -> QuerySet[AuditEntry]:
    """The audit entries a query asks for. Raises `InvalidInput`."""
    filters = AuditFilters(query, queryset=AuditEntry.objects.visible_to(viewer))
    checked(filters)
    found: QuerySet[AuditEntry] = filters.qs
    return found


def checked(filters: django_filters.FilterSet) -> dict[str, Any]:
    """The cleaned values of a filter set. Raises `InvalidInput`, which names the parameter."""
    if not filters.form.is_valid():
        name, problems = next(iter(filters.form.errors.items()))
        raise InvalidInput(f"{name} {problems[0]}.")
    return dict(filters.form.cleaned_data)


def _milliseconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)
