"""Entries in the words of the market: how each can be installed, with which arguments. Above: the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.cache import cache
from django.db.models import QuerySet

from mcphub.errors import NotFound
from registry.documents.reading import Unusable
from registry.documents.values import Argument, Document, Input, Package, Remote
from registry.models import Entry
from registry.planning.ways import questions_of
from registry.search import Query, find

#: The market has no pages of its own; more entries than this are for the registry's routes.
MOST = 1000
_SHORTLY = 60
_COMMANDS = {
    "npm": ("npm", "npx", ("-y",)),
    "pypi": ("uvx", "uvx", ()),
    "oci": ("docker", "docker", ("run", "-i", "--rm")),
    "nuget": ("dnx", "dnx", ()),
}


def all_entries(limit: int = MOST, offset: int = 0) -> list[dict[str, Any]]:
    """What is offered, official entries first."""
    rows = _entries().order_by("-official", "name")[offset : offset + limit]
    return [shown(entry) for entry in rows]


def search(text: str, limit: int = MOST) -> list[dict[str, Any]]:
    """Entries in which any of the words occurs, best first."""
    return _in_order(find(Query(text=text, any_term=True, limit=limit)).ids)


def in_category(category: str) -> list[dict[str, Any]]:
    """The entries of a category."""
    return _in_order(find(Query(category=category, limit=MOST)).ids)


def tagged(tag: str) -> list[dict[str, Any]]:
    """The entries with a tag."""
    return _in_order(find(Query(tag=tag, limit=MOST)).ids)


def matching(text: str = "", category: str = "", tag: str = "", limit: int = MOST) -> tuple[int, list[dict[str, Any]]]:
    """How many entries fit all of what is given (any of the words is enough), and the first of them."""
    ids = find(Query(text=text, category=category, tag=tag, any_term=True, limit=MOST)).ids
    return len(ids), _in_order(ids[:limit])


def one(name: str) -> dict[str, Any]:
    """One entry. Raises `NotFound`."""
    entry = _entries().filter(name=name).first()
    if entry is None:
        raise NotFound("There is no such server in the market.")
    return shown(entry)


def count() -> int:
    """How many entries are offered."""
    return Entry.objects.offered().count()


def categories() -> list[str]:
    """The categories that entries have."""
    return sorted(Entry.objects.offered().order_by().values_list("category", flat=True).distinct())


def tags() -> list[str]:
    """The tags that entries have; may be a minute old, as all entries are read for it."""
    found: list[str] | None = cache.get("market:tags")
    if found is None:
        lists = Entry.objects.offered().order_by().values_list("tags", flat=True).iterator(2000)
        found = sorted({str(tag) for tags in lists for tag in tags})
        cache.set("market:tags", found, _SHORTLY)
    return found


def shown(entry: Entry) -> dict[str, Any]:
    """An entry as the market shows it."""
    try:
        document = entry.read()
    except Unusable:
        document = Document(entry.upstream_name, entry.version)
    told = {
        "name": entry.name,
        "display_name": entry.title,
        "description": entry.description,
        "repository": {"type": "git", "url": entry.repository},
        "homepage": entry.website,
        "author": {"name": entry.author},
        "license": entry.license,
        "categories": [entry.category],
        "tags": entry.tags,
        "examples": entry.examples,
        "installations": _installations(entry, document),
        "arguments": _arguments(document),
        "tools": [{"inputSchema": {"type": "object"}, **tool} for tool in entry.tools],
        "icon": entry.icon,
    }
    return told | ({"is_official": True} if entry.official else {})


def _entries() -> QuerySet[Entry]:
    return Entry.objects.offered().select_related("release")


def _in_order(ids: Iterable[int]) -> list[dict[str, Any]]:
    wanted = list(ids)
    entries = _entries().in_bulk(wanted)
    return [shown(entries[pk]) for pk in wanted if pk in entries]


def _installations(entry: Entry, document: Document) -> dict[str, Any]:
    """Commands by kind, with `${NAME}` where a value has to be put in."""
    found: dict[str, Any] = {}
    for package in document.packages:
        known = _COMMANDS.get(package.registry)
        if known is not None and package.transport == "stdio":
            found.setdefault(known[0], _command(known, package))
    for remote in document.remotes:
        headers = {one.name: _filled(one) for one in remote.headers if one.required}
        told = {"type": remote.transport, "url": remote.url} | ({"headers": headers} if headers else {})
        found.setdefault("custom" if "custom" not in found else remote.transport, told)
    if not found and entry.config:
        # What admins configured may hold secrets; only how it is started is told.
        found["custom"] = {"type": "custom", "command": str(entry.config.get("command", "")), "args": []}
    return found


def _command(known: tuple[str, str, tuple[str, ...]], package: Package) -> dict[str, Any]:
    kind, command, before = known
    separator = {"oci": ":", "pypi": "@"}.get(package.registry, "@")
    named = f"{package.identifier}{separator}{package.version}" if package.version else package.identifier
    environment = {one.name: _filled(one) for one in package.environment if one.required or one.value is not None}
    flags = [word for name in environment for word in ("-e", name)] if kind == "docker" else []
    words = [*before, *_words(package.runtime_arguments), *flags, named, *_words(package.arguments)]
    told: dict[str, Any] = {"type": kind, "command": command, "args": words}
    return told | ({"env": environment} if environment else {})


def _words(arguments: Iterable[Argument]) -> list[str]:
    """The arguments that are always there; optional ones are left to whoever installs."""
    words: list[str] = []
    for argument in arguments:
        told = argument.input
        if argument.is_bare:
            words.append(argument.flag)
        elif told.format == "boolean" and argument.flag:
            words += [argument.flag] if (told.value or told.default) == "true" else []
        elif told.value is not None or told.required:
            words += [*filter(None, [argument.flag]), _filled(told)]
    return words


def _filled(told: Input) -> str:
    if told.value is not None:
        value = told.value
        for variable in told.variables:
            value = value.replace(f"{{{variable.name}}}", variable.default or f"${{{variable.name}}}")
        return value
    return told.default or f"${{{told.name.lstrip('-')}}}"


def _arguments(document: Document) -> dict[str, Any]:
    sources: list[Package | Remote] = [*document.packages, *document.remotes]
    return {
        question.name: {
            "description": question.description,
            "required": question.required,
            "example": question.placeholder or question.default or next(iter(question.choices), ""),
        }
        for source in reversed(sources)
        for question in questions_of(source)
    }
