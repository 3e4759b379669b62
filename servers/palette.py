"""What the command palette finds: pages, actions, servers, groups and tools, best first. Read from memory.

Above: the dashboard's views. Below: `attention`, `mcphub.web.navigation`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.urls import reverse

from mcphub.actor import Actor
from mcphub.web import navigation
from mcphub.web.words import plural
from servers import attention

MOST = 12


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found. `dialog` is loaded into the dialog instead of going to `url`; `theme` is chosen."""

    title: str
    kind: str
    icon: str
    url: str = ""
    about: str = ""
    words: str = field(default="", repr=False)
    dialog: str = ""
    theme: str | None = None
    mono: bool = False


def find(viewer: Actor, text: str) -> list[Hit]:
    """At most `MOST` hits; pages and actions where nothing was typed."""
    wanted = text.lower().split()
    if not wanted:
        return [*_pages(viewer), *_actions(viewer)][:MOST]
    scored = (
        (score, number, hit) for number, hit in enumerate(_everything(viewer)) if (score := _score(hit, wanted)) > 0
    )
    return [hit for _, _, hit in heapq.nsmallest(MOST, scored, key=lambda each: (-each[0], each[1]))]


def _score(hit: Hit, wanted: list[str]) -> float:
    """How well all words match: whole titles, beginnings, beginnings of words, anywhere; 0 where one is missing."""
    title, rest = hit.title.lower(), f"{hit.about} {hit.words}".lower()
    total = 0.0
    for word in wanted:
        at = title.find(word)
        if at == 0:
            total += 5 if len(word) == len(title) else 3
        elif at > 0:
            total += 2 if not title[at - 1].isalnum() else 1
        elif word in rest:
            total += 0.5
        else:
            return 0.0
    return total - len(title) / 1000


def _everything(viewer: Actor) -> Iterator[Hit]:
    yield from _pages(viewer)
    yield from _actions(viewer)
    seen = attention.seen_by(viewer)
    for each in seen:
        url = reverse("server", args=[each.spec.name])
        tools = plural(len(each.spec.tools), "tool")
        yield Hit(
            each.spec.name, "Server", "server", url, f"{each.standing.label}, {tools}", each.spec.description, mono=True
        )
    for group in attention.groups_seen_by(viewer):
        yield Hit(
            group.name, "Group", "group", reverse("group", args=[group.key]), plural(len(group.members), "server")
        )
    for each in seen:
        url = reverse("server", args=[each.spec.name])
        for offer in each.spec.tools:
            yield Hit(offer.item.key, "Tool", "bolt", f"{url}?find={offer.item.key}", each.spec.name, mono=True)


def _pages(viewer: Actor) -> Iterator[Hit]:
    for entry, url in navigation.pages(viewer):
        yield Hit(entry.title, "Page", entry.icon, url, words=entry.words)


def _actions(viewer: Actor) -> Iterator[Hit]:
    yield Hit(
        "Connect a client", "Action", "plug", words="claude cursor vscode codex windsurf key", dialog=reverse("connect")
    )
    new = reverse("new-server")
    yield Hit("Add a server", "Action", "plus", new, words="new mcp")
    yield Hit("Paste JSON", "Action", "code", f"{new}?from=json", words="import servers claude cursor vscode")
    yield Hit("Add a group", "Action", "plus", reverse("new-group"), words="new")
    for name, theme in (("System", ""), ("Light", "light"), ("Dark", "dark")):
        yield Hit(f"{name} colours", "Action", "sun", words="theme mode light dark", theme=theme)
