"""Noticed: writes are answered when the hub of this process serves what was written.

Whoever changes something and looks again, through the API or over MCP, then sees the change. Above: the views of this
package. Below: `mcphub.plane`.
"""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from mcphub import plane
from mcphub.api.views import HubView
from servers import revision


class Noticed(HubView):
    """See the module."""

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        if final.status_code < 400 and self.operation.changes_something(request.method or ""):
            plane.catch_up(revision.current())
        return final
