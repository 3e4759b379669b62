"""Which servers a user has switched on, from every device: one switch, the whole selection, and applying it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from mcphub.actor import Actor
from mcphub.errors import Conflict, HubError, InvalidInput
from registry import policies, readings
from registry.actions.catalogue import NoEntry
from registry.actions.installs import install_entry
from registry.actions.noting import note
from registry.models import Entry, UserSelection
from registry.planning.answers import MissingAnswers
from servers.actions import set_user_switch, toggle_server
from servers.models import Group, Server
from servers.policies import may_manage

_MOST = 2000


class VersionConflict(Conflict):
    """The selection was changed from another device since this one read it."""

    code = "version_conflict"
    sentence = "The selection was changed elsewhere; read it again."


@dataclass(frozen=True, slots=True)
class Switched:
    """What became of a switch. `tools`: how many of the server's tools the user can use now."""

    name: str
    enabled: bool
    tools: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a selection: names that are on now, and the others with the reason."""

    selection: UserSelection
    applied: list[str]
    skipped: list[tuple[str, str]]


@transaction.atomic
def switch_server(name: str, *, actor: Actor, enabled: bool, answers: Mapping[str, Any] | None = None) -> Switched:
    """Switch a server on or off for one user; one that is not installed yet is installed first.

    Raises `NoEntry`, `NotAllowed` (it would have to be installed, and the user may not), `MissingAnswers`.
    """
    server = readings.server_named(actor, name)
    if server is None:
        entry = Entry.objects.visible_to(actor).filter(name=name).first()
        if entry is None:
            raise NoEntry
        if enabled:
            server = install_entry(name, actor=actor, answers=answers).server
    if server is not None:
        _set_switch(actor, server, enabled)
    _remember(actor, name, enabled)
    note("switch_server", actor, "selection", name, after={"enabled": enabled})
    return Switched(name, enabled, readings.usable_tools(server) if server is not None and enabled else 0)


@transaction.atomic
def set_selection(
    *, actor: Actor, servers: Sequence[str], packs: Sequence[str] | None = None, version: int | None = None
) -> Applied:
    """Replace what a user wants switched on, and apply it.

    Args:
        packs: names of groups; None leaves them. version: of the selection that was read; None overwrites any.
    Raises `VersionConflict`, `InvalidInput` (too many).
    """
    if len(servers) > _MOST or len(packs or ()) > _MOST:
        raise InvalidInput(f"At most {_MOST} servers can be selected.")
    selection = _locked(actor)
    if version is not None and version != selection.version:
        raise VersionConflict(data={"version": selection.version})
    selection.servers = list(dict.fromkeys(servers))
    if packs is not None:
        visible = Group.objects.visible_to(actor).filter(name__in=packs)
        selection.packs = list(visible.values_list("name", flat=True))
    _save(selection)
    note("set_selection", actor, "selection", actor.username, after={"servers": selection.servers})
    return _apply(actor, selection)


@transaction.atomic
def apply_selection(*, actor: Actor) -> Applied:
    """Apply the stored selection again, such as after servers were added."""
    return _apply(actor, _locked(actor))


def _apply(actor: Actor, selection: UserSelection) -> Applied:
    applied: list[str] = []
    skipped: list[tuple[str, str]] = []
    for name in selection.servers:
        reason = _switch_on(actor, name)
        if reason:
            skipped.append((name, reason))
        else:
            applied.append(name)
    for name, server in readings.servers_by_entry(actor).items():
        if name not in selection.servers:
            _set_switch(actor, server, False)
    return Applied(selection, applied, skipped)


def _switch_on(actor: Actor, name: str) -> str:
    """Switch on one server of a selection; why that was not possible, or ""."""
    server = readings.server_named(actor, name)
    if server is not None:
        _set_switch(actor, server, True)
        return ""
    entry = Entry.objects.visible_to(actor).filter(name=name).first()
    if entry is None:
        return "not_found"
    if not entry.self_service or not policies.may_install(actor, entry):
        return "not_installed"
    try:
        with transaction.atomic():
            _set_switch(actor, install_entry(name, actor=actor).server, True)
    except MissingAnswers:
        return "missing_env"
    except HubError:
        return "not_installed"
    return ""


def _set_switch(actor: Actor, server: Server, enabled: bool) -> None:
    if enabled and not server.enabled and may_manage(actor, server):
        toggle_server(server.name, actor=actor, enabled=True)
        server.refresh_from_db()
    set_user_switch(server, actor=actor, enabled=enabled)


def _remember(actor: Actor, name: str, enabled: bool) -> None:
    selection = _locked(actor)
    wanted = [one for one in selection.servers if one != name] + ([name] if enabled else [])
    if wanted != selection.servers:
        selection.servers = wanted
        _save(selection)


def _locked(actor: Actor) -> UserSelection:
    """The user's selection; the first time, what is switched on at that moment."""
    selection = UserSelection.objects.select_for_update().filter(username=actor.username).first()
    if selection is None:
        selection = UserSelection(username=actor.username, servers=readings.switched_on(actor))
        selection.save()
    return selection


def _save(selection: UserSelection) -> None:
    selection.version += 1
    selection.updated_at = timezone.now()
    selection.save()
