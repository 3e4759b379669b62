"""Whether there is a newer version of the hub, and what changed in it; asked at most every six hours.

`CHANGELOG_URL` names what is asked. It is not set by default: the hub then calls nobody and says so (`disabled`).
Above: the API. Below: `web`.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.cache import cache

from mcphub.errors import HubError
from mcphub.version import VERSION
from registry.documents.versions import is_newer
from registry.web import Unreachable, Web

_KEPT = 6 * 3600
_CATEGORIES = ("feature", "fix", "breaking", "security")
_TEXTS = ("product", "version", "tagName", "publishedAt", "url", "changelogUrl", "title", "summary", "bodyMarkdown")
_LISTS = ("highlights", "fixes", "breakingChanges", "upgradeNotes")


class ChangelogFailed(HubError):
    """The changelog could not be read."""

    code = "changelog_failed"
    http_status = 500
    sentence = "The changelog could not be read."


def update_info(current: str = "", locale: str = "", *, force: bool = False) -> dict[str, Any]:
    """What is new since a version (default: the running one); `locale` zh* asks for Chinese.

    Raises `ChangelogFailed`.
    """
    current = current or VERSION
    language = "zh" if locale.lower().startswith("zh") else "en"
    if settings.DISABLE_UPDATE_CHECK or not settings.CHANGELOG_URL:
        return _told(current, [], "disabled")
    key = f"changelog:{language}"
    found = None if force else cache.get(key)
    if found is None:
        found = [_entry(one, language) for one in _releases(language)]
        cache.set(key, found, _KEPT)
    return _told(current, [one for one in found if is_newer(one["version"], current)], "mcphub-web", found)


def _releases(language: str) -> list[dict[str, Any]]:
    try:
        with Web() as web:
            answer = web.get(settings.CHANGELOG_URL, {"locale": language})
        told = answer.json()
    except Unreachable as failure:
        raise ChangelogFailed(failure.message) from None
    if answer.status != 200:
        raise ChangelogFailed(f"The changelog answered {answer.status}.")
    releases = told.get("entries") if isinstance(told, dict) else told
    if not isinstance(releases, list):
        raise ChangelogFailed("The changelog has another form than expected.")
    return [one for one in releases if isinstance(one, dict) and isinstance(one.get("version"), str)]


def _entry(one: dict[str, Any], language: str) -> dict[str, Any]:
    entry: dict[str, Any] = {name: str(one.get(name) or "") for name in _TEXTS}
    entry |= {name: [str(text) for text in one.get(name) or () if isinstance(text, str)] for name in _LISTS}
    entry["categories"] = [name for name in one.get("categories") or () if name in _CATEGORIES]
    return entry | {"locale": language, "isStructured": bool(any(entry[name] for name in _LISTS))}


def _told(
    current: str, entries: list[dict[str, Any]], source: str, known: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    latest = None
    for one in known or ():
        if latest is None or is_newer(one["version"], latest["version"]):
            latest = one
    return {
        "latestVersion": latest["version"] if latest else None,
        "hasUpdate": bool(entries),
        "entries": entries,
        "totalUpdateCount": len(entries),
        "changelogUrl": latest["changelogUrl"] if latest else "",
        "allChangelogUrl": settings.CHANGELOG_URL,
        "source": source,
    }
