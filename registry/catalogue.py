"""The built-in catalogue: well-known servers as data (`data/catalogue/<category>.json`), packages and remotes in the
words of `server.json`, so that entries of every source are read and installed by the same code.

Also what is derived from any document: which credentials it needs, and which category its words suggest.
Above: `actions`, `sync`. Below: `documents`, `planning`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from registry.documents.reading import read
from registry.documents.values import Document, Input, Package, Remote
from registry.planning.ways import questions_of

_DATA = Path(__file__).resolve().parent / "data"

#: The categories of the registry API with the words that suggest them, the most telling first.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "version-control": ("git", "github", "gitlab", "bitbucket", "gitea", "repository", "commit", "pullrequest"),
    "ci-cd": ("ci", "cd", "jenkins", "pipeline", "pipelines", "circleci", "buildkite", "deployment", "argocd"),
    "infrastructure": (
        "aws", "azure", "gcp", "terraform", "kubernetes", "k8s", "docker", "cloud", "cloudflare", "vercel", "server",
    ),
    "monitoring": ("monitoring", "datadog", "grafana", "sentry", "prometheus", "metrics", "observability", "logs"),
    "messaging": ("slack", "discord", "telegram", "kafka", "chat", "whatsapp", "messaging", "mqtt", "teams"),
    "databases": (
        "database", "databases", "sql", "postgres", "postgresql", "mysql", "mongodb", "redis", "sqlite", "vector",
    ),
    "communication": ("email", "mail", "gmail", "sms", "twilio", "calendar", "phone", "jira", "outlook"),
    "development": (
        "code", "developer", "npm", "ide", "testing", "documentation", "browser", "debug", "api", "sdk", "playwright",
    ),
    "custom": (),
}  # fmt: skip
PLATFORMS = ("linux", "macos", "windows")


def built_in() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each entry of the shipped catalogue with its category."""
    for category in CATEGORIES:
        for entry in json.loads((_DATA / "catalogue" / f"{category}.json").read_text(encoding="utf-8")):
            yield category, entry


def problems() -> list[str]:
    """What is wrong with the shipped catalogue; empty when all is well."""
    validator = Draft202012Validator(json.loads((_DATA / "catalogue.schema.json").read_text(encoding="utf-8")))
    found = []
    names: set[str] = set()
    for category in CATEGORIES:
        entries = json.loads((_DATA / "catalogue" / f"{category}.json").read_text(encoding="utf-8"))
        found += [f"{category}: {error.json_path}: {error.message}" for error in validator.iter_errors(entries)]
    for category, entry in built_in():
        found += [f"{category}/{entry['name']}: {note}" for note in read(document_of(entry)).notes]
        if entry["name"] in names:
            found.append(f"{category}/{entry['name']}: the name is used twice")
        names.add(entry["name"])
    return found


def document_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A catalogue entry as a `server.json`. Entries follow their packages' newest versions."""
    return {
        "name": entry["name"],
        "version": "latest",
        "title": entry["title"],
        "description": entry["description"],
        "packages": entry.get("packages", []),
        "remotes": entry.get("remotes", []),
    }


def authentication_of(document: Document, setup_url: str = "", declared: str = "") -> dict[str, Any]:
    """The `authentication` object of the registry API, from the first package's or remote's secret inputs.

    `declared` is "oauth" where a sign-in is needed that no input shows, "credentials" where a file holds them.
    """
    sources: tuple[Package | Remote, ...] = (*document.packages, *document.remotes)
    questions: tuple[Input, ...] = next((asked for one in sources if (asked := questions_of(one))), ())
    needed = [question for question in questions if question.required and question.default is None]
    names = [question.name for question in needed]
    secret = any(question.secret for question in needed)
    told: dict[str, Any] = {"type": "none", "required": False}
    if declared == "oauth" or (declared and not names):
        told = {"type": declared, "required": True}
    elif secret and len(names) == 1:
        told = {"type": "token", "required": True, "env_var": names[0]}
    elif secret or declared:
        told = {"type": "credentials", "required": True, "env_vars": names}
    elif optional := [question.name for question in questions if question.secret]:
        told = {"type": "token", "required": False, "env_var": optional[0]}
    return told | ({"setup_url": setup_url} if setup_url else {})


def category_for(texts: Iterable[str]) -> str:
    """The category that a server's words suggest: the one with most of its words, `custom` where there are none."""
    words = set(re.findall(r"[a-z0-9]+", " ".join(texts).lower()))
    scores = {category: len(words.intersection(telling)) for category, telling in CATEGORIES.items()}
    best = max(scores, key=lambda category: scores[category])
    return best if scores[best] else "custom"
