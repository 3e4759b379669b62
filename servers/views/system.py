"""The Settings page: every system setting in words, saved section by section; caches and exports. Admins only."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from mcphub.errors import HubError, NotFound
from mcphub.masking import masked
from mcphub.web.answers import notice, render
from mcphub.web.doors import page, viewer_of
from servers import actions, settings_form, settings_reader, system_config
from servers.settings_words import SECTIONS, Section
from servers.views.changes import settle


@require_safe
@page(admin=True)
def settings(request: HttpRequest) -> HttpResponse:
    """All sections whose settings have an effect."""
    values = _values()
    parts = [(section, settings_form.shown(section, values)) for section in SECTIONS if not section.later]
    return render(request, "settings/page.html", {"parts": parts})


@sensitive_post_parameters()
@require_POST
@page(admin=True)
def save_section(request: HttpRequest, section: str) -> HttpResponse:
    """Store what a section's form sends; answers with the section."""
    found = settings_form.section_named(section)
    if found is None or found.later:
        raise NotFound("There is no such section.")
    sent = request.POST.dict()
    try:
        changes = settings_form.changes_from(found, sent, _values())
        if changes:
            actions.change_settings(actor=viewer_of(request), values=changes)
            settle()
    except HubError as refused:
        told = settings_form.shown(found, _values(), sent, refused.message)
        return _section(request, found, told, settings_form.unplaced(found, refused.message), 422)
    response = _section(request, found, settings_form.shown(found, _values()))
    return notice(response, f"{found.title}: saved." if changes else "Nothing was changed.")


def _values() -> dict[str, Any]:
    """The effective settings, secrets masked."""
    shown: dict[str, Any] = masked(system_config.effective(settings_reader.stored()))
    return shown


def _section(
    request: HttpRequest, section: Section, fields: list[settings_form.Shown], wrong: str = "", status: int = 200
) -> HttpResponse:
    context = {"section": section, "fields": fields, "wrong": wrong}
    return render(request, "settings/_section.html", context, fragment="settings/_section.html", status=status)
