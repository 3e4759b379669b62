"""What lists say of a server, rendered once and kept until the server changes.

A server's row carries the revision of its last change, items and overrides included, so a sheet of that revision is
still right, whoever made the change. A list of hundreds of servers then costs one light query and no rendering.
Above: the API. Below: `readings`, `models`.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from servers.models import DiscoveredItem, ItemOverride, Kind, Server
from servers.readings import shown

#: Sheets kept in this process; a hub with more servers renders the rest each time.
_KEPT = 5000
#: What the list tells of a configuration; `args` and `command` only to those who may read it.
_LISTED = ("type", "description", "command", "args")

_encode = msgspec.json.Encoder().encode
_open = msgspec.json.Decoder(dict[str, Raw]).decode


@dataclass(frozen=True, slots=True)
class Sheet:
    """One server as lists show it. Items are JSON arrays, in the upstream's order.

    Attributes:
        version, instructions: as the upstream told, None where it did not.
        config: type, description, command and arguments, secrets masked.
        oauth: the parts of the upstream's OAuth that are no secrets; empty where there is none.
    """

    revision: int
    separator: str
    version: str | None
    instructions: str | None
    config: Mapping[str, Any]
    oauth: Mapping[str, bool]
    tools: Raw
    prompts: Raw
    resources: Raw


class Sheets:
    """The sheets of a process; bounded, the least recently used are forgotten."""

    def __init__(self) -> None:
        self._kept: OrderedDict[uuid.UUID, Sheet] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, servers: Sequence[Server], separator: str) -> dict[uuid.UUID, Sheet]:
        """The sheets of these rows, of which only `revision` is read; at most three queries for those not kept."""
        with self._lock:
            found = {row.pk: self._kept[row.pk] for row in servers if self._has(row, separator)}
        missing = [row.pk for row in servers if row.pk not in found]
        if missing:
            made = dict(_made(missing, separator))
            with self._lock:
                self._kept |= made
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            found |= made
        return found

    def _has(self, row: Server, separator: str) -> bool:
        sheet = self._kept.get(row.pk)
        if sheet is None or sheet.revision < row.revision or sheet.separator != separator:
            return False
        self._kept.move_to_end(row.pk)
        return True


#: The process's sheets.
SHEETS = Sheets()


def _made(keys: Sequence[uuid.UUID], separator: str) -> Iterable[tuple[uuid.UUID, Sheet]]:
    everything = len(keys) > 500  # a long IN (…) costs more than reading the rest, and databases bound it
    rows = Server.objects.all() if everything else Server.objects.filter(pk__in=keys)
    servers = list(rows)  # first: what changes while the rest is read has a higher revision and is made again
    overrides: dict[uuid.UUID, dict[tuple[str, str], ItemOverride]] = defaultdict(dict)
    for override in ItemOverride.objects.all() if everything else ItemOverride.objects.filter(server__in=keys):
        overrides[override.server_id][override.kind, override.key] = override
    items: dict[uuid.UUID, dict[str, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    listed = DiscoveredItem.objects.filter(present=True).order_by("server_id", "kind", "position")
    listed = listed if everything else listed.filter(server__in=keys)
    for server, kind, key, definition in listed.values_list("server_id", "kind", "key", "definition"):
        items[server][kind].append((key, definition))
    for row in servers:
        yield row.pk, _sheet(row, items[row.pk], overrides[row.pk], separator)


def _sheet(
    server: Server,
    items: Mapping[str, list[tuple[str, str]]],
    overrides: Mapping[tuple[str, str], ItemOverride],
    separator: str,
) -> Sheet:
    config = shown(server, ())
    info = msgspec.json.decode(server.server_info)
    version = info.get("version") if isinstance(info, dict) else None
    prefix = server.name + separator

    def rendered(kind: Kind) -> Raw:
        drawn = (item_of(kind, prefix, key, text, overrides.get((kind, key))) for key, text in items.get(kind, ()))
        return Raw(_encode(list(drawn)))

    return Sheet(
        revision=server.revision,
        separator=separator,
        version=version if isinstance(version, str) else None,
        instructions=server.instructions,
        config={name: config[name] for name in _LISTED if name in config},
        oauth=_oauth(server.config.get("oauth")),
        tools=rendered(Kind.TOOL),
        prompts=rendered(Kind.PROMPT),
        resources=rendered(Kind.RESOURCE),
    )


def item_of(kind: str, prefix: str, key: str, definition: str, override: ItemOverride | None) -> dict[str, Any]:
    """An item as the contract shows it (section 4.4): the upstream's definition with what the hub decided about it."""
    members: dict[str, Any] = dict(_open(definition.encode()))
    if kind != Kind.RESOURCE:
        members["name"] = prefix + key
    if kind == Kind.PROMPT:
        members.setdefault("arguments", [])
    described = override is not None and override.description is not None
    if kind == Kind.TOOL:
        if "description" in members:
            members["defaultDescription"] = members["description"]
        members["hasDescriptionOverride"] = described
    if override is not None and described:
        members["description"] = override.description
    members["enabled"] = override is None or override.enabled
    return members


def _oauth(configured: Any) -> dict[str, bool]:
    given = configured if isinstance(configured, Mapping) else {}
    known = {"clientIdConfigured": bool(given.get("clientId")), "connected": bool(given.get("accessToken"))}
    return {name: True for name, is_so in known.items() if is_so}
