"""Getting a document and the files it refers to: downloads bounded in size and time, parsing off the loop.

Above: `openapi`, and the dry run of an import. Below: `openapi_auth`, `openapi_spec`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from mcphub.gateway.errors import AuthenticationRefused, UpstreamTimeout, UpstreamUnavailable
from mcphub.gateway.snapshot import OpenApiSpec
from mcphub.gateway.upstreams.openapi_auth import Credentials, Grant, static_credentials_of
from mcphub.gateway.upstreams.openapi_spec.documents import Documents, external_files
from mcphub.gateway.upstreams.openapi_spec.operations import Api, convert
from mcphub.gateway.upstreams.openapi_spec.reading import UnreadableDocument, read, references

#: Of all files of one document together.
MAX_BYTES = 50 * 1024 * 1024
MAX_FILES = 100
DOWNLOAD_TIMEOUT = 60.0


class Loader:
    """Loads one document; see `load`."""

    def __init__(self, session: aiohttp.ClientSession, spec: OpenApiSpec, credentials: Credentials) -> None:
        self._session = session
        self._spec = spec
        self._credentials = credentials
        self._left = MAX_BYTES
        #: what had to be left out, as sentences
        self.problems: list[str] = []

    async def load(self) -> Api:
        """Download what is needed and convert it, without holding up the loop.

        Raises:
            UnreadableDocument: no OpenAPI document the hub understands, too large, or referring to local files.
            AuthenticationRefused: the document's address refused the credentials.
            HubError, OSError, aiohttp.ClientError: it could not be fetched.
        """
        try:
            async with asyncio.timeout(DOWNLOAD_TIMEOUT):
                root, base = await self._main()
                others = await self._others(root, base)
        except TimeoutError:
            raise UpstreamTimeout("The OpenAPI document could not be downloaded in time.") from None
        return await asyncio.to_thread(_converted, root, base, others)

    async def _main(self) -> tuple[Mapping[str, Any], str]:
        if self._spec.schema is not None:
            return self._spec.schema, ""
        grant, headers = await self._access()
        text = await self._fetch(self._spec.url, grant, headers)
        return await asyncio.to_thread(read, text), self._spec.url

    async def _access(self) -> tuple[Grant, Mapping[str, str]]:
        """The document's own credentials stand alone; without them it is fetched as the service is called."""
        if self._spec.spec_security:
            return await static_credentials_of(self._spec.spec_security).grant(self._session), {}
        return await self._credentials.grant(self._session), self._spec.headers

    async def _others(self, root: Mapping[str, Any], base: str) -> dict[str, Any]:
        """The files that the document refers to, directly or not, by address; fetched without credentials.

        One that does not exist or cannot be read costs the schemas that need it, not the other tools.
        """
        files: dict[str, Any] = {}
        pending = external_files(await asyncio.to_thread(references, root), base, files)
        while pending:
            address = pending.pop()
            files[address] = None
            if len(files) > MAX_FILES:
                raise UnreadableDocument(f"The OpenAPI document refers to more than {MAX_FILES} other files.")
            try:
                files[address] = await asyncio.to_thread(read, await self._fetch(address, Grant(), {}))
            except (UpstreamUnavailable, UnreadableDocument) as problem:
                if self._left < 0:
                    raise
                self.problems.append(problem.message)
                continue
            refs = await asyncio.to_thread(references, files[address])
            pending |= external_files(refs, address, {**files, base: root})
        return files

    async def _fetch(self, address: str, grant: Grant, headers: Mapping[str, str]) -> bytes:
        sent = {"Accept": "application/json, application/yaml, */*;q=0.5", **headers, **grant.headers}
        if grant.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in grant.cookies.items())
        async with self._session.get(
            URL(address).update_query(dict(grant.query)),
            headers=sent,
            allow_redirects=False,
            middlewares=grant.middlewares,
        ) as response:
            _require_success(response.status, address)
            return await self._body(response)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        chunks = []
        async for chunk in response.content.iter_chunked(256 * 1024):
            self._left -= len(chunk)
            if self._left < 0:
                raise UnreadableDocument(f"The OpenAPI document is larger than {MAX_BYTES // 1024 // 1024} MB.")
            chunks.append(chunk)
        return b"".join(chunks)


def _converted(root: Mapping[str, Any], base: str, others: Mapping[str, Any]) -> Api:
    try:
        return convert(Documents(root, base, others))
    except RecursionError:
        raise UnreadableDocument("The OpenAPI document is nested too deeply.") from None


def _require_success(status: int, address: str) -> None:
    where = urlsplit(address).hostname or "its address"
    if status in (401, 403):
        raise AuthenticationRefused(f"{where} refused the credentials for the OpenAPI document (status {status}).")
    if 300 <= status < 400:
        raise UnreadableDocument(
            f"{where} redirects the OpenAPI document (status {status}); configure its final address."
        )
    if status != 200:
        raise UpstreamUnavailable(f"{where} answered status {status} instead of the OpenAPI document.")
