"""JSON-RPC 2.0 as bytes that are opened only as far as needed; no I/O.

`params`, `result` and `error` stay `msgspec.Raw` (the bytes as they arrived), so unknown fields, big integers and
number spellings survive the gateway, and a megabyte result is never turned into Python objects. Members are opened
one level at a time with `members`; `encode` splices the raw parts back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from mcphub.gateway.errors import InvalidRequest, ParseError, RpcError

Id = str | int
#: An object opened one level: its values are still bytes.
Members = dict[str, Raw]

EMPTY = Raw(b"{}")
NULL = Raw(b"null")


class Message(msgspec.Struct, gc=False):
    """One JSON-RPC message, either side. What a member's absence means is told by the properties."""

    jsonrpc: str | UnsetType = UNSET
    id: str | int | UnsetType | None = UNSET
    method: str | UnsetType = UNSET
    params: Raw | UnsetType = UNSET
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET

    @property
    def is_request(self) -> bool:
        return self.method is not UNSET and self.id is not UNSET

    @property
    def is_notification(self) -> bool:
        return self.method is not UNSET and self.id is UNSET

    @property
    def is_response(self) -> bool:
        return self.method is UNSET and (self.result is not UNSET or self.error is not UNSET)


class _ErrorObject(msgspec.Struct, gc=False):
    code: int = 0
    message: str = ""
    data: Raw | UnsetType = UNSET


_message = msgspec.json.Decoder(Message)
_messages = msgspec.json.Decoder(list[Message])
_members = msgspec.json.Decoder(dict[str, Raw])
_error = msgspec.json.Decoder(_ErrorObject)
_anything = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()

dumps = _encoder.encode


def loads(raw: bytes | Raw) -> Any:
    """Plain Python values, for the few places that need them whole."""
    return _anything.decode(raw)


def parse(body: bytes) -> Message:
    """Read one message.

    Raises:
        ParseError: not JSON, not UTF-8, nested too deeply.
        InvalidRequest: JSON, but not one JSON-RPC message (an array, a wrong `jsonrpc`, an id of a wrong type).
    """
    _require_utf8(body)
    try:
        message = _message.decode(body)
    except msgspec.ValidationError as wrong:
        raise InvalidRequest(f"The body is not a valid JSON-RPC message: {wrong}.") from None
    except msgspec.DecodeError:
        raise ParseError() from None
    except RecursionError:
        raise ParseError("The body is nested too deeply.") from None
    _check(message)
    return message


def parse_batch(body: bytes) -> list[Message]:
    """Read a JSON-RPC batch (MCP 2025-03-26 only). Raises as `parse`; an empty batch is an `InvalidRequest`."""
    _require_utf8(body)
    try:
        messages = _messages.decode(body)
    except msgspec.ValidationError as wrong:
        raise InvalidRequest(f"The body is not a valid JSON-RPC batch: {wrong}.") from None
    except msgspec.DecodeError:
        raise ParseError() from None
    except RecursionError:
        raise ParseError("The body is nested too deeply.") from None
    if not messages:
        raise InvalidRequest("A batch must hold at least one message.")
    for message in messages:
        _check(message)
    return messages


def _require_utf8(body: bytes) -> None:
    # Raw members are skipped, not decoded, so bad bytes inside them would pass unseen and break the other side.
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            raise ParseError("The body is not valid UTF-8.") from None


def _check(message: Message) -> None:
    if message.jsonrpc != "2.0":
        raise InvalidRequest('The member "jsonrpc" must be "2.0".')
    if message.method is UNSET and message.result is UNSET and message.error is UNSET:
        raise InvalidRequest('A message needs a "method", a "result" or an "error".')
    if message.method is not UNSET and message.id is None:
        raise InvalidRequest("A request id must not be null.")


def is_batch(body: bytes) -> bool:
    """Whether the first character that is no blank opens an array."""
    return body[:64].lstrip()[:1] == b"["


def members(raw: Raw | bytes | UnsetType) -> Members:
    """Open an object one level. Absent means empty.

    Raises:
        InvalidRequest: not an object.
    """
    if raw is UNSET:
        return {}
    try:
        return _members.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest("An object was expected here.") from None


def text(raw: Raw | bytes | None) -> str | None:
    """The string that `raw` holds, or None where it is absent or no string."""
    if raw is None:
        return None
    try:
        value = _anything.decode(raw)
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, str) else None


def error_of(raw: Raw) -> RpcError:
    """The peer's error object as an exception; whatever is malformed in it becomes -32603."""
    try:
        found = _error.decode(raw)
    except msgspec.DecodeError:
        return RpcError(-32603, "The peer sent a malformed error object.")
    return RpcError(found.code, found.message, None if found.data is UNSET else bytes(found.data))


def request(id: Id, method: str, params: Mapping[str, Any] | Raw | None = None) -> bytes:
    """A request; `params` may be raw bytes or a mapping whose values may be raw."""
    if params is None:
        return dumps({"jsonrpc": "2.0", "id": id, "method": method})
    return dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params})


def notification(method: str, params: Mapping[str, Any] | Raw | None = None) -> bytes:
    """A notification; absent params stay absent."""
    if params is None:
        return dumps({"jsonrpc": "2.0", "method": method})
    return dumps({"jsonrpc": "2.0", "method": method, "params": params})


def result(id: Id, value: Mapping[str, Any] | Raw | bytes) -> bytes:
    """A response with a result. `bytes` are taken as encoded JSON and spliced in without being opened."""
    if isinstance(value, (bytes, Raw)):
        return b"".join((b'{"jsonrpc":"2.0","id":', dumps(id), b',"result":', value, b"}"))
    return dumps({"jsonrpc": "2.0", "id": id, "result": value})


def failure(id: Id | None, error: RpcError) -> bytes:
    """A response with an error; `id` None where the request could not be read."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = Raw(error.data)
    return dumps({"jsonrpc": "2.0", "id": id, "error": body})


def batch(parts: Iterable[bytes]) -> bytes:
    """Encoded messages as one JSON array."""
    return b"[" + b",".join(parts) + b"]"
