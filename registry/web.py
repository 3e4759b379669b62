"""Web: one HTTP conversation with a place an admin configured (a registry, PostgREST, a cloud market), from a thread.

Addresses come from admins, so they are trusted as an admin's servers are and may be private; redirects are not
followed, as they would be somebody else's choice. One connection, gzip, bounded answers. Above: `sync`, `supabase`,
`cloud`, `changelog`. Below: the gateway's egress rules.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import aiohttp
import msgspec

from mcphub.errors import HubError
from mcphub.gateway.upstreams import egress

USER_AGENT = "MCPHub registry client (+https://modelcontextprotocol.io/registry)"
#: A larger answer is no list of a hundred servers.
MOST_BYTES = 10 * 1024 * 1024


class Unreachable(HubError):
    """A configured service could not be reached, or did not answer in time or in size."""

    code = "unreachable"
    http_status = 502
    sentence = "The service could not be reached."


class AnswerTooLarge(Unreachable):
    """An answer beyond all reason; asking again would bring it again."""

    code = "answer_too_large"
    sentence = "The service's answer is too large."


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer. `seconds`: how long it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """The body's JSON. Raises `Unreachable` where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreachable("The service did not answer with JSON.") from None

    def reason(self) -> str:
        """What a failed answer says of itself, in any of the usual forms, shortened."""
        try:
            told = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            told = None
        if isinstance(told, dict):
            for member in ("detail", "error", "message", "title"):
                if isinstance(told.get(member), str) and told[member]:
                    return str(told[member])[:300]
        return ""


class Web:
    """See the module. A context manager; `headers` go with every request."""

    def __init__(self, headers: Mapping[str, str] | None = None, timeout: float = 30.0) -> None:
        self._headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **(headers or {})}
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._runner = asyncio.Runner()
        self._session: aiohttp.ClientSession | None = None

    def __enter__(self) -> Web:
        self._runner.__enter__()
        self._session = self._runner.run(self._opened())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._runner.run(self._session.close())
        self._runner.__exit__(kind, failure, trace)

    def get(self, url: str, params: Mapping[str, str] | None = None) -> Answer:
        """GET. Raises `Unreachable`, `AnswerTooLarge`, `gateway.errors.ForbiddenAddress`."""
        return self._run("GET", url, params=params)

    def send(
        self,
        method: str,
        url: str,
        body: Any,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Any other method, with a JSON body (None for none). Raises as `get`."""
        data = None if body is None else msgspec.json.encode(body)
        return self._run(
            method, url, params=params, data=data, headers={"Content-Type": "application/json", **(headers or {})}
        )

    def _run(self, method: str, url: str, **options: Any) -> Answer:
        egress.check_url(url, trusted=True)
        return self._runner.run(self._request(method, url, **options))

    async def _opened(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=1)
        return aiohttp.ClientSession(connector=connector, headers=self._headers, timeout=self._timeout, trust_env=True)

    async def _request(self, method: str, url: str, **options: Any) -> Answer:
        assert self._session is not None
        began = time.monotonic()
        try:
            async with self._session.request(method, url, allow_redirects=False, **options) as response:
                body = bytearray()
                async for chunk in response.content.iter_chunked(65536):
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise AnswerTooLarge
                return Answer(response.status, response.headers, bytes(body), time.monotonic() - began)
        except TimeoutError:
            raise Unreachable(f"{_host(url)} did not answer in time.") from None
        except (aiohttp.ClientError, ValueError, OSError) as failure:
            raise Unreachable(f"{_host(url)} could not be reached ({type(failure).__name__}).") from None


def _host(url: str) -> str:
    """Where a request went, without path and query, which may hold secrets."""
    return egress.check_url(url, trusted=True).hostname or url
