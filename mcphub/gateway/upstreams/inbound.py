"""What an upstream says besides answers: notifications, questions, oddities. Shared by all transports; no I/O.

Above: `duplex`, `streamable`. Below: `jsonrpc`, `calls`.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import DecodeError, Raw

from mcphub.errors import RPC_METHOD_NOT_FOUND, HubError
from mcphub.gateway import jsonrpc
from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.envelope import declares
from mcphub.gateway.errors import InvalidRequest, RpcError, UpstreamProtocolError
from mcphub.gateway.jsonrpc import Id, loads, members, text
from mcphub.gateway.upstreams.base import Listener

_CHANGES: Final = {
    "notifications/tools/list_changed": "tools",
    "notifications/prompts/list_changed": "prompts",
    "notifications/resources/list_changed": "resources",
}
#: Which client capability answers which question.
_QUESTIONS: Final = {
    "sampling/createMessage": "sampling",
    "elicitation/create": "elicitation",
    "roots/list": "roots",
}
_HEAD = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,18})\s*[,}]')
_TAIL = re.compile(rb'[,{]\s*"id"\s*:\s*(\d{1,18})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$')


def notice(listener: Listener, method: str, params: Raw) -> None:
    """Pass on a notification that belongs to no call. Raises `InvalidRequest` where its params are no object."""
    if (kind := _CHANGES.get(method)) is not None:
        listener.list_changed(kind)
    elif method == "notifications/resources/updated":
        if (uri := text(members(params).get("uri"))) is not None:
            listener.resource_updated(uri)
    elif method != "notifications/subscriptions/acknowledged":
        listener.notice(method, params)


def may_answer(call: Call, method: str) -> bool:
    """Whether the caller of a call declared that it answers this question. Stateless callers answer none."""
    capability = _QUESTIONS.get(method)
    return capability is not None and not call.modern and declares(call.capabilities, capability)


async def answer(exchange: Exchange, identity: Id, method: str, params: Raw) -> bytes:
    """Put a question to the caller; the encoded response for the upstream, an error where the caller gave one."""
    try:
        return jsonrpc.result(identity, await exchange.ask(method, params))
    except RpcError as error:
        return jsonrpc.failure(identity, error)
    except HubError as error:
        return jsonrpc.failure(identity, RpcError(error.rpc_code, error.message))


def refusal(identity: Id, method: str) -> bytes:
    """The encoded response to a question that no caller can be asked.

    The hub itself has no roots, and says so: servers ask for roots before there is any call.
    """
    if method == "roots/list":
        return jsonrpc.result(identity, b'{"roots":[]}')
    sentence = f"{method} cannot be answered: no single call in flight belongs to a client that declared it."
    return jsonrpc.failure(identity, RpcError(RPC_METHOD_NOT_FOUND, sentence))


def token_of(params: Raw) -> int | None:
    """The hub's own id that a question carries as progress token in `_meta`, if any."""
    try:
        value = loads(members(members(params)["_meta"])["progressToken"])
    except (KeyError, InvalidRequest, DecodeError):
        return None
    return value if isinstance(value, int) else None


def cancelled_id(params: Raw) -> Id | None:
    """Which request `notifications/cancelled` means."""
    raw = members(params).get("requestId")
    value = loads(raw) if raw is not None else None
    return value if isinstance(value, (int, str)) else None


def answered_id(head: bytes, tail: bytes) -> int | None:
    """Which request a message answers that cannot be read whole: its first or last bytes may tell without a doubt."""
    found = _HEAD.match(head) or _TAIL.search(tail)
    return int(found.group(1)) if found else None


def useless_answer(wrong: HubError | str) -> UpstreamProtocolError:
    """The failure of a call whose answer came and cannot be used."""
    reason = wrong if isinstance(wrong, str) else wrong.message
    return UpstreamProtocolError(f"The MCP server's answer cannot be used: {reason}")
