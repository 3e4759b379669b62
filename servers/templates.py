"""Templates: servers and groups that travel between hubs, without secrets, owners or sharing (contract, section 11).

Exporting shows only what the caller may see; importing goes item by item through the same actions as every door, so a
template can do nothing that its bearer could not do by hand. Above: the API, the dashboard. Below: the actions,
`placeholders`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from django.utils import timezone

from mcphub.actor import Actor
from mcphub.errors import HubError, InvalidInput
from servers import actions, checks, policies
from servers.lookups import identity
from servers.models import Group, GroupMember, ItemOverride, Server
from servers.placeholders import variables, without_secrets
from servers.readings import config_of, member_of, member_rows

VERSION = "1.0"
#: What stays behind: whose it is and who may use it is for the hub that imports it.
_LEFT = frozenset({"owner", "visibility", "sharedWithUsers"})
_MOST = 10_000


@dataclass(slots=True)
class Imported:
    """What became of a template: one detail for each item, and the variables that are to be set before it works."""

    details: list[dict[str, str]] = field(default_factory=list)
    required: set[str] = field(default_factory=set)

    def count(self, kind: str, action: str) -> int:
        """How many items of a kind came to that."""
        return Counter((detail["type"], detail["action"]) for detail in self.details)[kind, action]

    @property
    def worked(self) -> bool:
        """Whether anything was created."""
        return any(detail["action"] == "created" for detail in self.details)

    def note(self, kind: str, name: str, action: Literal["created", "skipped", "failed"], message: str = "") -> None:
        """Add one detail."""
        told = {"type": kind, "name": name, "action": action}
        self.details.append(told | {"message": message} if message else told)


def export_groups(
    actor: Actor, *, name: str, description: str = "", keys: Iterable[object] = (), with_disabled: bool = False
) -> dict[str, Any]:
    """A template of some groups and their servers; without `keys`, of every group and server the caller may see.

    Args:
        keys: ids (or names) of groups; unknown ones, and those the caller may not know of, give nothing.
        with_disabled: servers that are switched off are included, too.
    """
    wanted = list(keys)
    groups = list(Group.objects.visible_to(actor))
    chosen = [group for group in groups if not wanted or _is_among(group, wanted)]
    return _template(actor, chosen, name, description, with_disabled, everything=not wanted)


def export_group(actor: Actor, group: Group, name: str = "") -> dict[str, Any]:
    """A template of one group and its enabled servers."""
    description = f'Template exported from group "{group.name}"'
    return _template(actor, [group], name or f"{group.name} Template", description, with_disabled=False)


def import_template(actor: Actor, template: Mapping[str, Any]) -> Imported:
    """Create what a template describes and what is not there yet; each item is judged on its own.

    Servers are the actor's own, and enabled unless the template says otherwise. Raises `InvalidInput` where it is no
    template at all.
    """
    servers, groups = _parts(template)
    imported = Imported()
    listed = template.get("requiredEnvVars")
    imported.required |= {each for each in listed if isinstance(each, str)} if isinstance(listed, list) else set()
    taken = set(Server.objects.filter(name__in=list(servers)).values_list("name", flat=True))
    for name, config in servers.items():
        imported.required |= variables(config)
        _import_server(imported, actor, name, config, taken)
    for group in groups:
        _import_group(imported, actor, group)
    return imported


def _template(
    actor: Actor, groups: list[Group], name: str, description: str, with_disabled: bool, *, everything: bool = False
) -> dict[str, Any]:
    members = [row for row in member_rows().filter(group__in=groups) if policies.may_see(actor, row.server)]
    servers = Server.objects.visible_to(actor).prefetch_related("overrides")
    if not everything:
        servers = servers.filter(pk__in={row.server_id for row in members})
    shown = {row.name: _server(actor, row) for row in servers if row.enabled or with_disabled}
    template: dict[str, Any] = {"version": VERSION, "name": name}
    if description:
        template["description"] = description
    return template | {
        "createdAt": timezone.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "servers": shown,
        "groups": [_group(group, [row for row in members if row.group_id == group.pk], shown) for group in groups],
        "requiredEnvVars": sorted(variables(list(shown.values()))),
    }


def _server(actor: Actor, server: Server) -> dict[str, Any]:
    overrides: list[ItemOverride] = list(server.overrides.all())
    config = {name: value for name, value in config_of(server, overrides).items() if name not in _LEFT and value != {}}
    if server.enabled:
        del config["enabled"]
    return without_secrets(config, guarded=not policies.may_read_config(actor, server))


def _group(group: Group, members: list[GroupMember], shown: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"name": group.name}
    if group.description:
        told["description"] = group.description
    return told | {"servers": [member_of(row) for row in members if row.server.name in shown]}


def _is_among(group: Group, keys: list[object]) -> bool:
    return any(group.pk == identity(key) or group.name == key for key in keys)


def _parts(template: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Any]]:
    servers, groups = template.get("servers"), template.get("groups")
    if not checks.trimmed(template.get("name")) or not template.get("version"):
        raise InvalidInput("A template has a name and a version.")
    if servers == []:  # as some clients write an empty object
        servers = {}
    if not isinstance(servers, Mapping) or not isinstance(groups, list):
        raise InvalidInput("A template has an object of servers and a list of groups.")
    if len(servers) > _MOST or len(groups) > _MOST:
        raise InvalidInput(f"A template has at most {_MOST} servers and as many groups.")
    return servers, groups


def _import_server(imported: Imported, actor: Actor, name: str, config: Any, taken: set[str]) -> None:
    if name in taken:
        imported.note("server", name, "skipped", "There is a server of this name already.")
        return
    try:
        given = (
            {key: value for key, value in config.items() if key not in _LEFT} if isinstance(config, dict) else config
        )
        actions.add_server(actor=actor, name=name, config=given)
    except HubError as refusal:
        imported.note("server", name, "failed", refusal.message)
    else:
        imported.note("server", name, "created")


def _import_group(imported: Imported, actor: Actor, given: Any) -> None:
    name = checks.trimmed(given.get("name")) if isinstance(given, dict) else ""
    if name and Group.objects.filter(name=name).exists():
        imported.note("group", name, "skipped", "There is a group of this name already.")
        return
    try:
        if not isinstance(given, dict):
            raise InvalidInput("A group is an object.")
        kept = {key: given.get(key) for key in ("description", "servers")}
        actions.add_group(actor=actor, name=given.get("name"), **kept)
    except HubError as refusal:
        imported.note("group", name, "failed", refusal.message)
    else:
        imported.note("group", name, "created")
