"""Inquiry: one request as the methods see it; Front: what the methods need of the front of the data plane.

Above: `methods`, `router`, the endpoints. Below: `catalog`, `session`, `recorder`, `links`.
"""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from mcphub.gateway import envelope
from mcphub.gateway.calls import Exchange, Silence
from mcphub.gateway.catalog import Catalog
from mcphub.gateway.envelope import Envelope
from mcphub.gateway.errors import InvalidParams
from mcphub.gateway.http import Headers
from mcphub.gateway.jsonrpc import Members
from mcphub.gateway.links import Link
from mcphub.gateway.ports import Tracer
from mcphub.gateway.principal import Principal
from mcphub.gateway.recorder import Recorder
from mcphub.gateway.seals import Sealer
from mcphub.gateway.session import Session, Sessions
from mcphub.gateway.snapshot import OpenApiSpec, ServerSpec, Switches
from mcphub.gateway.subscriptions import Subscriptions

_STATE_HEADER = b"x-mcphub-state-id"
#: Never passed on, whatever a server's settings ask for: they belong to the connection with this hub.
_OWN_HEADERS = frozenset(
    (b"host", b"content-length", b"content-type", b"transfer-encoding", b"connection", b"upgrade", b"accept",
     b"accept-encoding", b"mcp-session-id", b"mcp-protocol-version", b"mcp-method", b"mcp-name", b"last-event-id",
     b"cookie", b"x-auth-token")
)  # fmt: skip
_SILENCE = Silence()


@dataclass(slots=True)
class Front:
    """The parts the methods work with. `switches` are those of the present snapshot; `node` names this process."""

    link: Link
    recorder: Recorder
    sessions: Sessions
    states: Sealer
    subscriptions: Subscriptions
    node: str
    switches: Switches = field(default_factory=Switches)
    tracer: Tracer | None = None
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def new_id(self) -> str:
        """Unique over all processes, as node names are."""
        return f"{self.node}.{next(self._numbers):x}"


@dataclass(slots=True)
class Inquiry:
    """One request.

    Attributes:
        params: opened one level; `meta` is what the hub reads of its `_meta`.
        modern: it came under 2026-07-28; else `session` may tell the client's capabilities and state.
        capabilities: what the client declared, JSON object bytes.
        apps: the client shows MCP Apps.
        route: the path segment ("" for the global route); `door` is mcp, sse or rest.
        exchange: where progress, logs and questions of the upstream go.
    """

    front: Front
    principal: Principal
    catalog: Catalog
    method: str
    params: Members
    modern: bool = False
    revision: str = envelope.LATEST_LEGACY
    meta: Envelope = envelope.EMPTY
    session: Session | None = None
    capabilities: bytes = b"{}"
    apps: bool = False
    headers: Headers = field(default_factory=dict)
    route: str = ""
    door: str = "mcp"
    address: str = ""
    size: int = 0
    exchange: Exchange = _SILENCE

    def passed_headers(self, server: ServerSpec) -> Mapping[str, str]:
        """The caller's headers that this server asks for. The hub's own credential never is among them."""
        own = self.front.switches.bearer_header.lower()
        passed = {}
        for name in server.passthrough_headers:
            key = name.lower().encode()
            if key in self.headers and key not in _OWN_HEADERS and name.lower() != own:
                passed[name.lower()] = self.headers[key].decode("latin-1")
        return passed

    def scope(self, server: ServerSpec) -> str | None:
        """Which client of its own this caller has at a server that keeps one per session; None for the shared one.

        An OpenAPI server with a cookie session keeps cookies by it, and simply keeps none for a caller without one.
        Under the stateless revision the client names its workflow, which needs a credential to be bound to.

        Raises:
            InvalidParams: the client names none, or names it in a form that is not accepted.
        """
        keeps_cookies = isinstance(server.spec, OpenApiSpec) and server.spec.cookie_session
        if not (server.lifecycle.per_session_client or keeps_cookies):
            return None
        if self.session is not None:
            return self.session.key
        explicit = self.headers.get(_STATE_HEADER)
        handle = f"id:{_uuid4(explicit)}" if explicit is not None else ""
        if self.door == "rest" and not handle:
            handle = "rest:" + self.headers.get(b"x-session-id", b"api-session").decode("latin-1")
        if not handle and isinstance(self.meta.openai_session, str) and self.meta.openai_session:
            handle = f"openai:{self.meta.openai_session}"
        if not handle or self.principal.id == "anonymous":
            if not server.lifecycle.per_session_client:
                return None
            raise InvalidParams(
                "This server keeps a state for each client: authenticate and send X-MCPHub-State-Id (a UUID v4)."
            )
        bound = "\0".join((self.principal.id, self.principal.username or "", self.route, handle))
        return hashlib.sha256(bound.encode()).hexdigest()[:32]


def _uuid4(value: bytes) -> str:
    try:
        found = uuid.UUID(value.decode("ascii"))
    except ValueError:
        raise InvalidParams("X-MCPHub-State-Id must be a UUID v4.") from None
    if found.version != 4:
        raise InvalidParams("X-MCPHub-State-Id must be a UUID v4.")
    return str(found)
