"""One request on its way to an upstream, what may happen meanwhile, and what is remembered of it. Values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from mcphub.gateway.errors import MethodNotFound
from mcphub.gateway.jsonrpc import Members


class Exchange(Protocol):
    """The caller's side of a running call: where an upstream's progress, logs and questions go.

    `notify` must not block and never fails; `ask` raises `RpcError` where the client refuses, cannot, or is gone.
    """

    def notify(self, method: str, params: Raw) -> None:
        """Pass on `notifications/progress` or `notifications/message` that belongs to this call."""

    async def ask(self, method: str, params: Raw) -> Raw:
        """Pass on a request of the upstream (sampling, elicitation, roots); returns the client's result."""


class Silence:
    """The Exchange of a caller that hears nothing and answers nothing: REST calls, probes, tests."""

    def notify(self, method: str, params: Raw) -> None:
        return None

    async def ask(self, method: str, params: Raw) -> Raw:
        raise MethodNotFound()


@dataclass(frozen=True, slots=True)
class Call:
    """One request for one upstream. Names and URIs in `params` are already the upstream's own.

    Attributes:
        id: unique over all processes; joins log lines, records and peer messages.
        server: key of the `ServerSpec`.
        params: opened one level; `_meta` is the caller's, still raw (the upstream rewrites what it owns in it).
        capabilities: the client capabilities declared by the caller (JSON object bytes); upstreams of the modern era
            get them per request, session-based ones only relay when their session declared them.
        modern: the caller speaks the stateless revision (may receive `input_required`).
        headers: inbound headers that this server's `passthrough_headers` ask for, lower-case names.
        scope: which per-session client to use (`perSessionClient`); None uses the shared one.
        may_repeat: the request changes nothing (lists, reads), so it may be sent again after a lost connection.
    """

    id: str
    server: str
    method: str
    params: Members
    capabilities: bytes = b"{}"
    modern: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    scope: str | None = None
    may_repeat: bool = False


class CallRecord(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of one tools/call, prompts/get or resources/read. Times: epoch seconds, milliseconds.

    Attributes:
        item: the upstream's own name or URI; `server` is its name then ("" where the target could not be resolved).
        route: the path segment called ("" for the global route); `door` is mcp, sse or rest.
        status: ok, error (JSON-RPC error), tool_error (`isError`), cancelled, refused.
        input, output: payloads up to a cap, only where the setting stores them; masked by the sink.
    """

    id: str
    started: float
    duration_ms: float
    method: str
    server: str
    item: str
    status: str
    route: str = ""
    door: str = "mcp"
    principal: str = ""
    username: str | None = None
    key_id: str | None = None
    key_name: str | None = None
    address: str = ""
    group: str = ""
    request_size: int = 0
    response_size: int = 0
    error: str | None = None
    error_code: int | None = None
    input: bytes | None = None
    output: bytes | None = None
    trace: Mapping[str, Any] | None = None
