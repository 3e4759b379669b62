"""Everything an AI client may see, frozen, numbered by revision: the only thing the control plane hands down.

Built by `servers.snapshots` from the database; read by the catalogue (what is exposed), the supervisor (what must be
connected) and the front door (switches). A change makes a new snapshot; unchanged `ServerSpec`s are shared with the
old one, so comparing two of them by identity is cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mcphub.gateway.inventory import Inventory, Item

Visibility = Literal["private", "group", "public"]
Transport = Literal["stdio", "sse", "streamable-http", "openapi"]


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """A proxy for stdio children (proxychains4). `config_path` overrides the rest."""

    type: Literal["socks5", "socks4", "http"] = "socks5"
    host: str = ""
    port: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    config_path: str = ""


@dataclass(frozen=True, slots=True)
class StdioSpec:
    """A child process: argument vector (never a shell), environment additions, working directory."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str = ""
    proxy: ProxySpec | None = None


@dataclass(frozen=True, slots=True)
class HttpSpec:
    """A remote MCP server: streamable HTTP, or legacy SSE when `ServerSpec.transport` says so.

    `env` carries HTTP_PROXY/HTTPS_PROXY/NO_PROXY for this server only.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class OpenApiSpec:
    """A REST service described by an OpenAPI document, given by `url` or inline as `schema`.

    `security` and `spec_security` are the objects of the REST contract, section 4.3, expanded and decrypted.
    `operations` names the operation ids to offer; empty offers all.
    """

    url: str = ""
    schema: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    security: Mapping[str, Any] = field(default_factory=dict, repr=False)
    spec_security: Mapping[str, Any] = field(default_factory=dict, repr=False)
    cookie_session: bool = False
    operations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Limits of one request to an upstream. Times in seconds, sizes in bytes; None means no total limit."""

    timeout: float = 60.0
    max_total_timeout: float | None = None
    reset_timeout_on_progress: bool = True
    max_buffer_size: int = 10 * 1024 * 1024
    max_in_flight: int = 64
    max_queued: int = 64
    connect_timeout: float = 300.0


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """When a connection exists. Times in seconds."""

    keep_alive: bool = False
    keep_alive_interval: float = 60.0
    start_on_demand: bool = False
    idle_timeout: float = 300.0
    per_session_client: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """One item of a server as the hub's owner wants it shown. `description` None keeps the upstream's."""

    item: Item
    enabled: bool = True
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """One configured MCP server: how to reach it, who may see it, what it offered last.

    Attributes:
        key: stable identity (UUID of the row); `name` may change.
        connection: SHA-256 over everything that decides the connection; another value means: reconnect.
        generation: raised by a requested reload or reinstall; another value means: reconnect.
        trusted: owned by an admin (or nobody): may reach private addresses and read the hub's environment in `${}`.
        placement: `one` worker at a time, or `every` worker connects.
        switched_off: users who chose not to see this server.
        offers: by kind, in the upstream's order; kept while the server is down.
    """

    key: str
    name: str
    transport: Transport
    spec: StdioSpec | HttpSpec | OpenApiSpec
    connection: str
    generation: int = 0
    enabled: bool = True
    owner: str = "admin"
    visibility: Visibility = "private"
    shared_with: frozenset[str] = frozenset()
    switched_off: frozenset[str] = frozenset()
    description: str = ""
    trusted: bool = True
    placement: Literal["one", "every"] = "one"
    passthrough_headers: tuple[str, ...] = ()
    options: CallOptions = CallOptions()
    lifecycle: Lifecycle = Lifecycle()
    inventory: Inventory = Inventory()
    tools: tuple[Offer, ...] = ()
    prompts: tuple[Offer, ...] = ()
    resources: tuple[Offer, ...] = ()
    templates: tuple[Offer, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A server inside a group. A selection of None means all; names are the upstream's own."""

    server: str
    alias: str = ""
    tools: frozenset[str] | None = None
    prompts: frozenset[str] | None = None
    resources: frozenset[str] | None = None
    pinned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """A named selection of servers. `visibility` None: stored before groups had one (reachable by who knows it)."""

    key: str
    name: str
    members: tuple[Member, ...] = ()
    owner: str = "admin"
    visibility: Visibility | None = "private"
    shared_with: frozenset[str] = frozenset()
    description: str = ""


@dataclass(frozen=True, slots=True)
class BuiltinPrompt:
    """A prompt of the hub's own: `template` with `{{param}}`, answered as one user message."""

    name: str
    definition: bytes
    template: str
    arguments: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BuiltinResource:
    """A text resource of the hub's own."""

    uri: str
    definition: bytes
    mime_type: str
    content: str


@dataclass(frozen=True, slots=True)
class Switches:
    """The system settings the data plane obeys at once (`systemConfig`, behaviour of the same names)."""

    global_route: bool = True
    group_name_route: bool = True
    bearer_auth: bool = True
    bearer_header: str = "authorization"
    body_limit: int = 1024 * 1024
    separator: str = "-"
    server_route_names: Literal["prefixed", "raw"] = "prefixed"
    public_url: str = "http://localhost:3000"
    allowed_networks: tuple[str, ...] = ()
    rate_per_minute: int = 480
    record_calls: bool = True
    store_payloads: Literal["off", "masked", "full"] = "masked"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """See the module. `servers` by name and `groups` by key, both in the order clients see them."""

    revision: int = 0
    servers: Mapping[str, ServerSpec] = field(default_factory=dict)
    groups: Mapping[str, GroupSpec] = field(default_factory=dict)
    users: Mapping[str, bool] = field(default_factory=dict)
    prompts: tuple[BuiltinPrompt, ...] = ()
    resources: tuple[BuiltinResource, ...] = ()
    switches: Switches = Switches()

    def group_named(self, name: str) -> GroupSpec | None:
        """The group of that name, if any."""
        return next((group for group in self.groups.values() if group.name == name), None)
