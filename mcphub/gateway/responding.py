"""From an answer or a refusal to bytes and a status. Above: the endpoints. Below: `router`, `jsonrpc`."""

from __future__ import annotations

import logging

from mcphub.errors import (
    RPC_INTERNAL_ERROR,
    RPC_INVALID_PARAMS,
    RPC_INVALID_REQUEST,
    RPC_METHOD_NOT_FOUND,
    RPC_PARSE_ERROR,
    HubError,
)
from mcphub.gateway import jsonrpc, router
from mcphub.gateway.errors import (
    RPC_HEADER_MISMATCH,
    RPC_MISSING_CAPABILITY,
    RPC_UNSUPPORTED_VERSION,
    RpcError,
)
from mcphub.gateway.inquiry import Inquiry
from mcphub.gateway.jsonrpc import Id

logger = logging.getLogger(__name__)

#: The HTTP status of an error under 2026-07-28; every other answer to a request is 200.
_STATUS = {
    RPC_PARSE_ERROR: 400,
    RPC_INVALID_REQUEST: 400,
    RPC_INVALID_PARAMS: 400,
    RPC_HEADER_MISMATCH: 400,
    RPC_MISSING_CAPABILITY: 400,
    RPC_UNSUPPORTED_VERSION: 400,
    RPC_METHOD_NOT_FOUND: 404,
}


def as_rpc(refusal: HubError | RpcError) -> RpcError:
    """Any refusal as a JSON-RPC error; the hub's own tell their `code` as `data.reason`."""
    if isinstance(refusal, RpcError):
        return refusal
    return RpcError.of(refusal.rpc_code, refusal.message, {"reason": refusal.code, **(refusal.data or {})})


def refusal_body(refusal: HubError | RpcError, id: Id | None = None) -> bytes:
    """An encoded error response; `id` None where the request could not be read."""
    return jsonrpc.failure(id, as_rpc(refusal))


async def respond(inquiry: Inquiry, id: Id) -> tuple[int, bytes]:
    """Answer one request: the status (for a reply that is not a stream) and the encoded response. Never fails."""
    try:
        return 200, jsonrpc.result(id, await router.answer(inquiry))
    except (RpcError, HubError) as refusal:
        error = as_rpc(refusal)
    except Exception:
        logger.exception("%s failed.", inquiry.method)
        error = RpcError(RPC_INTERNAL_ERROR, "Internal error.")
    return (_STATUS.get(error.code, 200) if inquiry.modern else 200), jsonrpc.failure(id, error)
