"""`mcp_settings.json`: reading one into the database, and writing the database as one.

The importer takes what it can, item by item, in one transaction, and reports what it could not use and why; what
exists already is left alone. Ids of groups and keys are kept, so that addresses and references stay valid. Above:
`runhub`, the commands, the API's export. Below: the actions of this app and of `accounts`.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.actions import Token, import_key, import_user
from accounts.models import BearerKey, User, digest_of
from mcphub.actor import COMMAND, Actor
from mcphub.errors import HubError, InvalidInput
from mcphub.masking import masked
from servers import actions, settings_reader, system_config
from servers.actions.builtins import told
from servers.config import VISIBILITIES, shown_config
from servers.lookups import identity
from servers.models import BuiltinPrompt, BuiltinResource, Group, Server
from servers.readings import config_of, group_of, with_prefixes

_KNOWN = frozenset(
    {"mcpServers", "users", "groups", "systemConfig", "userConfigs", "bearerKeys", "prompts", "resources"}
)


@dataclass(slots=True)
class Report:
    """What became of a settings file: how many of each kind were stored, and what was not and why."""

    stored: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """One line for people."""
        counts = [f"{count} {kind}" for kind, count in self.stored.items()]
        told = ", ".join(counts) or "nothing"
        return f"{told}; {len(self.problems)} not imported" if self.problems else told

    @contextlib.contextmanager
    def attempt(self, kind: str, name: object) -> Iterator[None]:
        """Within it, one item is stored; a refusal is noted instead of raised."""
        try:
            yield
        except HubError as refused:
            self.problems.append(f"{kind} {name!r}: {refused.message}")
        else:
            self.stored[kind] += 1


def import_settings(path: Path, *, actor: Actor = COMMAND) -> Report:
    """Import a settings file. Raises `InvalidInput` where it cannot be read or is no settings file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as failure:
        raise InvalidInput(f"Cannot read the settings file {path}: {failure}.") from None
    return import_content(content, actor=actor)


@transaction.atomic
def import_content(content: object, *, actor: Actor) -> Report:
    """Import what a settings file holds. Raises `InvalidInput` where that is no object."""
    if not isinstance(content, Mapping):
        raise InvalidInput("A settings file holds one JSON object.")
    report = Report()
    _import_system(_object(content, "systemConfig", report), report, actor)
    _import_users(content, report, actor)
    for name, config in _object(content, "mcpServers", report).items():
        with report.attempt("servers", name):
            actions.import_server(actor=actor, name=name, config=_with_known_visibility(name, config, report))
    for group in _list(content, "groups", report):
        _import_group(group, report, actor)
    for key in _list(content, "bearerKeys", report):
        with report.attempt("keys", key.get("name")):
            _import_key(key, actor)
    for prompt in _list(content, "prompts", report):
        with report.attempt("prompts", prompt.get("name")):
            _import_builtin(actions.add_prompt, prompt, actor)
    for resource in _list(content, "resources", report):
        with report.attempt("resources", resource.get("uri")):
            _import_builtin(actions.add_resource, resource, actor)
    for name in content.keys() - _KNOWN:
        if content[name]:
            report.problems.append(f"{name}: not supported")
    return report


def export_settings(*, secrets: bool = False, server: str | None = None) -> dict[str, Any]:
    """The database as a settings file.

    Args:
        secrets: with secrets in plain (and tokens and passwords as hashes); else masked, as people may read it.
        server: only the server of that name; an unknown one gives no servers.
    """
    separator = settings_reader.effective()["nameSeparator"]
    rows = Server.objects.prefetch_related("overrides")
    servers = {row.name: _exported(row, separator, secrets) for row in (rows.filter(name=server) if server else rows)}
    if server:
        return {"mcpServers": servers}
    values = settings_reader.stored()
    users = list(User.objects.all())
    groups = Group.objects.prefetch_related("members__server")
    return {
        "mcpServers": servers,
        "users": [_user(user, secrets) for user in users],
        "groups": [group_of(group, group.members.all()) for group in groups],
        "systemConfig": values if secrets else masked(values),
        "userConfigs": {user.username: user.preferences for user in users if user.preferences},
        "bearerKeys": [_key(key, secrets) for key in BearerKey.objects.select_related("owner")],
        "prompts": [told(row) for row in BuiltinPrompt.objects.all()],
        "resources": [told(row) for row in BuiltinResource.objects.all()],
    }


def _import_system(values: Mapping[str, Any], report: Report, actor: Actor) -> None:
    values = json.loads(json.dumps(values))
    routing = values.get("routing")
    token = routing.pop("bearerAuthKey", "") if isinstance(routing, dict) else ""
    usable, problems = system_config.sorted_out(values)
    report.problems.extend(problems)
    if usable:
        with report.attempt("settings", "systemConfig"):
            actions.change_settings(actor=actor, values=usable, by_api=False)
    if isinstance(token, str) and token.strip():  # the single key that existed before keys had names
        with report.attempt("keys", "bearerAuthKey"):
            import_key(actor=actor, id=None, token=Token.of(token.strip()), name="default", owner=None, access="all")


def _import_users(content: Mapping[str, Any], report: Report, actor: Actor) -> None:
    preferences = _object(content, "userConfigs", report)
    for user in _list(content, "users", report):
        name = user.get("username")
        chosen = preferences.get(name) if isinstance(name, str) else None
        with report.attempt("users", name):
            import_user(
                actor=actor,
                username=name or "",
                password=user.get("password") or "",
                is_admin=user.get("isAdmin") is True,
                email=user.get("email"),
                sso_id=user.get("ssoUserId"),
                preferences=chosen if isinstance(chosen, dict) else {},
            )


def _with_known_visibility(name: str, config: Any, report: Report) -> Any:
    if not isinstance(config, Mapping) or config.get("visibility") in (None, *VISIBILITIES):
        return config
    report.problems.append(f"servers {name!r}: unknown visibility {config['visibility']!r}, now private")
    return {**config, "visibility": "private"}


def _import_group(group: Mapping[str, Any], report: Report, actor: Actor) -> None:
    name, id = group.get("name"), identity(group.get("id"))
    if group.get("id") and id is None:
        report.problems.append(f"groups {name!r}: its id {group['id']!r} is no UUID and was replaced")
    members = group.get("servers")
    names = [each.get("name") if isinstance(each, Mapping) else each for each in members or ()]
    texts = [each for each in names if isinstance(each, str)]
    known = set(Server.objects.filter(name__in=texts).values_list("name", flat=True))
    report.problems.extend(f"groups {name!r}: no server {each!r}" for each in texts if each not in known)
    with report.attempt("groups", name):
        actions.import_group(actor=actor, id=id, given=group)


def _import_key(key: Mapping[str, Any], actor: Actor) -> None:
    owner = key.get("owner")
    import_key(
        actor=actor,
        id=identity(key.get("id")),
        token=_token(key),
        name=key.get("name") or "unnamed",
        owner=User.objects.filter(username=owner).first() if isinstance(owner, str) else None,
        kind=key.get("kind"),
        enabled=key.get("enabled") is not False,
        access=key.get("accessType") or "all",
        allowed_groups=key.get("allowedGroups"),
        allowed_servers=key.get("allowedServers"),
        note=key.get("note") or "",
    )


def _token(key: Mapping[str, Any]) -> Token:
    token, digest = key.get("token"), key.get("tokenHash")
    if isinstance(digest, str) and len(digest) == len(digest_of("")):
        return Token(digest, str(key.get("tokenPreview") or ""))
    if not isinstance(token, str) or not token.strip() or "..." in token:
        raise InvalidInput("It has no token.")
    return Token.of(token.strip())


def _import_builtin(add: Callable[..., object], given: Mapping[str, Any], actor: Actor) -> None:
    members = {name: value for name, value in given.items() if name != "id" and value is not None}
    add(actor=actor, id=identity(given.get("id")), members=members)


def _exported(row: Server, separator: str, secrets: bool) -> dict[str, Any]:
    config = config_of(row, row.overrides.all())
    config = with_prefixes(config, row, separator, {override.key for override in row.overrides.all()})
    shown = config if secrets else shown_config(config)
    return {name: value for name, value in shown.items() if value != {}}


def _user(user: User, secrets: bool) -> dict[str, Any]:
    known = {"username": user.username, "isAdmin": user.is_admin, "email": user.email, "ssoUserId": user.sso_id}
    return {**known, "password": user.password} if secrets else known


def _key(key: BearerKey, secrets: bool) -> dict[str, Any]:
    known: dict[str, Any] = {
        "id": str(key.pk),
        "name": key.name,
        "enabled": key.enabled,
        "kind": key.kind,
        "accessType": key.access,
        "allowedGroups": key.allowed_groups,
        "allowedServers": key.allowed_servers,
    }
    if key.owner is not None:
        known["owner"] = key.owner.username
    if key.note:
        known["note"] = key.note
    # Tokens are nowhere to be had; their hashes let a restored hub accept the tokens people have.
    return {**known, "tokenHash": key.digest, "tokenPreview": key.preview} if secrets else known


def _object(content: Mapping[str, Any], name: str, report: Report) -> Mapping[str, Any]:
    found = content.get(name)
    if found is not None and not isinstance(found, Mapping):
        report.problems.append(f"{name}: must be an object")
        return {}
    return found or {}


def _list(content: Mapping[str, Any], name: str, report: Report) -> list[Mapping[str, Any]]:
    found = content.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        report.problems.append(f"{name}: must be a list")
        return []
    report.problems.extend(f"{name}: {each!r} is no object" for each in found if not isinstance(each, Mapping))
    return [each for each in found if isinstance(each, Mapping)]
