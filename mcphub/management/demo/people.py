"""The demo's people: users, the keys they made, the groups they put together. Made through the same actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts import actions as accounts
from accounts.models import BearerKey, User
from mcphub.actor import COMMAND, Actor
from servers import actions as servers

#: Everybody's password in the demo; they are people of paper.
PASSWORD = "Demo-user-1!"  # noqa: S105
USERS = {"maria": False, "jonas": False, "ines": True, "tomasz": False}
#: For each key: who it acts as ("" for nobody), and what it reaches.
KEYS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("Claude Code of the platform team", "", {"access": "all"}),
    ("Cursor, frontend", "", {"access": "groups", "allowed_groups": ["engineering", "research"]}),
    ("Support bot", "", {"access": "groups", "allowed_groups": ["support"], "note": "Runs in the help desk, key in its vault."}),
    ("CI", "", {"access": "servers", "allowed_servers": ["github", "sentry", "kubernetes"]}),
    ("Nightly report", "", {"access": "custom", "allowed_groups": ["finance"], "allowed_servers": ["warehouse-db"]}),
    ("Maria's laptop", "maria", {}),
    ("Jonas, VS Code", "jonas", {}),
    ("Ines, Claude Desktop", "ines", {}),
    ("Hackathon", "", {"access": "all", "expires_at": timezone.now() - timedelta(days=12), "note": "Expired by itself."}),
)  # fmt: skip
GROUPS: dict[str, tuple[str, list[Any]]] = {
    "engineering": ("What developers need every day.", ["github", "linear", "sentry", "grafana", "kubernetes", "filesystem"]),
    "support": ("For the help desk and its bot.", ["hubspot", "slack", {"name": "notion", "tools": ["search_pages", "get_page"]}, "translate"]),
    "research": ("Reading the web and papers.", ["brave-search", "fetch", "memory", "pdf-tools", {"name": "playwright", "tools": ["list_pages", "get_page"]}]),
    "finance": ("Numbers, read only.", ["stripe", "warehouse-db", {"name": "notion", "tools": ["search_pages"]}]),
    "design": ("Designs and their discussion.", ["figma", "image-tools", "slack"]),
    "everyday": ("Mail, appointments, time.", ["gmail", "calendar", "time", "memory"]),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes calls in the demo's history."""

    username: str | None
    key_id: str
    key_name: str
    route: str = ""


def add_users() -> None:
    """The users besides the admin."""
    for name, is_admin in USERS.items():
        accounts.create_user(
            actor=COMMAND, username=name, password=PASSWORD, is_admin=is_admin, email=f"{name}@example.org"
        )
    for number, name in enumerate(("maria", "jonas", "ines")):
        seen, added = timedelta(hours=3 + 17 * number), timedelta(days=20 + 11 * number)
        User.objects.filter(username=name).update(last_login=timezone.now() - seen, created_at=timezone.now() - added)


def add_keys() -> list[Caller]:
    """The keys; returns who calls with them."""
    callers: list[Caller] = []
    for name, owner, known in KEYS:
        kind = "user" if owner else "system"
        key, _ = accounts.create_key(actor=COMMAND, name=name, kind=kind, owner=owner or None, **known)
        # Rows of paper: as if they had been made at different times and used since.
        made = timezone.now() - timedelta(days=9 * len(callers) + 4)
        used = timezone.now() - timedelta(minutes=7 * len(callers) + 1)
        BearerKey.objects.filter(pk=key.pk).update(created_at=made, last_used_at=used)
        if not key.has_expired():
            groups = known.get("allowed_groups") or [""]
            callers.append(Caller(owner or None, str(key.pk), name, groups[0]))
    return callers


def add_groups() -> None:
    """The groups."""
    actor = Actor("admin", is_admin=True, via="command")
    for name, (about, members) in GROUPS.items():
        servers.add_group(actor=actor, name=name, description=about, servers=members, visibility="public")
