"""Posting: one HTTP request to a remote MCP server, with redirects re-judged and every failure given its meaning.

Above: `streamable`, `sse`. Below: `outbound`, `egress`, `credentials`. The meaning that matters most is whether the
server can have executed the request: `NotSent` says surely not, `ConnectionLost` says nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from mcphub.gateway.errors import ConnectionLost, ForbiddenAddress, NotSent, UpstreamProtocolError
from mcphub.gateway.snapshot import HttpSpec, ServerSpec
from mcphub.gateway.upstreams.credentials import Credentials
from mcphub.gateway.upstreams.egress import check_url
from mcphub.gateway.upstreams.outbound import Outbound
from mcphub.gateway.upstreams.stamp import CLIENT_INFO

_REDIRECTS = frozenset((301, 302, 307, 308))
_MOST_REDIRECTS = 5
#: What a passed-through header must not replace: they belong to this connection, or to the protocol on it.
_OWN_HEADERS = frozenset(
    {
        "accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "host",
        "keep-alive", "last-event-id", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id",
        "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_USER_AGENT = f"{CLIENT_INFO['name']}/{CLIENT_INFO['version']}"
#: How much of an error page is worth reading.
_EXCERPT = 64 * 1024


class Poster:
    """Sends the requests of one upstream. `credentials` are asked for each; `environment` may name a proxy."""

    def __init__(
        self, spec: ServerSpec, outbound: Outbound, credentials: Credentials, environment: Mapping[str, str]
    ) -> None:
        assert isinstance(spec.spec, HttpSpec)
        self._trusted = spec.trusted
        self._outbound = outbound
        self._credentials = credentials
        check_url(spec.spec.url, outbound.allowed, trusted=spec.trusted)
        self.url = URL(spec.spec.url)
        self._route = outbound.route(spec, environment)

    async def send(
        self,
        method: str,
        body: bytes | None,
        own: Mapping[str, str],
        passed: Mapping[str, str] | None = None,
        url: URL | None = None,
    ) -> aiohttp.ClientResponse:
        """Send one request and return the response with its body unread; the caller releases it.

        Args:
            own: the protocol's headers for this request.
            passed: inbound headers to pass through; they replace configured ones of the same name.

        Raises:
            NotSent: no connection could be made.
            ConnectionLost: it broke after the request may have been written.
            AuthenticationRefused: 401 or 403.
            ForbiddenAddress: the guard refused an address, or there were too many redirects.
        """
        target = url or self.url
        headers = await self._headers(own, passed)
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._once(method, target, body, headers)
            status = response.status
            if status in (401, 403):
                challenge = response.headers.get("WWW-Authenticate", "")
                response.release()
                raise self._credentials.refused(status, challenge)
            if status not in _REDIRECTS or "Location" not in response.headers:
                return response
            following = self._redirected(target, response)
            response.release()
            if following.origin() != target.origin():
                # Configured and passed-through headers are secrets meant for the configured origin.
                headers = await self._headers(own, None, anonymous=True)
            target = following
        raise ForbiddenAddress(f"The MCP server redirected more than {_MOST_REDIRECTS} times.")

    async def _headers(
        self, own: Mapping[str, str], passed: Mapping[str, str] | None, *, anonymous: bool = False
    ) -> CIMultiDict[str]:
        headers: CIMultiDict[str] = CIMultiDict({"User-Agent": _USER_AGENT})
        if not anonymous:
            headers.update(await self._credentials.headers())
        if passed:
            for name, value in passed.items():
                if name.lower() not in _OWN_HEADERS and "\n" not in value and "\r" not in value:
                    headers[name] = value
        headers.update(own)
        return headers

    async def _once(
        self, method: str, url: URL, body: bytes | None, headers: CIMultiDict[str]
    ) -> aiohttp.ClientResponse:
        route = self._route
        try:
            return await route.session.request(
                method, url, data=body, headers=headers, allow_redirects=False, proxy=route.proxy
            )
        except aiohttp.ClientConnectorError as failure:
            raise NotSent(f"The MCP server cannot be reached: {_reason(failure)}") from failure
        except (aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as failure:
            raise NotSent(f"The MCP server cannot be reached: {_reason(failure)}") from failure
        except (aiohttp.ClientError, OSError) as failure:
            raise ConnectionLost(f"The connection to the MCP server broke: {_reason(failure)}") from failure
        except TypeError as failure:
            raise UpstreamProtocolError(f"The request cannot be written: {failure}") from failure

    def _redirected(self, target: URL, response: aiohttp.ClientResponse) -> URL:
        try:
            following = target.join(URL(response.headers["Location"]))
        except ValueError:
            raise ForbiddenAddress("The MCP server redirected to something that is no URL.") from None
        check_url(str(following), self._outbound.allowed, trusted=self._trusted)
        return following


def _reason(failure: BaseException) -> str:
    return f"{getattr(failure, 'strerror', None) or str(failure) or type(failure).__name__}."


async def body_of(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body.

    Raises:
        UpstreamProtocolError: it is longer than `limit` bytes.
        ConnectionLost: the connection broke before its end.
    """
    too_long = UpstreamProtocolError(f"The answer is longer than the limit of {limit} bytes (options.maxBufferSize).")
    try:
        announced = response.content_length
        if announced is not None and "Content-Encoding" not in response.headers:
            if announced > limit:
                response.close()
                raise too_long
            return await response.read()
        parts: list[bytes] = []
        size = 0
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > limit:
                response.close()
                raise too_long
        return b"".join(parts)
    except (aiohttp.ClientError, OSError) as failure:
        raise ConnectionLost(f"The connection to the MCP server broke: {_reason(failure)}") from failure


async def excerpt_of(response: aiohttp.ClientResponse) -> bytes:
    """The beginning of an error page; empty where it cannot be read."""
    try:
        return await response.content.read(_EXCERPT)
    except (aiohttp.ClientError, OSError):
        return b""
    finally:
        response.close()
