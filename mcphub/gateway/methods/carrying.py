"""Carrying one call to its upstream: eras bridged, questions relayed, a record kept.

The matrix is protocol A.7: a session-based client gets its answer without the members of 2026-07-28, and an upstream's
`input_required` becomes questions on its open stream; a stateless client gets `resultType`, and what it must give
back is sealed. Above: `tools`, `prompts`, `resources`, `completion`. Below: `states`, `records`, `links`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
from msgspec import UNSET, Raw, UnsetType

from mcphub.errors import RPC_INTERNAL_ERROR, RPC_INVALID_PARAMS, HubError
from mcphub.gateway import jsonrpc
from mcphub.gateway.calls import Call
from mcphub.gateway.envelope import LEVELS, LOG_LEVEL_KEY, MODERN, SERVER_KEY
from mcphub.gateway.errors import (
    RPC_HEADER_MISMATCH,
    RPC_RESOURCE_NOT_FOUND,
    RPC_UNSUPPORTED_VERSION,
    RPC_URL_ELICITATION,
    RpcError,
)
from mcphub.gateway.inquiry import Inquiry
from mcphub.gateway.jsonrpc import Members
from mcphub.gateway.methods import records, states
from mcphub.gateway.snapshot import ServerSpec

#: An upstream that asks more often than this for one call is not going to answer it.
MOST_ROUNDS = 10
#: A state without questions means "again, soon", in seconds.
_SOON = 0.1

_COMPLETE = Raw(b'"complete"')
_PRIVATE = Raw(b'"private"')
_STALE = Raw(b"0")
#: Codes that concern the hub's own leg to the upstream.
_OTHER_LEG = frozenset((RPC_HEADER_MISMATCH, RPC_UNSUPPORTED_VERSION))
_NO_HEADERS: Mapping[str, str] = {}


@dataclass(slots=True)
class Errand:
    """One item to be fetched from one server.

    Attributes:
        item: its name or URI for the record; `identity` what is sealed into states. Both are the upstream's own.
        params: for the upstream.
        cacheable: a result of 2026-07-28 needs cache hints (resources/read).
        recorded: the call is remembered.
        may_repeat: it changes nothing, so it may be sent again after a lost connection.
    """

    server: ServerSpec
    item: str
    identity: str
    params: Members
    cacheable: bool = False
    recorded: bool = True
    may_repeat: bool = False


class _Peek(msgspec.Struct, gc=False):
    kind: Raw | UnsetType = msgspec.field(default=UNSET, name="resultType")
    is_error: Raw | UnsetType = msgspec.field(default=UNSET, name="isError")
    meta: Raw | UnsetType = msgspec.field(default=UNSET, name="_meta")


_peek = msgspec.json.Decoder(_Peek)


async def carry(inquiry: Inquiry, errand: Errand) -> Raw:
    """Fetch one item.

    Raises:
        RpcError: the upstream's own error, in the caller's era.
        HubError: the hub could not get an answer.
    """
    outcome = records.begin(inquiry)
    if inquiry.front.tracer is not None and errand.recorded:
        errand = _traced(inquiry, errand, outcome)
    try:
        outcome.result = await _fetch(inquiry, errand, outcome.id)
        if inquiry.method == "tools/call" and _says_error(outcome.result):
            outcome.status = "tool_error"
        return outcome.result
    except asyncio.CancelledError:
        outcome.status, outcome.error = "cancelled", "The caller cancelled the call or went away."
        raise
    except RpcError as refusal:
        outcome.failed(refusal)
        if inquiry.modern and refusal.code == RPC_URL_ELICITATION:
            return states.url_elicitations(inquiry, refusal)
        raise _in_era(inquiry, errand, refusal) from None
    except HubError as refusal:
        outcome.failed(refusal)
        raise
    finally:
        if errand.recorded:
            records.remember(inquiry, outcome, errand.server.name, errand.item)


def _traced(inquiry: Inquiry, errand: Errand, outcome: records.Outcome) -> Errand:
    """Begin the call's span and name it to the upstream as the parent of its own."""
    span = records.trace(inquiry, outcome, errand.server.name, errand.item)
    if span is None:
        return errand
    meta = jsonrpc.members(errand.params.get("_meta", jsonrpc.EMPTY))
    meta["traceparent"] = Raw(jsonrpc.dumps(span.traceparent))
    return replace(errand, params={**errand.params, "_meta": Raw(jsonrpc.dumps(meta))})


async def _fetch(inquiry: Inquiry, errand: Errand, call_id: str) -> Raw:
    server = errand.server
    upstream_modern = server.inventory.revision >= MODERN
    call = Call(
        call_id,
        server.key,
        inquiry.method,
        _outgoing(inquiry, errand, upstream_modern),
        inquiry.capabilities,
        inquiry.modern,
        inquiry.passed_headers(server) if server.passthrough_headers else _NO_HEADERS,
        inquiry.scope(server) if inquiry.method == "tools/call" else None,
        errand.may_repeat,
    )
    if not upstream_modern:
        result = await inquiry.front.link.call(call, inquiry.exchange)
        return _completed(inquiry, errand, result) if inquiry.modern else result
    if inquiry.modern:
        return _forwarded(inquiry, errand, await inquiry.front.link.call(call, inquiry.exchange))
    return _without_modern_members(await _with_questions(inquiry, call))


def _outgoing(inquiry: Inquiry, errand: Errand, upstream_modern: bool) -> Members:
    """The params for the upstream; what belongs to the caller's leg only is taken out or translated."""
    params = errand.params
    if inquiry.modern and ("requestState" in params or "inputResponses" in params):
        params = dict(params)
        sealed = params.pop("requestState", None)
        if sealed is not None:
            state = states.unseal(inquiry, errand.server.key, errand.identity, params.get("arguments"), sealed)
            if upstream_modern:
                params["requestState"] = state
        if not upstream_modern:
            params.pop("inputResponses", None)
    elif upstream_modern and inquiry.session is not None:
        # The level is a request's own affair at the upstream; here it is the session's.
        level = inquiry.front.sessions.state(inquiry.session).log_level or "info"
        meta = jsonrpc.members(params.get("_meta", jsonrpc.EMPTY))
        if LOG_LEVEL_KEY not in meta and level in LEVELS:
            meta[LOG_LEVEL_KEY] = Raw(jsonrpc.dumps(level))
            params = {**params, "_meta": Raw(jsonrpc.dumps(meta))}
    return params


async def _with_questions(inquiry: Inquiry, call: Call) -> Raw:
    """Bridge `input_required` for a session-based client: ask it, and repeat the call with its answers."""
    for _ in range(MOST_ROUNDS):
        result = await inquiry.front.link.call(call, inquiry.exchange)
        asked = states.questions(result)
        if asked is None:
            return result
        requests, state = asked
        if not requests:
            await asyncio.sleep(_SOON)
        answers = {key: await inquiry.exchange.ask(method, params) for key, (method, params) in requests.items()}
        call = replace(call, id=inquiry.front.new_id(), params=states.answered(call.params, answers, state))
    raise RpcError(RPC_INTERNAL_ERROR, "The MCP server kept asking for more input.")


def _says_error(result: Raw) -> bool:
    said = _peek.decode(result).is_error
    return said is not UNSET and bytes(said) == b"true"


def _completed(inquiry: Inquiry, errand: Errand, result: Raw) -> Raw:
    """A session-based upstream's result for a stateless client: the members that 2026-07-28 requires are added."""
    peek = _peek.decode(result)
    if peek.kind is not UNSET:
        members = jsonrpc.members(result)
        members["resultType"] = _COMPLETE
        result = Raw(jsonrpc.dumps(members))
        added = b""
    else:
        added = b'"resultType":"complete"'
    if errand.cacheable:
        added += b"," * bool(added) + b'"ttlMs":0,"cacheScope":"private"'
    if peek.meta is UNSET:
        added += b"," * bool(added) + b'"_meta":{"%s":%s}' % (SERVER_KEY.encode(), inquiry.catalog.server_info)
    inside = bytes(result).strip()[1:]
    separator = b"" if inside.lstrip() == b"}" or not added else b","
    return Raw(b"{" + added + separator + inside)


def _forwarded(inquiry: Inquiry, errand: Errand, result: Raw) -> Raw:
    """A stateless upstream's result for a stateless client: identity, cache hints and states are the hub's own."""
    peek = _peek.decode(result)
    kind = "complete" if peek.kind is UNSET else jsonrpc.text(peek.kind)
    if kind not in ("complete", "input_required"):
        raise RpcError(RPC_INTERNAL_ERROR, "The MCP server answered with a result type that was not negotiated.")
    foreign_identity = not inquiry.catalog.raw and peek.meta is not UNSET
    if kind == "complete" and peek.kind is not UNSET and not foreign_identity and not errand.cacheable:
        return result
    members = jsonrpc.members(result)
    members["resultType"] = Raw(jsonrpc.dumps(kind))
    if foreign_identity:
        meta = jsonrpc.members(members["_meta"])
        meta[SERVER_KEY] = Raw(inquiry.catalog.server_info)
        members["_meta"] = Raw(jsonrpc.dumps(meta))
    if kind == "input_required":
        if "requestState" in members:
            arguments = errand.params.get("arguments")
            members["requestState"] = states.seal(
                inquiry, errand.server.key, errand.identity, arguments, members["requestState"]
            )
    elif errand.cacheable:
        members.setdefault("ttlMs", _STALE)
        members["cacheScope"] = _PRIVATE  # the answer depends on what this caller may see
    return Raw(jsonrpc.dumps(members))


def _without_modern_members(result: Raw) -> Raw:
    """A stateless upstream's result for a session-based client."""
    members = jsonrpc.members(result)
    for name in ("resultType", "ttlMs", "cacheScope"):
        members.pop(name, None)
    structured = members.get("structuredContent")
    if structured is not None and not bytes(structured).lstrip().startswith(b"{"):
        del members["structuredContent"]  # an object before 2026-07-28; the text beside it says the same
    return Raw(jsonrpc.dumps(members))


def _in_era(inquiry: Inquiry, errand: Errand, refusal: RpcError) -> RpcError:
    """The upstream's error with the code that the caller's revision has for it."""
    if refusal.code in _OTHER_LEG:
        return RpcError(RPC_INTERNAL_ERROR, f"The MCP server refused the hub's request: {refusal.message}")
    if inquiry.modern:
        if refusal.code == RPC_RESOURCE_NOT_FOUND:
            return RpcError.of(RPC_INVALID_PARAMS, refusal.message, {"uri": errand.item})
    elif inquiry.method == "resources/read" and refusal.code == RPC_INVALID_PARAMS and _names_uri(refusal):
        return RpcError(RPC_RESOURCE_NOT_FOUND, refusal.message, refusal.data)
    return refusal


def _names_uri(refusal: RpcError) -> bool:
    if refusal.data is None:
        return False
    data = jsonrpc.loads(refusal.data)
    return isinstance(data, dict) and "uri" in data
