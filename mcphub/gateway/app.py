"""GatewayApp: the data plane's front door on bare ASGI. Path to door, credential to principal, then an endpoint.

No middleware, no database query, no thread crossing on the way of a request whose caller is known. Above: `asgi`,
`hub`. Below: the endpoints, `admission`, `access`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Raw

from mcphub.bus import Bus, ClientSpoke, KeyRevoked, ListAnnounced, ResourceUpdated, SessionEnded, Unsubscribe
from mcphub.errors import HubError, NotAllowed, NotAuthenticated, TooManyRequests
from mcphub.gateway import jsonrpc, responding, router
from mcphub.gateway.access import admits, may_enter
from mcphub.gateway.admission import Caller, Callers, Limiter, Neighbours, WindowLimiter, limit_headers
from mcphub.gateway.catalog import Catalog, Catalogs
from mcphub.gateway.errors import ForeignHost, MethodNotAllowed, RouteDisabled, UnknownTarget
from mcphub.gateway.feeds import Feeds
from mcphub.gateway.http import ClientGone, HeaderLines, Headers, Receive, Scope, Send, headers_of, reply
from mcphub.gateway.inquiry import Front, Inquiry
from mcphub.gateway.knock import Knock
from mcphub.gateway.legacy_sse import LegacySseEndpoint
from mcphub.gateway.links import Link
from mcphub.gateway.paths import METADATA, Path, Paths, raw_names_wanted
from mcphub.gateway.patrol import Patrol
from mcphub.gateway.ports import Authenticator, Tracer
from mcphub.gateway.principal import ANONYMOUS, Principal
from mcphub.gateway.questions import Questions
from mcphub.gateway.recorder import Recorder
from mcphub.gateway.seals import Sealer
from mcphub.gateway.selector import Selector, resolve
from mcphub.gateway.session import Sessions
from mcphub.gateway.snapshot import Snapshot
from mcphub.gateway.streamable import StreamableEndpoint, Surroundings
from mcphub.gateway.subscriptions import Subscriptions
from mcphub.gateway.tasks import Tasks

logger = logging.getLogger(__name__)

_MOST_DOORS = 4096


@dataclass(frozen=True, slots=True)
class Options:
    """How a GatewayApp is set up beside its collaborators.

    Attributes:
        node: names this process among all that share the bus; must be unique ("" makes one up).
        hosts, origins: admitted beside loopback names, addresses and the public address; `*` admits all.
        authorization_servers: issuers named in the protected-resource metadata; empty names this hub.
        limiter: counts requests; None counts in this process.
        tracer: told of each call; None where no traces are exported.
    """

    node: str = ""
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    authorization_servers: tuple[str, ...] = ()
    limiter: Limiter | None = None
    tracer: Tracer | None = None


class GatewayApp:
    """The ASGI callable. Made on the event loop that serves; `swap` gives it a new snapshot at any time.

    Args:
        link: the way to the upstreams.
        keys: the ring that signs sessions and seals states; the first one signs, all are accepted.
        base_path: what all paths begin with, "" or "/hub".
    """

    def __init__(
        self,
        *,
        link: Link,
        authenticator: Authenticator,
        recorder: Recorder,
        bus: Bus,
        keys: Sequence[bytes],
        base_path: str = "",
        options: Options = Options(),
    ) -> None:
        node = options.node or secrets.token_hex(6)
        self._base_path = base_path.rstrip("/")
        self._tasks = Tasks("gateway")
        self._options = options
        self._snapshot = Snapshot()
        self._bearer_header = b"authorization"
        self._catalogs = Catalogs()
        self._callers = Callers(authenticator)
        self._anonymous = Caller(ANONYMOUS, float("inf"), {})
        self._limiter: Limiter = options.limiter or WindowLimiter()
        self._neighbours = Neighbours(options.hosts, options.origins)
        self._paths = Paths(self._base_path)
        self._feeds = Feeds()
        self._patrol = Patrol(self._tasks)
        self.sessions = Sessions(keys, bus)
        self._front = Front(
            link=link,
            recorder=recorder,
            sessions=self.sessions,
            states=Sealer(keys, "request-state"),
            subscriptions=Subscriptions(link, self._tasks),
            node=node,
            tracer=options.tracer,
        )
        around = Surroundings(self._front, bus, self._tasks, self._patrol, Questions(node), self._feeds)
        self._streamable = StreamableEndpoint(around)
        self._sse = LegacySseEndpoint(around)
        self._hearing: list[Unsubscribe] = [
            self._callers.listen(bus),
            bus.subscribe(ResourceUpdated, lambda fact: self._feeds.updated(fact.server, fact.uri)),
            bus.subscribe(ListAnnounced, lambda fact: self._feeds.announced(fact.server, fact.kind)),
            bus.subscribe(SessionEnded, lambda fact: self._streamable.ended(fact.session)),
            bus.subscribe(ClientSpoke, self._hear),
            bus.subscribe(KeyRevoked, lambda fact: self._feeds.revoked(fact.principal)),
        ]

    # -- life -------------------------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """End all streams and background tasks; calls in flight are the server's to finish or cancel."""
        for unsubscribe in self._hearing:
            unsubscribe()
        self._hearing.clear()
        self.sessions.close()
        self._feeds.close()
        self._patrol.close()
        await self._tasks.aclose()

    @property
    def snapshot(self) -> Snapshot:
        """What is served now."""
        return self._snapshot

    def counts(self) -> dict[str, int]:
        """What is open and cached here now, and how often credentials were looked up since the start."""
        return {
            "streams": len(self._feeds),
            "sessions": len(self.sessions),
            "credentials_seen": self._callers.seen,
            "credentials_asked": self._callers.asked,
        }

    def swap(self, snapshot: Snapshot) -> None:
        """Serve another snapshot from now on; clients whose lists changed are told, in the background."""
        old, self._snapshot = self._snapshot, snapshot
        self._front.switches = snapshot.switches
        self._bearer_header = snapshot.switches.bearer_header.lower().encode()
        self._neighbours.set_public(snapshot.switches.public_url)
        if len(self._feeds):
            self._tasks.start(self._announce(old, snapshot))

    async def _announce(self, old: Snapshot, new: Snapshot) -> None:
        await self._feeds.look()
        if old.resources != new.resources:
            before = {resource.uri: resource for resource in old.resources}
            for resource in new.resources:
                if before.get(resource.uri, resource) != resource:
                    self._feeds.updated("", resource.uri)

    def _hear(self, fact: ClientSpoke) -> None:
        message = jsonrpc.parse(fact.message.encode())
        self._streamable.heard(fact.session, message)
        self._sse.heard(fact.session, message)

    # -- requests ---------------------------------------------------------------------------------------------------

    def owns(self, path: str) -> bool:
        """Whether a path is served here and not by the rest of the hub."""
        return self._paths.read(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = self._paths.read(scope["path"])
        headers = headers_of(scope)
        extra: HeaderLines = ()
        try:
            if path is None:
                raise UnknownTarget("There is nothing here.")
            if not self._neighbours.admits(headers):
                raise ForeignHost()
            if b"origin" in headers:
                extra = _cross_origin(headers[b"origin"])
                if scope["method"] == "OPTIONS":
                    await reply(send, 204, headers=[*extra, *_PREFLIGHT])
                    return
            if path.door == "metadata":
                await self._metadata(scope, headers, path, send, extra)
                return
            await self._enter(scope, receive, send, path, headers, extra)
        except HubError as refusal:
            await self._refuse(scope, send, headers, refusal, extra)
        except ClientGone:
            return

    async def _enter(
        self, scope: Scope, receive: Receive, send: Send, path: Path, headers: Headers, extra: HeaderLines
    ) -> None:
        switches = self._snapshot.switches
        address = scope["client"][0] if scope.get("client") else ""
        caller = await self._caller(path, headers, address)
        principal = caller.principal
        who = principal.id if principal is not ANONYMOUS else f"address:{address}"
        self._limiter.take(who, switches.rate_per_minute)
        target, session, raw_names = path.target, None, None
        query = scope.get("query_string", b"")
        if query:
            raw_names = raw_names_wanted(query)
        if path.door == "messages":
            session = self._sse.session_of(query, principal.id)
            target = session.target if session is not None else ""
        if not target and not switches.global_route and (path.door != "messages" or session is not None):
            raise RouteDisabled("The global route is switched off.")
        catalog = self._look(caller, target, raw_names)
        if catalog is None:
            raise UnknownTarget()
        knock = Knock(
            scope,
            headers,
            receive,
            send,
            principal,
            target,
            lambda: self._look_again(caller, target, raw_names),
            catalog,
            path.mount,
            address,
            switches.body_limit,
            extra,
        )
        if path.door == "mcp":
            await self._streamable.handle(knock)
        elif path.door == "sse":
            await self._sse.open(knock)
        else:
            await self._sse.post(knock, session)

    # -- who asks ---------------------------------------------------------------------------------------------------

    async def _caller(self, path: Path, headers: Headers, address: str) -> Caller:
        switches = self._snapshot.switches
        caller = await self._known(self._bearer(headers), address, user=False)
        if caller is None and path.user is not None:
            caller = await self._known(headers.get(b"x-auth-token"), address, user=True)
        if caller is None:
            if switches.bearer_auth or path.user is not None:
                raise NotAuthenticated("A valid bearer token is required.")
            return self._anonymous
        if path.user is not None:
            self._check_user(path.user, caller.principal)
        return caller

    def _check_user(self, user: str, principal: Principal) -> None:
        if principal.username is not None:
            if principal.username != user:
                raise NotAllowed("This route belongs to another user.")
        elif user not in self._snapshot.users:
            raise UnknownTarget()

    def _bearer(self, headers: Headers) -> bytes | None:
        value = headers.get(self._bearer_header)
        if value is None or value[:7].lower() != b"bearer ":
            return None
        return value[7:].strip() or None

    async def _known(self, token: bytes | None, address: str, *, user: bool) -> Caller | None:
        if token is None:
            return None
        caller = self._callers.remembered(token, user=user)
        if caller is None and not self._callers.is_unknown(token, user=user):
            # Every unknown token costs a query, so guessing is limited before it is answered.
            self._limiter.take(f"guess:{address}", self._snapshot.switches.rate_per_minute)
            caller = await self._callers.ask(token, user=user)
        return caller

    # -- which door -------------------------------------------------------------------------------------------------

    def _look(self, caller: Caller, target: str, raw_names: bool | None) -> Catalog | None:
        """What is behind a door for a caller; None where there is no door for it.

        Raises:
            NotAuthenticated: the caller's key does not cover the door, or any that does not exist.
        """
        key = (target, raw_names)
        found = caller.doors.get(key)
        if found is not None and found[0] is self._snapshot:
            catalog: Catalog = found[1]
            return catalog
        selected = self._catalog_of(caller.principal, target, raw_names)
        if selected is not None:
            if len(caller.doors) >= _MOST_DOORS:
                caller.doors.clear()
            caller.doors[key] = (self._snapshot, selected)
        return selected

    def _look_again(self, caller: Caller, target: str, raw_names: bool | None) -> Catalog | None:
        """As `_look`, for a stream that is open already: a door that is not covered any more is closed."""
        try:
            return self._look(caller, target, raw_names)
        except NotAuthenticated:
            return None

    def _catalog_of(self, principal: Principal, target: str, raw_names: bool | None) -> Catalog | None:
        snapshot = self._snapshot
        selector = resolve(snapshot, target, raw_names=raw_names)
        if principal.access != "all" and (selector is None or not admits(principal, selector, snapshot)):
            raise NotAuthenticated("This key does not cover this route.")
        if selector is None or not may_enter(principal, selector, snapshot):
            return None
        return self._catalogs.of(snapshot, selector, principal)

    # -- other doors of the hub -------------------------------------------------------------------------------------

    def catalog(self, principal: Principal, selector: Selector) -> Catalog:
        """What a selector exposes to a principal, for the REST doors.

        Raises:
            UnknownTarget: it does not exist, or the principal may not know that it does.
        """
        exists = selector.kind == "all" or selector.key in (
            self._snapshot.groups if selector.kind == "group" else self._snapshot.servers
        )
        if (
            not exists
            or not admits(principal, selector, self._snapshot)
            or not may_enter(principal, selector, self._snapshot)
        ):
            raise UnknownTarget()
        return self._catalogs.of(self._snapshot, selector, principal)

    async def dispatch(
        self,
        principal: Principal,
        selector: Selector,
        method: str,
        params: Mapping[str, Any],
        *,
        headers: Headers | None = None,
        address: str = "",
    ) -> Raw:
        """Answer one MCP request for a REST door, with the same access, catalog and records.

        `params` may hold plain values or raw JSON. Tools meant for an app's page only are unknown here.

        Raises:
            HubError, RpcError: as the methods do.
        """
        inquiry = Inquiry(
            self._front,
            principal,
            self.catalog(principal, selector),
            method,
            jsonrpc.members(jsonrpc.dumps(params)),
            headers=headers or {},
            route=selector.key,
            door="rest",
            address=address,
        )
        return Raw(await router.answer(inquiry))

    # -- refusals and metadata --------------------------------------------------------------------------------------

    async def _refuse(self, scope: Scope, send: Send, headers: Headers, refusal: HubError, extra: HeaderLines) -> None:
        lines = list(extra)
        body = responding.refusal_body(refusal)
        if isinstance(refusal, NotAuthenticated):
            url = self._origin(scope, headers) + METADATA + self._base_path
            body = jsonrpc.dumps(
                {"error": "invalid_token", "error_description": refusal.message, "resource_metadata": url}
            )
            challenge = (
                f'Bearer error="invalid_token", error_description="{refusal.message}", resource_metadata="{url}"'
            )
            lines.append((b"www-authenticate", challenge.encode()))
        elif isinstance(refusal, NotAllowed):
            body = jsonrpc.dumps({"error": "forbidden", "error_description": refusal.message})
        elif isinstance(refusal, TooManyRequests):
            lines += limit_headers(refusal, self._snapshot.switches.rate_per_minute)
        elif isinstance(refusal, MethodNotAllowed):
            lines.append((b"allow", refusal.allow.encode()))
        await reply(send, refusal.http_status, body, headers=lines)

    def _origin(self, scope: Scope, headers: Headers) -> str:
        """Where the client reached us. A proxy is believed only about hosts that we know."""
        forwarded = headers.get(b"x-forwarded-host")
        if forwarded is not None and self._neighbours.knows(forwarded):
            scheme = headers.get(b"x-forwarded-proto", b"").decode("latin-1")
            return f"{scheme if scheme in ('http', 'https') else 'http'}://{forwarded.decode('latin-1')}"
        host = headers.get(b"host")
        if host is None:
            return self._snapshot.switches.public_url.rstrip("/")
        return f"{scope.get('scheme', 'http')}://{host.decode('latin-1')}"

    async def _metadata(self, scope: Scope, headers: Headers, path: Path, send: Send, extra: HeaderLines) -> None:
        """RFC 9728. The resource is the origin, or the endpoint whose path is appended to the well-known one."""
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(allow="GET")
        origin = self._origin(scope, headers)
        document = {
            "resource": origin + path.target,
            "authorization_servers": list(self._options.authorization_servers) or [origin],
            "scopes_supported": ["read", "write"],
            "bearer_methods_supported": ["header"],
        }
        await reply(send, 200, jsonrpc.dumps(document), headers=extra)


_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"*, authorization"),
    (b"access-control-max-age", b"600"),
]


def _cross_origin(origin: bytes) -> HeaderLines:
    """What a browser needs to use an origin that was admitted."""
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", b"mcp-session-id, www-authenticate, retry-after"),
        (b"vary", b"origin"),
    ]
