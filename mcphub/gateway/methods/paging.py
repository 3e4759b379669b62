"""Lists come in one page: cursors are never issued, so none can be valid. Above: the list methods."""

from __future__ import annotations

from mcphub.gateway.errors import InvalidParams
from mcphub.gateway.inquiry import Inquiry


def only_page(inquiry: Inquiry) -> None:
    """Refuse a cursor."""
    if "cursor" in inquiry.params and bytes(inquiry.params["cursor"]) != b"null":
        raise InvalidParams("This cursor was not issued here.")
