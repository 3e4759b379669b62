"""One server: its items, its prompts and resources, trying them, its log, its calls, its settings."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from activities import glance
from activities.policies import may_read_hub_log
from mcphub import plane
from mcphub.actor import Actor
from mcphub.errors import HubError, InvalidInput, NotAllowed, NotFound
from mcphub.gateway.snapshot import ServerSpec
from mcphub.web.answers import done, go, render
from mcphub.web.doors import page, viewer_of
from servers import actions, clients, forms, lookups, readings, toolforms, trying
from servers.attention import Seen
from servers.cost import tools_cost
from servers.items import SHOWN, ItemView, item_view, item_views
from servers.views.adding import TRANSPORT_CHOICES
from servers.views.changes import changing, seen_server, settle

_PARTS = ("tools", "prompts", "resources", "try", "logs", "activity", "settings")


@require_safe
@page
def server(request: HttpRequest, name: str, part: str = "tools") -> HttpResponse:
    """The page of a server, at one of its tabs; with `?head` the part above the tabs, which reloads itself."""
    viewer = viewer_of(request)
    seen = seen_server(viewer, name)
    if part not in _PARTS or (part in ("logs", "settings") and not seen.managed):
        raise NotFound("There is no such page of this server.")
    context = _head(viewer, seen) | {"part": part}
    if "head" in request.GET:
        return render(request, "servers/_head.html", context, fragment="servers/_head.html")
    context |= _CONTEXTS[part](request, viewer, seen)
    fragment = "servers/_items.html" if part in SHOWN and "find" in request.GET else None
    return render(request, f"servers/part_{part if part not in SHOWN else 'items'}.html", context, fragment=fragment)


def _head(viewer: Actor, seen: Seen) -> dict[str, Any]:
    spec, switches = seen.spec, plane.require().snapshot.switches
    info = msgspec.json.decode(spec.inventory.server_info)
    return {
        "seen": seen,
        "spec": spec,
        "standing": seen.standing,
        "version": info.get("version") if isinstance(info, dict) else None,
        "endpoint": clients.endpoint_of(switches.public_url, spec.name),
        "tokens": tools_cost(spec, switches.separator),
        "sums": glance.by_server(viewer).get(spec.name),
        "uptime": time.time() - seen.standing.connected_at if seen.standing.connected_at else None,
        "tabs": _tabs(seen),
    }


def _tabs(seen: Seen) -> list[tuple[str, str, int | None]]:
    spec = seen.spec
    tabs: list[tuple[str, str, int | None]] = [
        ("tools", "Tools", len(spec.tools)),
        ("prompts", "Prompts", len(spec.prompts)),
        ("resources", "Resources", len(spec.resources) + len(spec.templates)),
        ("try", "Try it", None),
        ("activity", "Activity", None),
    ]
    return [*tabs, ("logs", "Logs", None), ("settings", "Settings", None)] if seen.managed else tabs


def _items(request: HttpRequest, viewer: Actor, seen: Seen) -> dict[str, Any]:
    part = request.resolver_match.kwargs.get("part", "tools") if request.resolver_match else "tools"
    find = request.GET.get("find", "").strip()
    listed = item_views(seen.spec, part, plane.require().snapshot.switches.separator)
    words = find.lower()
    shown = [each for each in listed if words in each.key.lower() or words in each.description.lower()]
    return {"items": shown, "all_items": len(listed), "find": find, "kinds": part}


def _try(request: HttpRequest, viewer: Actor, seen: Seen) -> dict[str, Any]:
    kind = request.GET.get("kind", "tool")
    if kind not in ("tool", "prompt", "resource"):
        raise NotFound()
    offers = {"tool": seen.spec.tools, "prompt": seen.spec.prompts, "resource": seen.spec.resources}[kind]
    usable = [offer for offer in offers if offer.enabled]
    wanted = request.GET.get("item", "")
    chosen = next((offer for offer in usable if offer.item.key == wanted), usable[0] if usable and not wanted else None)
    context: dict[str, Any] = {"kind": kind, "choices": [offer.item.key for offer in usable], "wanted": wanted}
    if chosen is None:
        return context
    view = item_view(seen.spec, chosen, "")
    return context | {"item": view, "fields": view.fields, "example": msgspec.json.encode(view.example).decode()}


def _logs(request: HttpRequest, viewer: Actor, seen: Seen) -> dict[str, Any]:
    return {"log_url": f"{reverse('log-stream')}?server={seen.spec.name}", "whole": may_read_hub_log(viewer)}


def _activity(request: HttpRequest, viewer: Actor, seen: Seen) -> dict[str, Any]:
    return {"calls": glance.newest(viewer, seen.spec.name)}


def _settings(request: HttpRequest, viewer: Actor, seen: Seen) -> dict[str, Any]:
    row = lookups.managed_server(viewer, seen.spec.name)
    config = readings.shown(row)
    groups = [
        group.name
        for group in plane.require().snapshot.groups.values()
        if any(member.server == seen.spec.name for member in group.members)
    ]
    whole = {name: value for name, value in config.items() if name not in SHOWN}
    return {
        "values": {**forms.values_of(config), "name": row.name},
        "config": config,
        "whole": msgspec.json.format(msgspec.json.encode(whole), indent=2).decode(),
        "groups": groups,
        "transport_choices": TRANSPORT_CHOICES,
    }


_CONTEXTS = {
    "tools": _items,
    "prompts": _items,
    "resources": _items,
    "try": _try,
    "logs": _logs,
    "activity": _activity,
    "settings": _settings,
}


@require_safe
@page
def item_details(request: HttpRequest, name: str) -> HttpResponse:
    """What is unfolded below an item: its description to be changed, its definition."""
    seen = seen_server(viewer_of(request), name)
    view = _item(seen.spec, request.GET.get("kind", ""), request.GET.get("key", ""))
    context = {"item": view, "spec": seen.spec, "seen": seen}
    return render(request, "servers/_details.html", context, fragment="servers/_details.html")


@changing
def change_item(request: HttpRequest, name: str) -> HttpResponse:
    """Switch an item, describe it in other words, or show the upstream's again; answers with the item."""
    viewer, kind, key = viewer_of(request), request.POST.get("kind", ""), request.POST.get("key", "")
    match request.POST.get("do"):
        case "switch":
            actions.set_item_enabled(name, kind, key, actor=viewer, enabled=request.POST.get("enabled") == "true")
        case "describe":
            actions.describe_item(name, kind, key, actor=viewer, description=request.POST.get("description", ""))
        case "reset":
            actions.reset_item(name, kind, key, actor=viewer)
        case _:
            raise InvalidInput("There is nothing to do.")
    settle()
    seen = seen_server(viewer, name)
    view = _item(seen.spec, kind, key)
    context = {"item": view, "spec": seen.spec, "seen": seen}
    return render(request, "servers/_item.html", context, fragment="servers/_item.html")


@changing
def switch_all(request: HttpRequest, name: str) -> HttpResponse:
    """Offer or hide all items of a kind, as far as the list's search finds them."""
    viewer, part = viewer_of(request), request.POST.get("part", "")
    enabled, words = request.POST.get("enabled") == "true", request.POST.get("find", "").strip().lower()
    if part not in SHOWN:
        raise InvalidInput("There is nothing to do.")
    seen = seen_server(viewer, name)
    if not seen.managed:
        raise NotAllowed("Only its owner and admins may switch its items.")
    for each in item_views(seen.spec, part, ""):
        if each.enabled != enabled and each.switchable and words in f"{each.key} {each.description}".lower():
            actions.set_item_enabled(name, each.kind, each.key, actor=viewer, enabled=enabled)
    settle()
    return done(events={"hub:items-changed": None})


@changing
def try_item(request: HttpRequest, name: str) -> HttpResponse:
    """Use an item with what the form sends; answers with the result."""
    viewer, kind, key = viewer_of(request), request.POST.get("kind", ""), request.POST.get("key", "")
    seen = seen_server(viewer, name)
    context: dict[str, Any] = {"spec": seen.spec}
    try:
        view = _item(seen.spec, kind, key)
        arguments = toolforms.arguments_from(request.POST.dict(), view.fields)
        context["outcome"] = trying.use(viewer, name, kind, key, arguments)
    except HubError as refused:
        context["refused"] = refused
    return render(request, "servers/_outcome.html", context, fragment="servers/_outcome.html")


@changing
def change_server(request: HttpRequest, name: str) -> HttpResponse:
    """Store what the settings form, or its JSON, sends."""
    viewer, sent = viewer_of(request), request.POST.dict()
    stored = readings.config_of(lookups.managed_server(viewer, name))
    try:
        if "whole" in sent:
            config = forms.json_object("The configuration", sent["whole"])
            # What is missing in the text was taken out of it.
            config = {**dict.fromkeys(stored.keys() - {"type", *SHOWN}), **config}
        else:
            config = forms.config_from(sent, stored)
            if viewer.is_admin and sent.get("owner"):
                config["owner"] = sent["owner"]
        row = actions.change_server(name, actor=viewer, config=config, new_name=sent.get("name") or None)
    except HubError as refused:
        context = {"values": sent, "refused": refused, "spec": seen_server(viewer, name).spec}
        context |= {"viewer": viewer, "transport_choices": TRANSPORT_CHOICES}
        template = "servers/_whole.html" if "whole" in sent else "servers/_form.html"
        return render(request, template, context | {"whole": sent.get("whole", "")}, fragment=template)
    settle()
    return go(request, reverse("server-part", args=[row.name, "settings"]), "The settings were saved.")


def _item(spec: ServerSpec, kind: str, key: str) -> ItemView:
    """An item of a server by kind and key. Raises `NotFound`."""
    offers = {
        "tool": spec.tools,
        "prompt": spec.prompts,
        "resource": spec.resources,
        "template": spec.templates,
    }.get(kind, ())
    found = next((offer for offer in offers if offer.item.key == key), None)
    if found is None:
        raise NotFound("The server does not offer this any more.")
    return item_view(spec, found, plane.require().snapshot.switches.separator)
