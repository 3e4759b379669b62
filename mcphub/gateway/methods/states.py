"""Multi-round-trip requests: an upstream's `requestState`, re-sealed for one principal, server, method and arguments.

The upstream binds its state to whom it sees, and that is the hub for every caller; unsealed, a state made for one
user would be accepted from another, or at another server. Above: `carrying`. Below: `seals`, `inquiry`.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

import msgspec
from msgspec import Raw

from mcphub.gateway import jsonrpc
from mcphub.gateway.envelope import declares
from mcphub.gateway.errors import RPC_MISSING_CAPABILITY, InvalidParams, RpcError
from mcphub.gateway.inquiry import Inquiry
from mcphub.gateway.jsonrpc import Members

#: A state is good for this long, in seconds: people answer forms after lunch.
LIFETIME = 3600
#: One message for every way in which a state can be wrong: which claim failed is nobody's business.
_REFUSAL = "The requestState is not valid for this request."

_canonical = msgspec.json.Encoder(order="deterministic")


class _Claims(msgspec.Struct, array_like=True):
    expires: int
    principal: str
    server: str
    method: str
    identity: str
    arguments: bytes
    inner: str


def _digest(arguments: Raw | None) -> bytes:
    if arguments is None:
        return hashlib.sha256(b"{}").digest()
    try:
        canonical = _canonical.encode(jsonrpc.loads(arguments))
    except (msgspec.MsgspecError, OverflowError):
        canonical = bytes(arguments)  # e.g. integers beyond 64 bits: the spelling itself must then be repeated
    return hashlib.sha256(canonical).digest()


def seal(inquiry: Inquiry, server: str, identity: str, arguments: Raw | None, state: Raw) -> Raw:
    """The value the client gets instead of the upstream's state."""
    claims = _Claims(
        int(time.time()) + LIFETIME,
        inquiry.principal.id,
        server,
        inquiry.method,
        identity,
        _digest(arguments),
        jsonrpc.text(state) or "",
    )
    return Raw(jsonrpc.dumps(inquiry.front.states.seal(msgspec.msgpack.encode(claims))))


def unseal(inquiry: Inquiry, server: str, identity: str, arguments: Raw | None, sealed: Raw) -> Raw:
    """The upstream's own state.

    Raises:
        InvalidParams: the value was not issued for exactly this request, or too long ago.
    """
    content = inquiry.front.states.open(jsonrpc.text(sealed) or "")
    if content is None:
        raise InvalidParams(_REFUSAL)
    claims = msgspec.msgpack.decode(content, type=_Claims)
    expected = (inquiry.principal.id, server, inquiry.method, identity, _digest(arguments))
    found = (claims.principal, claims.server, claims.method, claims.identity, claims.arguments)
    if found != expected or claims.expires < time.time():
        raise InvalidParams(_REFUSAL)
    return Raw(jsonrpc.dumps(claims.inner))


def questions(result: Raw) -> tuple[dict[str, tuple[str, Raw]], Raw | None] | None:
    """What an `input_required` result asks, as key to (method, params), and its state; None for other results."""
    if b"input_required" not in bytes(result):
        return None
    members = jsonrpc.members(result)
    if jsonrpc.text(members.get("resultType")) != "input_required":
        return None
    asked = {}
    for key, raw in jsonrpc.members(members.get("inputRequests", jsonrpc.EMPTY)).items():
        request = jsonrpc.members(raw)
        asked[key] = (jsonrpc.text(request.get("method")) or "", request.get("params", jsonrpc.EMPTY))
    return asked, members.get("requestState")


def answered(params: Members, answers: dict[str, Raw], state: Raw | None) -> Members:
    """The params of the next round."""
    again = {key: value for key, value in params.items() if key not in ("inputResponses", "requestState")}
    again["inputResponses"] = Raw(jsonrpc.dumps(answers))
    if state is not None:
        again["requestState"] = state
    return again


def url_elicitations(inquiry: Inquiry, refusal: RpcError) -> Raw:
    """The -32042 of a 2025-11-25 upstream as the `input_required` of 2026-07-28.

    Raises:
        RpcError: the client cannot open URLs for its user (-32021), or the error names none.
    """
    if not declares(inquiry.capabilities, "elicitation", "url"):
        required: dict[str, Any] = {"requiredCapabilities": {"elicitation": {"url": {}}}}
        raise RpcError.of(RPC_MISSING_CAPABILITY, "The client must support URL elicitation.", required)
    try:
        elicitations = jsonrpc.loads(refusal.data or b"{}")["elicitations"]
        requests = {
            str(each.get("elicitationId", number)): {
                "method": "elicitation/create",
                "params": {"mode": "url", **each},
            }
            for number, each in enumerate(elicitations)
        }
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        raise refusal from None
    return Raw(jsonrpc.dumps({"resultType": "input_required", "inputRequests": requests}))
