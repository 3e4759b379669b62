"""From an entry to a server: the ways, the exact command, then `servers.actions.add_server` as everywhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from mcphub.actor import Actor
from mcphub.errors import InvalidInput, NotAllowed
from mcphub.masking import masked
from registry import policies
from registry.actions.catalogue import NoEntry
from registry.actions.noting import note
from registry.documents.reading import Unusable
from registry.documents.values import Input, Remote
from registry.models import Entry, Installation
from registry.planning.answers import MissingAnswers
from registry.planning.commands import Plan, plan
from registry.planning.machine import Machine
from registry.planning.ways import Way, ways_of
from servers.actions import add_server
from servers.models import Server

#: The way of an entry that carries a ready configuration.
READY = "config"


def ways_for(entry: Entry, machine: Machine | None = None) -> list[Way]:
    """The ways to install an entry here, best first; none where its document says of none."""
    if entry.config:
        return [_ready(entry)]
    try:
        document = entry.read()
    except Unusable:
        return []
    return ways_of(document, machine or Machine.here())


def plan_install(entry: Entry, way: str = "", answers: Mapping[str, Any] | None = None) -> tuple[Way, Plan]:
    """What an installation would store and the exact command; nothing is changed.

    Args:
        way: id of one of the entry's ways; "" for the best that works here.
    Raises `InvalidInput` (no way, unusable answers), `MissingAnswers`.
    """
    ways = ways_for(entry)
    chosen = next((one for one in ways if one.id == way), None) if way else next(iter(ways), None)
    if chosen is None:
        raise InvalidInput(
            "There is no such way to install this entry." if way else "Nothing of this entry can be run."
        )
    if chosen.id == READY:
        return chosen, _ready_plan(entry, chosen, answers or {})
    return chosen, plan(chosen, answers or {})


@transaction.atomic
def install_entry(
    name: str, *, actor: Actor, way: str = "", answers: Mapping[str, Any] | None = None, server_name: str = ""
) -> Installation:
    """Make a server from an entry.

    Args:
        server_name: "" for the entry's own name, or a free one made from it.
    Raises `NoEntry`, `NotAllowed` (no self-service), `InvalidInput`, `MissingAnswers`, `Conflict` (the name is taken).
    """
    entry = Entry.objects.visible_to(actor).select_related("source", "release").filter(name=name).first()
    if entry is None:
        raise NoEntry
    if not policies.may_install(actor, entry):
        raise NotAllowed("Only admins may install this entry; ask for it.")
    chosen, made = plan_install(entry, way, answers)
    config = {**made.config, "description": entry.description[:1000], "owner": actor.username}
    # An admin opened this entry to users, its commands included; what they may answer is bounded by the plan.
    installer = actor if actor.is_admin else dataclasses.replace(actor, is_admin=True)
    server = add_server(actor=installer, name=server_name or _free_name(entry), config=config)
    installation = Installation.objects.create(
        server=server,
        entry=entry,
        entry_name=entry.name,
        version=entry.version,
        way=chosen.id,
        installed_by=actor.username,
    )
    note(
        "install_entry", actor, "entry", name, after={"server": server.name, "way": chosen.id, "version": entry.version}
    )
    return installation


def _free_name(entry: Entry) -> str:
    """A server's name for an entry: its own, or with a number where that is taken."""
    taken = set(Server.objects.filter(name__startswith=entry.name[:100]).values_list("name", flat=True))
    return next(
        name for name in (entry.name, *(f"{entry.name}-{n}" for n in range(2, len(taken) + 3))) if name not in taken
    )


def _ready(entry: Entry) -> Way:
    """An entry's ready configuration as a way: its credentials are the questions."""
    told = entry.authentication
    wanted = [told["env_var"]] if told.get("env_var") else list(told.get("env_vars") or ())
    present = entry.config.get("env") or {}
    questions = tuple(
        Input(name, required=bool(told.get("required")) and not present.get(name), secret=True)
        for name in wanted
        if isinstance(name, str)
    )
    return Way(
        id=READY, label="As configured by the admins", runner=READY, transport=str(entry.config.get("type", "stdio")),
        source=Remote("sse", ""), questions=questions,
    )  # fmt: skip


def _ready_plan(entry: Entry, way: Way, answers: Mapping[str, Any]) -> Plan:
    given = {one.name: str(answers.get(one.name) or "").strip() for one in way.questions}
    missing = [one.name for one in way.questions if one.required and not given[one.name]]
    if missing:
        raise MissingAnswers(missing)
    config = dict(entry.config)
    added = {name: value for name, value in given.items() if value}
    if added:
        config["env"] = {**(config.get("env") or {}), **added}
    shown = masked(config)
    command = [shown.get("command"), *(shown.get("args") or ())]
    return Plan(config, str(shown.get("url") or " ".join(map(str, filter(None, command)))))
