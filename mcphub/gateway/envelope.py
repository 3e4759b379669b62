"""The envelope of a request: protocol revisions, the per-request `_meta` of 2026-07-28, and header agreement. Pure.

The ladder is MCP 2026-07-28, "Streamable HTTP", in the order the SDKs use; each rung raises the JSON-RPC error that
the revision names for it. Above: `streamable`, `methods`. Below: `jsonrpc`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from mcphub.errors import RPC_INVALID_PARAMS
from mcphub.gateway import jsonrpc
from mcphub.gateway.errors import RPC_HEADER_MISMATCH, RPC_UNSUPPORTED_VERSION, RpcError
from mcphub.gateway.http import Headers
from mcphub.gateway.jsonrpc import Members

MODERN = "2026-07-28"
LATEST_LEGACY = "2025-11-25"
BATCHING = "2025-03-26"
LEGACY = ("2024-10-07", "2024-11-05", BATCHING, "2025-06-18", LATEST_LEGACY)
#: Header values that choose the session-based path; every other value is answered by the stateless one.
LEGACY_HEADERS = frozenset(revision.encode() for revision in LEGACY)

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
CLIENT_KEY = "io.modelcontextprotocol/clientInfo"
LOG_LEVEL_KEY = "io.modelcontextprotocol/logLevel"
SERVER_KEY = "io.modelcontextprotocol/serverInfo"
SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"

UI_EXTENSION = "io.modelcontextprotocol/ui"
UI_MIME = "text/html;profile=mcp-app"

#: Which parameter `Mcp-Name` mirrors.
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}

#: Severity of `notifications/message`, as RFC 5424 has it.
LEVELS = {
    name: rank
    for rank, name in enumerate(
        ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
    )
}  # fmt: skip

_MARK, _END = "=?base64?", "?="


class Envelope(msgspec.Struct, gc=False):
    """What a request says of itself in `params._meta`; the rest of it stays unread."""

    version: str | UnsetType = msgspec.field(default=UNSET, name=VERSION_KEY)
    capabilities: Raw | UnsetType = msgspec.field(default=UNSET, name=CAPABILITIES_KEY)
    client: Raw | UnsetType = msgspec.field(default=UNSET, name=CLIENT_KEY)
    log_level: Any = msgspec.field(default=None, name=LOG_LEVEL_KEY)
    progress_token: Any = msgspec.field(default=None, name="progressToken")
    openai_session: Any = msgspec.field(default=None, name="openai/session")
    traceparent: Any = None
    tracestate: Any = None


EMPTY = Envelope()
_envelope = msgspec.json.Decoder(Envelope)


def envelope_of(params: Members) -> Envelope:
    """Read `_meta`; what is missing or no object reads as empty.

    Raises:
        RpcError: `_meta` is malformed (-32602).
    """
    meta = params.get("_meta")
    if meta is None:
        return EMPTY
    try:
        return _envelope.decode(meta)
    except msgspec.DecodeError as wrong:
        raise RpcError(RPC_INVALID_PARAMS, f"params._meta is malformed: {wrong}.") from None


def modern_envelope(method: str, params: Members, headers: Headers) -> Envelope:
    """Climb the ladder from the envelope to the supported version. Raises `RpcError` at the first rung that fails."""
    envelope = envelope_of(params)
    missing = [
        key
        for key, value in ((VERSION_KEY, envelope.version), (CAPABILITIES_KEY, envelope.capabilities))
        if value is UNSET
    ]
    if missing:
        raise RpcError(RPC_INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}.")
    if not bytes(envelope.capabilities).lstrip().startswith(b"{"):  # type: ignore[arg-type]
        raise RpcError(RPC_INVALID_PARAMS, f"{CAPABILITIES_KEY} must be an object.")
    version = str(envelope.version)
    _agree("MCP-Protocol-Version", headers.get(b"mcp-protocol-version"), version)
    _agree("Mcp-Method", headers.get(b"mcp-method"), method)
    named = NAMED.get(method)
    if named is not None:
        _name_agrees(headers.get(b"mcp-name"), params.get(named))
    if version != MODERN:
        raise RpcError.of(
            RPC_UNSUPPORTED_VERSION,
            "Unsupported protocol version.",
            {"supported": [MODERN, LATEST_LEGACY], "requested": version},
        )
    return envelope


def _agree(name: str, header: bytes | None, body: str) -> None:
    if header is None or header != body.encode():
        raise RpcError(RPC_HEADER_MISMATCH, f"The {name} header does not match the body.")


def _name_agrees(header: bytes | None, body: Raw | None) -> None:
    value = jsonrpc.text(body)
    if value is None:
        return  # the method itself refuses a missing or malformed name
    if header is None or decode_header(header) != value:
        raise RpcError(RPC_HEADER_MISMATCH, "The Mcp-Name header does not match the body.")


def decode_header(value: bytes) -> str | None:
    """The text of a header value, unwrapped from `=?base64?…?=`; None where the wrapping is not canonical."""
    try:
        text = value.decode("ascii")
    except UnicodeDecodeError:
        return None
    if not (text.startswith(_MARK) and text.endswith(_END) and len(text) >= len(_MARK) + len(_END)):
        return text
    payload = text[len(_MARK) : -len(_END)]
    try:
        decoded = base64.b64decode(payload, validate=True)
        # Non-zero padding bits decode to the same bytes; only the one canonical spelling is accepted.
        return decoded.decode() if base64.b64encode(decoded).decode() == payload else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def declares(capabilities: bytes, *path: str) -> bool:
    """Whether a capabilities object has the member at this path (any object counts as declared)."""
    if path[0].encode() not in capabilities:
        return False
    try:
        value = jsonrpc.loads(capabilities)
    except msgspec.DecodeError:
        return False
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return value is not None and value is not False


def wants_apps(capabilities: bytes) -> bool:
    """Whether the client declared that it shows MCP Apps."""
    if b"io.modelcontextprotocol/ui" not in capabilities:
        return False
    try:
        extension = jsonrpc.loads(capabilities)["extensions"][UI_EXTENSION]
        return UI_MIME in extension.get("mimeTypes", ())
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return False


def forwardable(capabilities: bytes) -> bytes:
    """What of a client's capabilities an upstream may count on: not tasks, which the hub does not carry."""
    if b"tasks" not in capabilities:
        return capabilities
    declared = jsonrpc.members(capabilities)
    declared.pop("tasks", None)
    if "extensions" in declared:
        extensions = jsonrpc.members(declared["extensions"])
        extensions.pop("io.modelcontextprotocol/tasks", None)
        declared["extensions"] = Raw(jsonrpc.dumps(extensions))
    return jsonrpc.dumps(declared)
