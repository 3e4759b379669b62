"""The cloud market: an API in the form of MCPRouter's, asked for each request; nothing of it is stored.

Its list has no categories or tags of its own; they are found in the texts. Above: the API. Below: `web`, `servers`'
system settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mcphub.errors import HubError, NotFound
from registry.catalogue import CATEGORIES
from registry.web import Unreachable, Web
from servers.settings_reader import effective

#: Words that count as tags where a description has them.
_TAGS = (
    "ai", "api", "automation", "browser", "chat", "code", "data", "database", "email", "files", "finance", "git",
    "image", "maps", "memory", "news", "pdf", "search", "security", "storage", "video", "weather", "web",
)  # fmt: skip


class NoApiKey(HubError):
    """`mcpRouter.apiKey` is not set; clients test for exactly this message."""

    code = "cloud_not_configured"
    http_status = 503
    sentence = "MCPROUTER_API_KEY_NOT_CONFIGURED"


class CloudFailed(HubError):
    """The cloud market refused or could not be reached."""

    code = "cloud_failed"
    http_status = 500
    sentence = "The cloud market did not answer as expected."


def servers() -> list[dict[str, Any]]:
    """Every server of the market. Raises `CloudFailed`."""
    found = _ask("list-servers", {}, key_needed=False).get("servers")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def search(query: str) -> list[dict[str, Any]]:
    """The servers in which any of the words occurs."""
    words = query.lower().split()
    members = ("name", "title", "description", "content", "author_name")
    return [one for one in servers() if any(word in _texts(one, members) for word in words)]


def server(name: str) -> dict[str, Any]:
    """One server by its name or configuration name, with its tools where they can be had. Raises `NotFound`."""
    found = next((one for one in servers() if name in (one.get("name"), one.get("config_name"))), None)
    if found is None:
        raise NotFound("There is no such server in the cloud market.")
    if found.get("tools"):
        return found
    try:
        return {**found, "tools": tools(str(found.get("server_key", "")))}
    except (CloudFailed, NoApiKey):
        return found


def tools(server_key: str) -> list[dict[str, Any]]:
    """The tools of a server. Raises `NoApiKey`, `CloudFailed`."""
    found = _ask("list-tools", {"server": server_key}).get("tools")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def call(server_key: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool there. Raises `NoApiKey`, `CloudFailed`."""
    result = _ask("call-tool", {"server": server_key, "name": tool, "arguments": arguments}, timeout=120.0)
    return {"content": result.get("content") or [], "isError": bool(result.get("isError", result.get("is_error")))}


def categories() -> list[str]:
    """Categories that occur in the texts of the market."""
    texts = [_words(one) for one in servers()]
    return sorted(name for name, telling in CATEGORIES.items() if any(not words.isdisjoint(telling) for words in texts))


def tags() -> list[str]:
    """Tags that occur in the texts of the market."""
    texts = [_words(one) for one in servers()]
    return sorted(tag for tag in _TAGS if any(tag in words for words in texts))


def in_category(category: str) -> list[dict[str, Any]]:
    """The servers whose text speaks of a category."""
    telling = {category.lower(), *CATEGORIES.get(category.lower(), ())}
    return [one for one in servers() if not _words(one).isdisjoint(telling) or category.lower() in _content(one)]


def tagged(tag: str) -> list[dict[str, Any]]:
    """The servers whose text holds a tag."""
    return [one for one in servers() if tag.lower() in _content(one)]


def _ask(path: str, body: dict[str, Any], *, key_needed: bool = True, timeout: float = 30.0) -> dict[str, Any]:
    settings = effective()["mcpRouter"]
    key = settings.get("apiKey") or ""
    if key_needed and not key:
        raise NoApiKey
    headers = {"HTTP-Referer": settings["referer"], "X-Title": settings["title"]}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    try:
        with Web(headers, timeout) as web:
            answer = web.send("POST", f"{settings['baseUrl'].rstrip('/')}/{path}", body)
        told = answer.json()
    except Unreachable as failure:
        raise CloudFailed(failure.message) from None
    if not isinstance(told, dict) or answer.status >= 400 or told.get("code") not in (0, None):
        reason = answer.reason()
        raise CloudFailed(f"The cloud market answered {answer.status}{f': {reason}' if reason else '.'}")
    data = told.get("data", told)
    return data if isinstance(data, dict) else {}


def _texts(one: dict[str, Any], members: Iterable[str]) -> str:
    return " ".join(str(one.get(member) or "") for member in members).lower()


def _content(one: dict[str, Any]) -> str:
    return _texts(one, ("content", "description", "title"))


def _words(one: dict[str, Any]) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", _content(one)))
