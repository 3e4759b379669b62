"""The audit's page: who changed what, when and from where, with what it was before. Admins only."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from activities import exports, shapes
from activities.filters import asked_audit
from activities.models import AuditEntry
from mcphub.web.answers import render
from mcphub.web.doors import page, viewer_of
from mcphub.web.pages import page_number

#: Entries of a page.
PAGE = 50
_NARROWING = ("actor", "action", "subject", "name", "requestId", "startDate", "endDate")


@require_safe
@page(admin=True)
def audit(request: HttpRequest) -> HttpResponse:
    """The list, newest first; for htmx what the filters change."""
    asked = asked_audit(request.GET, viewer_of(request))
    total = asked.count()
    number, last = page_number(request.GET, total, PAGE)
    rows = asked[(number - 1) * PAGE : number * PAGE]
    context = {
        "entries": [(entry, _differences(entry)) for entry in rows],
        "total": total,
        "number": number,
        "last": last,
        "narrowed": any(request.GET.get(name) for name in _NARROWING),
        "subjects": AuditEntry.objects.order_by("subject").values_list("subject", flat=True).distinct(),
    }
    return render(request, "audit/list.html", context, fragment="audit/_found.html")


@require_safe
@page(admin=True)
def export(request: HttpRequest) -> HttpResponseBase:
    """All entries that the filters let through, as a file."""
    form = exports.form_of(request.GET)
    return exports.download(
        exports.audit(asked_audit(request.GET, viewer_of(request)), form, shapes.audit), "audit", form
    )


def _differences(entry: AuditEntry) -> list[tuple[str, Any, Any]]:
    """Each member with its value before and after; None where there was or is none."""
    before, after = entry.before or {}, entry.after or {}
    return [(name, before.get(name), after.get(name)) for name in {**before, **after}]
