"""The data plane's leaves of `HubError`, and `RpcError`, which carries a peer's own JSON-RPC error unchanged."""

from __future__ import annotations

from typing import Any

import msgspec

from mcphub.errors import (
    RPC_BUSY,
    RPC_INVALID_PARAMS,
    RPC_INVALID_REQUEST,
    RPC_METHOD_NOT_FOUND,
    RPC_PARSE_ERROR,
    RPC_REFUSED,
    RPC_TIMED_OUT,
    RPC_UNAVAILABLE,
    HubError,
)

#: MCP 2026-07-28, "Error codes": the range -32020..-32099 belongs to the specification.
RPC_HEADER_MISMATCH = -32020
RPC_MISSING_CAPABILITY = -32021
RPC_UNSUPPORTED_VERSION = -32022
#: MCP 2025-11-25: a resource that does not exist; the URL elicitation a call is waiting for.
RPC_RESOURCE_NOT_FOUND = -32002
RPC_URL_ELICITATION = -32042


class RpcError(Exception):
    """A JSON-RPC error object that passes through unchanged: `code`, `message`, and `data` as the bytes received."""

    def __init__(self, code: int, message: str, data: bytes | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.data = data

    @classmethod
    def of(cls, code: int, message: str, data: Any = None) -> RpcError:
        """Build one from plain values instead of received bytes."""
        return cls(code, message, None if data is None else msgspec.json.encode(data))


class ParseError(HubError):
    """The body is not JSON, not UTF-8, or nested beyond reason."""

    code = "parse_error"
    http_status = 400
    rpc_code = RPC_PARSE_ERROR
    sentence = "The body is not valid JSON."


class InvalidRequest(HubError):
    """The body is JSON but no JSON-RPC message of this revision."""

    code = "invalid_request"
    http_status = 400
    rpc_code = RPC_INVALID_REQUEST
    sentence = "The body is not a valid JSON-RPC message."


class MethodNotFound(HubError):
    """The method is unknown, or not part of the revision in use."""

    code = "method_not_found"
    http_status = 404
    rpc_code = RPC_METHOD_NOT_FOUND
    sentence = "This method is not available here."


class InvalidParams(HubError):
    """The parameters of a method are missing or wrong; the sentence says which. Also an unknown tool or prompt."""

    code = "invalid_params"
    http_status = 400
    rpc_code = RPC_INVALID_PARAMS
    sentence = "The parameters are not valid."


class UnknownTarget(HubError):
    """The path names no group or server that the caller may know of."""

    code = "unknown_target"
    http_status = 404
    rpc_code = RPC_INVALID_PARAMS
    sentence = "There is no such group or server."


class SessionRequired(HubError):
    """A session-based request that names no session and is no `initialize`."""

    code = "session_required"
    http_status = 400
    rpc_code = -32000
    sentence = "No valid session id was sent; initialize first."


class NotAcceptable(HubError):
    """The `Accept` header excludes a form the answer may have to take."""

    code = "not_acceptable"
    http_status = 406
    rpc_code = -32000
    sentence = "The Accept header must admit application/json and text/event-stream."


class WrongContentType(HubError):
    """The body is not announced as JSON."""

    code = "wrong_content_type"
    http_status = 415
    rpc_code = -32000
    sentence = "The Content-Type must be application/json."


class MethodNotAllowed(HubError):
    """This path does not serve the HTTP method."""

    code = "http_method_not_allowed"
    http_status = 405
    rpc_code = -32000
    sentence = "This HTTP method is not served here."

    def __init__(self, message: str | None = None, *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow


class Cancelled(HubError):
    """The client cancelled the request; this is the last word about it."""

    code = "cancelled"
    http_status = 200
    rpc_code = RPC_REFUSED
    sentence = "The request was cancelled."


class ForeignHost(HubError):
    """The Host or Origin header names a place that this hub does not serve (DNS rebinding, cross-site calls)."""

    code = "foreign_host"
    http_status = 403
    rpc_code = RPC_REFUSED
    sentence = "This Host or Origin is not allowed."


class RouteDisabled(HubError):
    """The route is switched off in the settings."""

    code = "route_disabled"
    http_status = 403
    rpc_code = RPC_REFUSED
    sentence = "This route is switched off."


class UnknownSession(HubError):
    """The session id is unknown, ended, or belongs to another principal."""

    code = "unknown_session"
    http_status = 404
    rpc_code = RPC_INVALID_REQUEST
    sentence = "There is no such session; initialize again."


class CredentialUnchecked(HubError):
    """The database does not answer, so nobody can tell whose credential this is."""

    code = "credential_unchecked"
    http_status = 503
    rpc_code = RPC_UNAVAILABLE
    sentence = "The credential cannot be checked at the moment; try again shortly."


class UpstreamUnavailable(HubError):
    """The upstream is not connected. `data` tells the reason and, where one is planned, the next attempt time."""

    code = "upstream_unavailable"
    http_status = 502
    rpc_code = RPC_UNAVAILABLE
    sentence = "The MCP server behind this item is not connected."


class ConnectionLost(UpstreamUnavailable):
    """The connection broke while a call was in flight; the call may or may not have been executed."""

    code = "connection_lost"
    sentence = "The connection to the MCP server was lost during the call."


class NotSent(ConnectionLost):
    """The connection broke before the request was written: it was surely not executed and may be repeated."""

    code = "not_sent"


class AuthenticationRefused(UpstreamUnavailable):
    """The upstream refused the hub's credentials (401/403); repeating will not help."""

    code = "upstream_authentication_refused"
    rpc_code = RPC_REFUSED
    sentence = "The MCP server refused the hub's credentials."


class UpstreamTimeout(HubError):
    """The upstream did not answer within the configured time; the request was cancelled there."""

    code = "upstream_timeout"
    http_status = 504
    rpc_code = RPC_TIMED_OUT
    sentence = "The MCP server did not answer in time."


class UpstreamProtocolError(HubError):
    """The upstream said something that is not MCP."""

    code = "upstream_protocol_error"
    http_status = 502
    rpc_code = RPC_UNAVAILABLE
    sentence = "The MCP server sent an answer that is not valid MCP."


class UpstreamBusy(HubError):
    """Too many calls are in flight and waiting for this upstream."""

    code = "upstream_busy"
    http_status = 503
    rpc_code = RPC_BUSY
    sentence = "The MCP server has too many calls in flight; try again shortly."


class ForbiddenAddress(HubError):
    """The SSRF guard refused an address that this server's owner may not reach."""

    code = "forbidden_address"
    http_status = 400
    rpc_code = RPC_REFUSED
    sentence = "This address is not allowed."
