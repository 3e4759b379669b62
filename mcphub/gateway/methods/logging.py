"""`logging/setLevel`: the session's affair, not the upstream's, which other clients share. Above: `router`."""

from __future__ import annotations

from msgspec import Raw

from mcphub.gateway import jsonrpc
from mcphub.gateway.envelope import LEVELS
from mcphub.gateway.errors import InvalidParams
from mcphub.gateway.inquiry import Inquiry


async def set_level(inquiry: Inquiry) -> Raw:
    """Remember from which level on this session wants to hear `notifications/message`."""
    level = jsonrpc.text(inquiry.params.get("level"))
    if level not in LEVELS:
        raise InvalidParams(f'The parameter "level" must be one of {", ".join(LEVELS)}.')
    if inquiry.session is not None:
        inquiry.front.sessions.tell(inquiry.session, {"level": level})
    return jsonrpc.EMPTY
