"""Credentials towards a remote upstream: what goes with each request, and what its refusal means.

Above: `streamable`, `sse`. This is the seam for OAuth: another implementation of `Credentials` brings tokens that it
renews, and the transports do not change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from mcphub.gateway.errors import AuthenticationRefused

_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)")
_METADATA = re.compile(r'resource_metadata\s*=\s*(?:"([^"]*)"|([^\s,]+))', re.IGNORECASE)


class Credentials(Protocol):
    """What one server's connection shows of itself."""

    async def headers(self) -> Mapping[str, str]:
        """The headers of the next request; may renew a token first. Raises `AuthenticationRefused` where it cannot."""

    def refused(self, status: int, challenge: str) -> AuthenticationRefused:
        """What a 401 or 403 with this `WWW-Authenticate` value means."""


class StaticCredentials:
    """The configured headers, as they are."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    async def headers(self) -> Mapping[str, str]:
        return self._headers

    def refused(self, status: int, challenge: str) -> AuthenticationRefused:
        return refusal(status, challenge)


def refusal(status: int, challenge: str) -> AuthenticationRefused:
    """A refusal whose `data` tells whether signing in (OAuth) can help: `oauth`, `challenge`, `resource_metadata`."""
    scheme = _SCHEME.match(challenge)
    metadata = _METADATA.search(challenge)
    bearer = scheme is None or scheme.group(1).lower() == "bearer"
    oauth = metadata is not None or (status == 401 and bearer)
    data: dict[str, object] = {"oauth": oauth, "status": status}
    if challenge:
        data["challenge"] = challenge[:2048]
    if metadata is not None:
        data["resource_metadata"] = metadata.group(1) or metadata.group(2)
    what = "asks to sign in" if oauth else "refused the hub's credentials"
    return AuthenticationRefused(f"The MCP server {what} (HTTP {status}).", data=data)
