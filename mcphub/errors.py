"""The vocabulary of refusal: every error the hub raises on purpose descends from `HubError`.

Each leaf carries what every door needs to render it: a stable `code` for machines, an HTTP status for REST, a
JSON-RPC code for MCP, and a sentence that is safe to show to the caller. `docs/errors.md` lists the leaves; a test
keeps that page complete. Nothing is below this module.
"""

from __future__ import annotations

from typing import Any, ClassVar

#: JSON-RPC codes of the hub's own making stay outside the range the specification reserves (-32768..-32000).
RPC_REFUSED = -31001
RPC_UNAVAILABLE = -31002
RPC_TIMED_OUT = -31003
RPC_BUSY = -31004

RPC_PARSE_ERROR = -32700
RPC_INVALID_REQUEST = -32600
RPC_METHOD_NOT_FOUND = -32601
RPC_INVALID_PARAMS = -32602
RPC_INTERNAL_ERROR = -32603


class HubError(Exception):
    """A refusal with a public sentence. Leaves override the class attributes; instances may refine the sentence."""

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    rpc_code: ClassVar[int] = RPC_INTERNAL_ERROR
    sentence: ClassVar[str] = "The hub could not answer this request."

    def __init__(self, message: str | None = None, *, data: dict[str, Any] | None = None) -> None:
        self.message = message or self.sentence
        #: machine-readable details, safe to show; rendered as `data` in JSON-RPC and merged into REST envelopes
        self.data = data
        super().__init__(self.message)


class InvalidInput(HubError):
    """The caller sent something that breaks a documented rule; the sentence names the rule."""

    code = "invalid_input"
    http_status = 400
    rpc_code = RPC_INVALID_PARAMS
    sentence = "The request is not valid."


class NotAuthenticated(HubError):
    """No credential, or one that is not (or no longer) valid."""

    code = "not_authenticated"
    http_status = 401
    rpc_code = RPC_REFUSED
    sentence = "Authentication is required."


class NotAllowed(HubError):
    """The caller is known and may see the object, but may not do this with it."""

    code = "not_allowed"
    http_status = 403
    rpc_code = RPC_REFUSED
    sentence = "You may not do this."


class NotFound(HubError):
    """The object does not exist, or the caller may not know that it does."""

    code = "not_found"
    http_status = 404
    rpc_code = RPC_INVALID_PARAMS
    sentence = "There is no such object."


class Conflict(HubError):
    """The change collides with what is stored."""

    code = "conflict"
    http_status = 409
    rpc_code = RPC_INVALID_PARAMS
    sentence = "This collides with something that exists already."


class TooLarge(HubError):
    """A body, upload or message over its configured limit."""

    code = "too_large"
    http_status = 413
    rpc_code = RPC_INVALID_REQUEST
    sentence = "The request is larger than the configured limit."


class TooManyRequests(HubError):
    """A rate limit or a throttle refused the request."""

    code = "too_many_requests"
    http_status = 429
    rpc_code = RPC_BUSY
    sentence = "Too many requests; try again later."

    def __init__(self, message: str | None = None, *, retry_after: float = 1.0) -> None:
        super().__init__(message, data={"retryAfter": round(retry_after, 3)})

    @property
    def retry_after(self) -> float:
        """Seconds until it is worth trying again; read from `data`, which crosses processes."""
        return float((self.data or {}).get("retryAfter", 1.0))


class ReadOnly(HubError):
    """The hub runs with READONLY=true and the request would change something."""

    code = "read_only"
    http_status = 403
    rpc_code = RPC_REFUSED
    sentence = "This hub is in read-only mode."


class Misconfigured(HubError):
    """A setting or environment variable has a value the hub cannot run with."""

    code = "misconfigured"
    http_status = 500
    sentence = "The hub is not configured correctly."
