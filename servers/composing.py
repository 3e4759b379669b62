"""Composing a group: what can be picked, what is, and the list of tools a client will see because of it.

The preview is made by the same catalogue that answers clients, of a snapshot with the draft in it. Above: the
dashboard's views. Below: the gateway's catalogue, `cost`, `mcphub.plane`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from mcphub import plane
from mcphub.actor import Actor
from mcphub.gateway.access import may_see
from mcphub.gateway.catalog import Catalog, Catalogs, Target
from mcphub.gateway.selector import Selector
from mcphub.gateway.snapshot import GroupSpec, Member, ServerSpec
from mcphub.web.doors import principal_of
from mcphub.web.words import plural
from servers import clients
from servers.attention import manages
from servers.cost import cost_of

#: Tools that the preview lists by name; the rest is counted.
LISTED = 200
_KINDS = ("tools", "prompts", "resources")
_DRAFT = "draft"


@dataclass(slots=True)
class Picked:
    """A server in a draft. A selection of None means everything, also what will come later."""

    alias: str = ""
    tools: list[str] | None = None
    prompts: list[str] | None = None
    resources: list[str] | None = None
    pinned: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Draft:
    """A group that is being composed; `picked` by server name, in its order."""

    name: str = ""
    description: str = ""
    visibility: str = "private"
    shared_with: list[str] = field(default_factory=list)
    picked: dict[str, Picked] = field(default_factory=dict)

    @property
    def shared_lines(self) -> str:
        """The names it is shared with, one a line."""
        return "\n".join(self.shared_with)

    def members(self) -> list[dict[str, Any]]:
        """The members as actions take them."""
        return [
            {
                "name": name,
                "alias": one.alias,
                **{kind: "all" if (chosen := getattr(one, kind)) is None else chosen for kind in _KINDS},
                "pinnedTools": one.pinned,
            }
            for name, one in self.picked.items()
        ]


@dataclass(frozen=True, slots=True)
class Picks:
    """What may be picked of one kind: key, description, picked, pinned. `all` where everything is."""

    kind: str
    all: bool
    items: Sequence[tuple[str, str, bool, bool]]


@dataclass(frozen=True, slots=True)
class Choice:
    """A server that may be picked; `picked` where it is in the group."""

    spec: ServerSpec
    picked: Picked | None

    @property
    def name(self) -> str:
        """The server's name."""
        return self.spec.name

    @property
    def about(self) -> str:
        """The beginning of its description; a hub with 500 servers writes 500 of them on a page."""
        return self.spec.description[:100]

    @property
    def words(self) -> str:
        """What it is found by while somebody types."""
        return " ".join([self.spec.name, *(offer.item.key for offer in self.spec.tools)]).lower()

    @property
    def summary(self) -> str:
        """How much of it is (or would be) picked, in words."""
        chosen, total = self.picked.tools if self.picked else None, len(self.spec.tools)
        return f"all {plural(total, 'tool')}" if chosen is None else f"{len(chosen)} of {plural(total, 'tool')}"

    @property
    def sent(self) -> list[tuple[str, str]]:
        """The fields that say what is picked, as long as nobody unfolds it to change that; none for a new one."""
        name, picked = self.spec.name, self.picked
        if picked is None:
            return []
        fields = [(f"told:{name}", "on"), (f"alias:{name}", picked.alias)]
        for kind in _KINDS:
            chosen = getattr(picked, kind)
            listed = [(f"{kind}:{name}", key) for key in chosen or ()]
            fields += [(f"all-{kind}:{name}", "on")] if chosen is None else listed
        return fields + [(f"pin:{name}", key) for key in picked.pinned]

    @property
    def kinds(self) -> list[Picks]:
        """What may be picked, by kind; also what was picked and is not offered at the moment, so that it stays."""
        picked = self.picked or Picked()
        found = []
        for kind in _KINDS:
            chosen, offers = getattr(picked, kind), {o.item.key: o for o in getattr(self.spec, kind)}
            keys = [key for key, offer in offers.items() if offer.enabled or key in (chosen or ())]
            keys += [key for key in chosen or () if key not in offers]
            items = [
                (key, (offers[key].description or "") if key in offers else "Not offered at the moment.",
                 chosen is None or key in chosen, key in picked.pinned)
                for key in keys
            ]  # fmt: skip
            found.append(Picks(kind, chosen is None, items))
        return found


@dataclass(frozen=True, slots=True)
class Preview:
    """What clients see: names with their cost, how many more, prompts and resources in numbers, tokens of all tools."""

    tools: Sequence[tuple[str, int]]
    more: int
    prompts: int
    resources: int
    tokens: int

    @property
    def count(self) -> int:
        """All tools."""
        return len(self.tools) + self.more


@dataclass(frozen=True, slots=True)
class Card:
    """A group as the list shows it."""

    group: GroupSpec
    members: Sequence[tuple[str, str]]
    preview: Preview
    endpoint: clients.Endpoint
    managed: bool


def card(group: GroupSpec, viewer: Actor) -> Card:
    """One group's card."""
    snapshot, principal = plane.require().snapshot, principal_of(viewer)
    members = [
        (member.server, member.alias)
        for member in group.members
        if (spec := snapshot.servers.get(member.server)) is not None and may_see(principal, spec)
    ]
    endpoint = clients.endpoint_of(snapshot.switches.public_url, group.name)
    return Card(group, members, preview(draft_of(group), viewer, LISTED), endpoint, manages(viewer, group))


def draft_of(group: GroupSpec) -> Draft:
    """What a group is now."""
    return Draft(
        group.name,
        group.description,
        group.visibility or "private",
        sorted(group.shared_with),
        {
            member.server: Picked(
                member.alias,
                _sorted(member.tools),
                _sorted(member.prompts),
                _sorted(member.resources),
                list(member.pinned),
            )
            for member in group.members
        },
    )


def _sorted(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _frozen(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def draft_from(sent: QueryDict) -> Draft:
    """What the editor sends: `server` for each picked one; its fields carry the server's name after a colon.

    A server of which nothing is `told` was picked without a look at what it offers: everything.
    """
    picked = {}
    for name in sent.getlist("server"):
        if f"told:{name}" not in sent:
            picked[name] = Picked()
            continue
        tools, prompts, resources = (
            None if f"all-{kind}:{name}" in sent else sent.getlist(f"{kind}:{name}") for kind in _KINDS
        )
        pinned = [tool for tool in sent.getlist(f"pin:{name}") if tools is None or tool in tools]
        picked[name] = Picked(sent.get(f"alias:{name}", "").strip(), tools, prompts, resources, pinned)
    return Draft(
        sent.get("name", "").strip(),
        sent.get("description", "").strip(),
        sent.get("visibility", "private"),
        list(dict.fromkeys(sent.get("shared_with", "").replace(",", " ").split())),
        picked,
    )


def choices(draft: Draft, viewer: Actor) -> list[Choice]:
    """The servers the viewer may pick: those in the draft first, in its order."""
    snapshot, principal = plane.require().snapshot, principal_of(viewer)
    seen = {name: spec for name, spec in snapshot.servers.items() if may_see(principal, spec)}
    names = [name for name in draft.picked if name in seen] + [name for name in seen if name not in draft.picked]
    return [Choice(seen[name], draft.picked.get(name)) for name in names]


def choice(viewer: Actor, server: str, draft: Draft) -> Choice | None:
    """One server as it may be picked; None where the viewer may not see it."""
    spec = plane.require().snapshot.servers.get(server)
    if spec is None or not may_see(principal_of(viewer), spec):
        return None
    return Choice(spec, draft.picked.get(server))


def preview(draft: Draft, viewer: Actor, most: int = LISTED) -> Preview:
    """What a client of the draft would see, if it may use what the viewer may."""
    catalog = _catalog(draft, viewer)
    tools = [item for item in catalog.offered("tools") if isinstance(item, Target)]
    costs = [(tool.exposed, cost_of(tool.offer, tool.exposed)) for tool in tools]
    builtin = plane.require().snapshot
    return Preview(
        costs[:most],
        max(0, len(costs) - most),
        sum(1 for _ in catalog.offered("prompts")) - len(builtin.prompts),
        sum(1 for _ in catalog.offered("resources")) - len(builtin.resources),
        sum(cost for _, cost in costs),
    )


def _catalog(draft: Draft, viewer: Actor) -> Catalog:
    snapshot = plane.require().snapshot
    members = tuple(
        Member(name, one.alias, _frozen(one.tools), _frozen(one.prompts), _frozen(one.resources), tuple(one.pinned))
        for name, one in draft.picked.items()
        if name in snapshot.servers
    )
    spec = GroupSpec(_DRAFT, draft.name or _DRAFT, members, viewer.username, "private")
    drafted = dataclasses.replace(snapshot, groups={_DRAFT: spec})
    return Catalogs().of(drafted, Selector("group", _DRAFT), principal_of(viewer))
