"""Which request and which call the present task works for: the ids that join log, activities and audit.

Above: everything. Below: nothing.
"""

from __future__ import annotations

from contextvars import ContextVar

#: The id of the HTTP request in progress; "" outside of one.
request_id: ContextVar[str] = ContextVar("request_id", default="")
#: The id of the call in progress, which is its activity's id; "" outside of one.
call_id: ContextVar[str] = ContextVar("call_id", default="")
