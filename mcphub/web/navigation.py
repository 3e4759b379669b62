"""The entries of the side bar. An entry whose page does not exist (yet), or is not for the viewer, is left out.

What is counted beside an entry is known by the apps, above; `settings.DASHBOARD_COUNTS` names the functions that count
(the way API_SWITCHES works). Above: `answers`, the palette. Below: Django's URLs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from mcphub.actor import Actor


@dataclass(frozen=True, slots=True)
class Count:
    """A number beside an entry: `words` say it to those who do not see it; `bad` where somebody should look."""

    number: int
    words: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A page: the name of its URL, its icon, and who may see it. `words` are other names people look for it by."""

    title: str
    name: str
    icon: str
    admin: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as it is drawn."""

    entry: Entry
    url: str
    current: bool
    count: Count | None


_SECTIONS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "",
        (
            Entry("Overview", "overview", "home", words="dashboard start health"),
            Entry("Servers", "servers", "server", words="mcp upstreams connections"),
            Entry("Groups", "groups", "group", words="selections endpoints"),
            Entry("Registry", "registry", "box", words="market catalogue install"),
        ),
    ),
    (
        "Observe",
        (
            Entry("Activity", "activity", "pulse", words="calls history statistics"),
            Entry("Logs", "logs", "lines", words="output stderr"),
            Entry("Audit", "audit", "history", admin=True, words="changes history who"),
        ),
    ),
    (
        "Manage",
        (
            Entry("Keys", "keys", "key", words="tokens bearer access"),
            Entry("Credentials", "credentials", "lock", words="my secrets"),
            Entry("Users", "users", "user", admin=True, words="people accounts"),
            Entry("OAuth clients", "oauth-clients", "shield", admin=True),
            Entry("Settings", "settings", "sliders", admin=True, words="system configuration"),
            Entry("Admin", "admin:index", "tool", admin=True, words="back-office django"),
        ),
    ),
)


def pages(viewer: Actor) -> Iterator[tuple[Entry, str]]:
    """All pages the viewer may open, with their addresses."""
    for _, entries in _SECTIONS:
        for entry in entries:
            url = _address(entry.name)
            if url is not None and (viewer.is_admin or not entry.admin):
                yield entry, url


def sections(viewer: Actor, path: str) -> list[tuple[str, list[Link]]]:
    """The side bar of a viewer who looks at `path`."""
    reachable = dict(pages(viewer))
    overview = _address("overview")
    drawn = []
    for title, entries in _SECTIONS:
        links = [
            Link(entry, url, _is_current(path, url, exact=url == overview), _count(entry.name, viewer))
            for entry in entries
            if (url := reachable.get(entry)) is not None
        ]
        if links:
            drawn.append((title, links))
    return drawn


def _is_current(path: str, url: str, *, exact: bool) -> bool:
    return path == url or (not exact and path.startswith(url.rstrip("/") + "/"))


def _address(name: str) -> str | None:
    try:
        return reverse(name)
    except NoReverseMatch:
        return None


def _count(name: str, viewer: Actor) -> Count | None:
    counting = settings.DASHBOARD_COUNTS.get(name)
    return None if counting is None else _function(counting)(viewer)


@functools.cache
def _function(path: str) -> Callable[[Actor], Count | None]:
    found: Any = import_string(path)
    return found  # type: ignore[no-any-return]
