"""From rows to the data plane's values: one server's `ServerSpec`, one group's `GroupSpec`. Pure, no queries.

Milliseconds become seconds, variables are expanded, and everything that decides a connection is hashed. Above:
`snapshots`. Below: `expansion`, the gateway's values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from mcphub.gateway.inventory import Inventory, Item, Kind
from mcphub.gateway.snapshot import (
    BuiltinPrompt,
    BuiltinResource,
    CallOptions,
    GroupSpec,
    HttpSpec,
    Lifecycle,
    Member,
    Offer,
    OpenApiSpec,
    ProxySpec,
    ServerSpec,
    StdioSpec,
)
from servers import expansion, models

_encoder = msgspec.json.Encoder(order="deterministic")
#: From this revision on a remote server keeps no session, so any process may connect to it.
_STATELESS_SINCE = "2026-07-28"
_OPENAPI_TIMEOUT_MS = 30_000


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a spec depends on besides the server's own rows; another value means: build it again.

    Attributes:
        trusted: the owner is an admin or stands for the operator.
        outer: variables the entry may read (of the hub's environment).
        indexes: variables that name the package indexes of `systemConfig.install`, for children.
        timeout_ms, init_timeout_ms: defaults of the environment.
    """

    trusted: bool
    outer: Mapping[str, str]
    indexes: Mapping[str, str]
    timeout_ms: int
    init_timeout_ms: int


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a server's items: rows in the upstream's order, and overrides by kind and key.

    `switched_off`: users who do not want to see the server.
    """

    items: Sequence[tuple[Kind, str, str, str]] = ()
    overrides: Mapping[tuple[str, str], tuple[bool, str | None]] | None = None
    switched_off: frozenset[str] = frozenset()


def spec_of(server: models.Server, found: Found, around: Surroundings) -> ServerSpec:
    """The frozen value the data plane works with."""
    config = expansion.expanded(server.config, around.outer)
    spec = _connection_spec(server.transport, config, around)
    options, lifecycle = _options(server.transport, config, around), _lifecycle(config)
    passthrough = tuple(_passthrough(server.transport, config))
    offers = _offers(found)
    return ServerSpec(
        key=str(server.pk),
        name=server.name,
        transport=server.transport,  # type: ignore[arg-type]  # the choices are the literal's
        spec=spec,
        connection=_hash(server.transport, spec, passthrough, options, lifecycle, around.trusted),
        generation=server.generation,
        enabled=server.enabled,
        owner=server.owner,
        visibility=server.visibility,  # type: ignore[arg-type]  # the choices are the literal's
        shared_with=frozenset(server.shared_with),
        switched_off=found.switched_off,
        description=server.description,
        trusted=around.trusted,
        placement=_placement(server, config),
        passthrough_headers=passthrough,
        options=options,
        lifecycle=lifecycle,
        inventory=_inventory(server, offers),
        tools=offers["tool"],
        prompts=offers["prompt"],
        resources=offers["resource"],
        templates=offers["template"],
    )


def group_spec(group: models.Group, members: Iterable[models.GroupMember], names: Mapping[Any, str]) -> GroupSpec:
    """A group; `names` gives the servers' names by key."""
    return GroupSpec(
        key=str(group.pk),
        name=group.name,
        members=tuple(
            Member(
                server=names[row.server_id],
                alias=row.alias,
                tools=_selection(row.tools),
                prompts=_selection(row.prompts),
                resources=_selection(row.resources),
                pinned=tuple(row.pinned or ()),
            )
            for row in members
            if row.server_id in names
        ),
        owner=group.owner,
        visibility=group.visibility,  # type: ignore[arg-type]  # the choices are the literal's
        shared_with=frozenset(group.shared_with),
        description=group.description or "",
    )


def prompt_value(row: models.BuiltinPrompt) -> BuiltinPrompt:
    """A prompt of the hub's own, with the definition clients are shown."""
    arguments = row.arguments or []
    definition = {
        "name": row.name,
        "title": row.title or row.name,
        "description": row.description or "",
        "arguments": arguments,
    }
    return BuiltinPrompt(
        name=row.name,
        definition=msgspec.json.encode(definition),
        template=row.template,
        arguments=tuple(argument["name"] for argument in arguments),
        required=frozenset(argument["name"] for argument in arguments if argument.get("required") is True),
    )


def resource_value(row: models.BuiltinResource) -> BuiltinResource:
    """A resource of the hub's own, with the definition clients are shown."""
    definition = {
        "uri": row.uri,
        "name": row.name or row.uri,
        "title": row.name or row.uri,
        "description": row.description or "",
        "mimeType": row.mime_type,
    }
    return BuiltinResource(row.uri, msgspec.json.encode(definition), row.mime_type, row.content)


def _connection_spec(
    transport: str, config: Mapping[str, Any], around: Surroundings
) -> StdioSpec | HttpSpec | OpenApiSpec:
    env = config.get("env") or {}
    if transport == "stdio":
        return StdioSpec(
            command=config.get("command", ""),
            args=tuple(config.get("args") or ()),
            env={**around.indexes, **env},
            cwd=config.get("cwd", ""),
            proxy=_proxy(config.get("proxy") or {}),
        )
    if transport == "openapi":
        return openapi_spec(config)
    return HttpSpec(url=config.get("url", ""), headers=config.get("headers") or {}, env=env)


def openapi_spec(config: Mapping[str, Any]) -> OpenApiSpec:
    """A described REST service, from an expanded configuration."""
    described = config.get("openapi") or {}
    security = described.get("security") or {}
    return OpenApiSpec(
        url=described.get("url", ""),
        schema=described.get("schema"),
        headers=config.get("headers") or {},
        security=security,
        spec_security=described.get("specSecurity") or security,
        cookie_session=described.get("cookieSession", False),
        operations=tuple(described.get("operations") or ()),
    )


def _proxy(proxy: Mapping[str, Any]) -> ProxySpec | None:
    if not proxy.get("enabled"):
        return None
    return ProxySpec(
        type=proxy.get("type", "socks5"),
        host=proxy.get("host", ""),
        port=proxy.get("port", 0),
        username=proxy.get("username", ""),
        password=proxy.get("password", ""),
        config_path=proxy.get("configPath", ""),
    )


def _options(transport: str, config: Mapping[str, Any], around: Surroundings) -> CallOptions:
    given = config.get("options") or {}
    default = min(_OPENAPI_TIMEOUT_MS, around.timeout_ms) if transport == "openapi" else around.timeout_ms
    total = given.get("maxTotalTimeout")
    standard = CallOptions()
    return CallOptions(
        timeout=given.get("timeout", default) / 1000,
        max_total_timeout=None if total is None else total / 1000,
        reset_timeout_on_progress=given.get("resetTimeoutOnProgress", True),
        max_buffer_size=given.get("maxBufferSize", standard.max_buffer_size),
        max_in_flight=given.get("maxInFlight", standard.max_in_flight),
        max_queued=given.get("maxQueued", standard.max_queued),
        connect_timeout=around.init_timeout_ms / 1000,
    )


def _lifecycle(config: Mapping[str, Any]) -> Lifecycle:
    standard = Lifecycle()
    return Lifecycle(
        keep_alive=config.get("enableKeepAlive", False),
        keep_alive_interval=config.get("keepAliveInterval", standard.keep_alive_interval * 1000) / 1000,
        start_on_demand=config.get("startOnDemand", False),
        idle_timeout=config.get("idleTimeoutMs", standard.idle_timeout * 1000) / 1000,
        per_session_client=config.get("perSessionClient", False),
    )


def _passthrough(transport: str, config: Mapping[str, Any]) -> Iterable[str]:
    source = config.get("openapi") or {} if transport == "openapi" else config
    return (name.lower() for name in source.get("passthroughHeaders") or ())


def _placement(server: models.Server, config: Mapping[str, Any]) -> Literal["one", "every"]:
    if server.transport == "openapi":
        return "one" if (config.get("openapi") or {}).get("cookieSession") else "every"
    stateless = server.transport == "streamable-http" and server.protocol >= _STATELESS_SINCE
    return "every" if stateless and not config.get("perSessionClient") else "one"


def _offers(found: Found) -> dict[Kind, tuple[Offer, ...]]:
    overrides = found.overrides or {}
    offers: dict[Kind, list[Offer]] = {"tool": [], "prompt": [], "resource": [], "template": []}
    for kind, key, definition, fingerprint in found.items:
        enabled, description = overrides.get((kind, key), (True, None))
        if description == "" and kind != "tool":
            description = None  # an empty text hides a tool's description, but is no override of the others
        offers[kind].append(Offer(Item(kind, key, definition.encode(), fingerprint), enabled, description))
    return {kind: tuple(listed) for kind, listed in offers.items()}


def _inventory(server: models.Server, offers: Mapping[Kind, tuple[Offer, ...]]) -> Inventory:
    tools, prompts, resources, templates = (
        tuple(offer.item for offer in offers[kind]) for kind in ("tool", "prompt", "resource", "template")
    )
    return Inventory(
        revision=server.protocol,
        server_info=server.server_info.encode(),
        capabilities=server.capabilities.encode(),
        instructions=server.instructions,
        tools=tools,
        prompts=prompts,
        resources=resources,
        templates=templates,
        ttl_ms=server.ttl_ms,
    )


def _selection(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _hash(*parts: Any) -> str:
    return hashlib.sha256(_encoder.encode([msgspec.to_builtins(part) for part in parts])).hexdigest()
