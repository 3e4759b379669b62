"""OpenApiUpstream: a REST service that looks like an MCP server; its operations are the tools.

Above: `supervisor`. Below: `openapi_loading`, `openapi_auth` and the pure `openapi_spec`. There is no connection to
lose: `open` reads the document, every call is a request of its own, and `closed` resolves only in `aclose`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from http.cookies import Morsel
from urllib.parse import quote, quote_plus

import aiohttp
import msgspec
from msgspec import Raw
from multidict import CIMultiDict
from yarl import URL

from mcphub.errors import RPC_INVALID_PARAMS
from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.errors import ConnectionLost, MethodNotFound, NotSent, RpcError, UpstreamTimeout
from mcphub.gateway.inventory import Inventory
from mcphub.gateway.jsonrpc import EMPTY, NULL, members, text
from mcphub.gateway.snapshot import OpenApiSpec, ServerSpec
from mcphub.gateway.upstreams.base import Listener
from mcphub.gateway.upstreams.openapi_auth import (
    Credentials,
    Grant,
    StaticCredentials,
    credentials_of,
    secret_headers,
    spellings,
)
from mcphub.gateway.upstreams.openapi_loading import Loader
from mcphub.gateway.upstreams.openapi_spec.operations import TRANSPORT_HEADERS, Api, Operation
from mcphub.gateway.upstreams.openapi_spec.reading import UnreadableDocument
from mcphub.gateway.upstreams.openapi_spec.requests import Request, UnusableArguments, build
from mcphub.gateway.upstreams.openapi_spec.results import Answer, failure, result_of

Sessions = Callable[[ServerSpec], aiohttp.ClientSession]

#: Cookie jars kept when `cookie_session` is on; the one longest unused goes first.
_MOST_JARS = 1_000
#: Answers above this many bytes are turned into results off the loop.
_LARGE_ANSWER = 256 * 1024
_INSTRUCTIONS_LIMIT = 4_000


class _AnswerTooLarge(Exception):
    """The service's answer is larger than the server's `max_buffer_size`."""


class OpenApiUpstream:
    """One REST service. `sessions` makes the HTTP session for a server, guarded; see `base.Upstream` for the rest."""

    def __init__(self, spec: ServerSpec, listener: Listener, sessions: Sessions) -> None:
        assert isinstance(spec.spec, OpenApiSpec)
        self.closed: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self._server = spec
        self._spec = spec.spec
        self._listener = listener
        self._sessions = sessions
        self._opened: aiohttp.ClientSession | None = None
        self._credentials: Credentials = StaticCredentials(Grant(), set())
        self._static_secrets = secret_headers(spec.spec.headers)
        self._operations: Mapping[str, Operation] = {}
        self._jars = _Jars()

    def adopt(self, spec: ServerSpec) -> None:
        self._server = spec

    async def open(self) -> Inventory:
        # Not in the constructor: a configuration that cannot work is a failed attempt, not a failed hub.
        self._credentials = credentials_of(self._spec.security)
        self._opened = self._sessions(self._server)
        return await self.refresh()

    async def refresh(self) -> Inventory:
        try:
            return await self._load()
        except aiohttp.ClientError as broken:
            raise NotSent(f"The OpenAPI document cannot be fetched: {_reason(broken)}.") from broken

    async def request(self, call: Call, exchange: Exchange) -> Raw:
        if call.method != "tools/call":
            raise MethodNotFound()
        name = text(call.params.get("name"))
        operation = self._operations.get(name or "")
        if operation is None:
            raise RpcError.of(RPC_INVALID_PARAMS, f"Unknown tool: {name}")
        arguments = call.params.get("arguments", EMPTY)
        try:
            request = build(operation, members(EMPTY if arguments == NULL else arguments))
        except UnusableArguments as wrong:
            return Raw(failure(str(wrong)))
        try:
            async with asyncio.timeout(self._patience()):
                return Raw(await self._call(operation, request, call))
        except TimeoutError:
            raise UpstreamTimeout() from None
        except _AnswerTooLarge as large:
            return Raw(failure(str(large)))
        except aiohttp.ClientConnectorError as broken:
            raise NotSent(f"The service cannot be reached: {_reason(broken)}.") from broken
        except (aiohttp.ClientError, OSError) as broken:
            raise ConnectionLost(f"The connection to the service broke: {_reason(broken)}.") from broken

    async def ping(self) -> None:
        address = self._spec.url or next((found.server for found in self._operations.values()), "")
        if not address:
            return
        try:
            async with (
                asyncio.timeout(self._patience()),
                self._session.head(URL(address), allow_redirects=False),
            ):
                return
        except aiohttp.ClientResponseError:
            return  # whatever the service says, it said something
        except TimeoutError:
            raise UpstreamTimeout() from None
        except aiohttp.ClientError as broken:
            raise NotSent(f"The service cannot be reached: {_reason(broken)}.") from broken

    async def subscribe(self, uri: str, wanted: bool) -> None:
        raise MethodNotFound()

    async def aclose(self) -> None:
        if self._opened is not None:
            await self._opened.close()
        if not self.closed.done():
            self.closed.set_result(None)

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            raise NotSent()
        return self._opened

    # -- the document -------------------------------------------------------------------------------------------

    async def _load(self) -> Inventory:
        loader = Loader(self._session, self._spec, self._credentials)
        api, unknown = (await loader.load()).select(self._spec.operations)
        for problem in loader.problems:
            self._listener.log("warning", f"A file of the OpenAPI document is missing: {problem}")
        if unknown:
            self._listener.log("warning", f"The OpenAPI document has no operations named {', '.join(unknown)}.")
        if api.operations and not any(operation.server for operation in api.operations.values()):
            raise UnreadableDocument("The OpenAPI document names no absolute http(s) address of the service.")
        self._operations = api.operations
        self._listener.log("info", f"OpenAPI document read: {len(api.operations)} tools.")
        return _inventory(api)

    # -- one call -----------------------------------------------------------------------------------------------

    def _patience(self) -> float:
        options = self._server.options
        return min(options.timeout, options.max_total_timeout or options.timeout)

    async def _call(self, operation: Operation, request: Request, call: Call) -> bytes:
        grant = await self._credentials.grant(self._session)
        answer = await self._send(request, grant, call)
        if answer.status == 401 and self._credentials.refused(grant):
            # Refused for its token, so surely not executed: once more with a fresh one.
            answer = await self._send(request, await self._credentials.grant(self._session), call)
        secrets = spellings(self._credentials.secrets() | self._static_secrets)
        if len(answer.body) > _LARGE_ANSWER:
            return await asyncio.to_thread(result_of, operation, answer, secrets)
        return result_of(operation, answer, secrets)

    async def _send(self, request: Request, grant: Grant, call: Call) -> Answer:
        query = "&".join(filter(None, (request.query, _query(grant.query))))
        url = URL(f"{request.url}?{query}" if query else request.url, encoded=True)
        jar = self._jars.of(call.scope) if self._spec.cookie_session and call.scope else None
        async with self._session.request(
            request.method,
            url,
            headers=self._headers(request, grant, call, jar.filter_cookies(url).values() if jar else ()),
            data=request.body,
            allow_redirects=False,
            middlewares=grant.middlewares,
        ) as response:
            if jar is not None:
                jar.update_cookies(response.cookies, url)
            return Answer(
                status=response.status,
                reason=response.reason or "",
                media_type=response.headers.get("Content-Type", ""),
                body=await self._body(response),
                location=response.headers.get("Location", "") if 300 <= response.status < 400 else "",
            )

    def _headers(
        self, request: Request, grant: Grant, call: Call, session_cookies: Iterable[Morsel[str]]
    ) -> CIMultiDict[str]:
        """Configured headers, then credentials, then the tool's own parameters, then what the caller passes through."""
        headers = CIMultiDict({"Accept": "application/json, */*;q=0.8", "User-Agent": "MCPHub"})
        headers.update(self._spec.headers)
        headers.update(grant.headers)
        headers.update(request.headers)
        headers.update({name: value for name, value in call.headers.items() if name not in TRANSPORT_HEADERS})
        cookies = [headers["Cookie"]] if "Cookie" in headers else []
        cookies += [f"{cookie.key}={cookie.coded_value}" for cookie in session_cookies]
        cookies += [f"{name}={value}" for name, value in request.cookies]
        cookies += [f"{quote(name)}={quote(value)}" for name, value in grant.cookies.items()]
        if cookies:
            headers["Cookie"] = "; ".join(cookies)
        return headers

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        limit = self._server.options.max_buffer_size
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > limit:
                raise _AnswerTooLarge(f"API call failed: the answer is larger than {limit} bytes.")
            chunks.append(chunk)
        return b"".join(chunks)


class _Jars:
    """One cookie jar per client session, the least recently used forgotten first."""

    def __init__(self) -> None:
        self._jars: OrderedDict[str, aiohttp.CookieJar] = OrderedDict()

    def of(self, scope: str) -> aiohttp.CookieJar:
        jar = self._jars.pop(scope, None)
        if jar is None:
            # `unsafe` accepts cookies of services that are addressed by number.
            jar = aiohttp.CookieJar(unsafe=True)
        self._jars[scope] = jar
        if len(self._jars) > _MOST_JARS:
            self._jars.popitem(last=False)
        return jar


def _inventory(api: Api) -> Inventory:
    return Inventory(
        server_info=msgspec.json.encode({"name": api.title, "version": api.version}),
        capabilities=b'{"tools":{}}',
        instructions=api.description[:_INSTRUCTIONS_LIMIT] or None,
        tools=tuple(operation.item() for operation in api.operations.values()),
    )


def _query(pairs: Mapping[str, str]) -> str:
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs.items())


def _reason(broken: BaseException) -> str:
    """Why a connection failed, without the service's address."""
    cause = broken.os_error if isinstance(broken, aiohttp.ClientConnectorError) else broken
    return (cause.strerror if isinstance(cause, OSError) else "") or type(cause).__name__
