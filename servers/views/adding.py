"""Adding servers: by form, by pasted JSON, the demo server; and trying a connection before anything is stored."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from mcphub.errors import Conflict, HubError, InvalidInput
from mcphub.web.answers import go, render
from mcphub.web.doors import page, viewer_of
from mcphub.web.words import plural
from servers import actions, demo_server, forms, lookups, pasting, readings, trials
from servers.models import Server
from servers.views.changes import changing, settle

#: What the demo server is called; with a number where that name is taken.
_DEMO = "demo"
#: Bytes of an uploaded settings file that are looked at.
_MOST_JSON = 1024 * 1024
#: The transports, as the form offers them: key, title, sentence, icon.
TRANSPORT_CHOICES = (
    ("stdio", "Command", "A program the hub starts on its machine: npx, uvx, a script", "terminal"),
    ("streamable-http", "Remote", "A server somewhere else, over streamable HTTP", "globe"),
    ("sse", "Remote, legacy", "An older server that speaks HTTP with SSE", "globe"),
    ("openapi", "OpenAPI", "A REST service with a description", "code"),
)


@require_safe
@page
def new_server(request: HttpRequest) -> HttpResponse:
    """The page with all the ways to add one."""
    way = request.GET.get("from", "")
    kind = request.GET.get("type") or ("stdio" if viewer_of(request).is_admin else "streamable-http")
    context = {
        "way": way if way in ("json", "bundle") else "form",
        "values": {**forms.values_of({}), "type": kind},
        "transport_choices": TRANSPORT_CHOICES,
    }
    return render(request, "servers/new.html", context)


@changing
def add_server(request: HttpRequest) -> HttpResponse:
    """What the form sends."""
    sent = request.POST.dict()
    try:
        actions.add_server(actor=viewer_of(request), name=sent.get("name"), config=forms.config_from(sent))
    except HubError as refused:
        context = {"way": "form", "values": sent, "refused": refused, "transport_choices": TRANSPORT_CHOICES}
        return render(request, "servers/new.html", context, fragment="servers/_form.html")
    settle()
    return go(request, reverse("server", args=[sent["name"].strip()]), f"{sent['name']} was added.")


@require_POST
@page(reads=True)
def preview(request: HttpRequest) -> HttpResponse:
    """What is in a pasted text, before anything of it is added."""
    text, refused, found = request.POST.get("text", ""), None, []
    if upload := request.FILES.get("file"):
        text = upload.read(_MOST_JSON).decode(errors="replace")
    if text.strip():
        try:
            found = pasting.read(text)
        except InvalidInput as refusal:
            refused = refusal
    taken = set(Server.objects.filter(name__in=[each.name for each in found]).values_list("name", flat=True))
    context = {"found": [(each, each.name in taken) for each in found], "text": text, "refused": refused}
    return render(request, "servers/_pasted.html", context, fragment="servers/_pasted.html")


@changing
def add_pasted(request: HttpRequest) -> HttpResponse:
    """Add the chosen ones of a pasted text; says of each what became of it."""
    found = {each.name: each for each in pasting.read(request.POST.get("text", ""))}
    chosen = [found[name] for name in request.POST.getlist("server") if name in found]
    if not chosen:
        raise InvalidInput("Choose at least one server.")
    sent = [{"name": each.name, "config": dict(each.config)} for each in chosen]
    outcomes = actions.add_servers(actor=viewer_of(request), servers=sent)
    settle()
    if all(outcome.refusal is None for outcome in outcomes):
        if len(outcomes) == 1:
            return go(request, reverse("server", args=[outcomes[0].name]), f"{outcomes[0].name} was added.")
        return go(request, reverse("servers"), f"{plural(len(outcomes), 'server')} were added.")
    return render(request, "servers/_outcomes.html", {"outcomes": outcomes}, fragment="servers/_outcomes.html")


@changing
def add_bundle(request: HttpRequest) -> HttpResponse:
    """Unpack an .mcpb bundle and add the server it describes; one of its name is started from it from now on."""
    upload = request.FILES.get("bundle")
    if not isinstance(upload, UploadedFile) or upload.file is None:
        raise InvalidInput("Choose a file whose name ends in .mcpb.")
    kept = actions.keep_bundle(upload.file, actor=viewer_of(request), register=True)
    assert kept.server is not None  # registered, as was asked
    settle()
    name = kept.server.name
    # What the manifest asks a person for became variables, which only a person can fill in.
    asked = kept.manifest.get("user_config")
    part = "settings" if isinstance(asked, dict) and asked else "tools"
    words = "Fill in what it needs under its environment." if part == "settings" else ""
    return go(request, reverse("server-part", args=[name, part]), f"{name} was added. {words}".strip())


@require_POST
@page(reads=True)
def test_connection(request: HttpRequest) -> HttpResponse:
    """Connect once as the form says; nothing is stored. For a stored server, its secrets are used."""
    viewer, sent = viewer_of(request), request.POST.dict()
    context: dict[str, Any] = {}
    try:
        stored = None
        if name := sent.get("stored"):
            stored = readings.config_of(lookups.managed_server(viewer, name))
        context["trial"] = trials.try_out(forms.config_from(sent, stored), actor=viewer, stored=stored)
    except HubError as refused:
        context["refused"] = refused
    return render(request, "servers/_trial.html", context, fragment="servers/_trial.html")


@changing
def add_demo(request: HttpRequest) -> HttpResponse:
    """Add the demo server, and show it."""
    config = {
        "type": "stdio",
        "command": sys.executable,
        # Isolated: it needs nothing but the standard library, and sees nothing of the hub.
        "args": ["-I", str(Path(demo_server.__file__).resolve())],
        "description": "A few harmless tools to see how everything works.",
        "visibility": "public",
    }
    for number in range(1, 100):
        name = _DEMO if number == 1 else f"{_DEMO}-{number}"
        try:
            actions.add_server(actor=viewer_of(request), name=name, config=config)
        except Conflict:
            continue
        settle()
        return go(request, reverse("server", args=[name]), "The demo server was added. Try one of its tools.")
    raise Conflict("There are demo servers enough.")
