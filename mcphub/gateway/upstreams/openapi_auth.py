"""The hub's credentials at a REST service: what to add to a request, and what to do when it is refused.

Above: `openapi`, `openapi_loading`. Below: aiohttp. The configuration is the `security` object of the REST contract,
section 4.3: apiKey, http (basic, bearer, digest), oauth2 (client credentials), openIdConnect (a given token).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
import msgspec
from aiohttp import ClientMiddlewareType

from mcphub.errors import Misconfigured
from mcphub.gateway.errors import AuthenticationRefused, UpstreamProtocolError
from mcphub.gateway.upstreams.openapi_spec.documents import members

#: Seconds before its end at which a token is renewed, so that it does not end on its way.
_RENEW_BEFORE = 30.0
_TOKEN_TIMEOUT = 30.0
_TOKEN_ANSWER_LIMIT = 1024 * 1024
#: Shorter values would be found all over an answer and hide nothing.
_SHORTEST_SECRET = 4
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|password|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one request carries to be let in."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)
    middlewares: tuple[ClientMiddlewareType, ...] = ()


class Credentials(Protocol):
    """Where grants come from."""

    async def grant(self, session: aiohttp.ClientSession) -> Grant:
        """What the next request carries. Raises `AuthenticationRefused` where it cannot be obtained."""

    def refused(self, grant: Grant) -> bool:
        """Take note of a 401 for `grant`; whether another grant may do better."""

    def secrets(self) -> set[str]:
        """Texts that must not be shown to anybody."""


class StaticCredentials:
    """A grant that never changes."""

    def __init__(self, grant: Grant, secrets: set[str]) -> None:
        self._grant = grant
        self._secrets = secrets

    async def grant(self, session: aiohttp.ClientSession) -> Grant:
        return self._grant

    def refused(self, grant: Grant) -> bool:
        return False

    def secrets(self) -> set[str]:
        return self._secrets


class ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749, 4.4): one token for all calls, fetched by the first that needs it."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._url = _string(config, "tokenUrl")
        self._client = _string(config, "clientId")
        self._secret = _string(config, "clientSecret")
        scopes = config.get("scopes")
        self._scope = " ".join(map(str, scopes)) if isinstance(scopes, (list, tuple)) else ""
        self._token = _string(config, "token")
        expires_at = config.get("expiresAt")
        #: epoch seconds; None: until it is refused
        self._expires = expires_at / 1000 if isinstance(expires_at, (int, float)) else None
        self._in_header = True
        self._single = asyncio.Lock()

    async def grant(self, session: aiohttp.ClientSession) -> Grant:
        async with self._single:
            if not self._token or (self._expires is not None and time.time() >= self._expires - _RENEW_BEFORE):
                await self._renew(session)
            return bearer(self._token)

    def refused(self, grant: Grant) -> bool:
        # A call that was refused with an older token must not throw away the newer one.
        if grant == bearer(self._token):
            self._token = ""
        return True

    def secrets(self) -> set[str]:
        return {self._secret, self._token}

    async def _renew(self, session: aiohttp.ClientSession) -> None:
        status, answer = await self._ask(session)
        if (
            status in (400, 401)
            and self._in_header
            and answer.get("error") in ("invalid_client", "invalid_request", None)
        ):
            # Servers must understand HTTP basic here, but some only read the form.
            self._in_header = False
            status, answer = await self._ask(session)
        token = answer.get("access_token")
        if status in (400, 401, 403):
            self._in_header = True
            raise AuthenticationRefused(f"The token endpoint refused the hub's client credentials (status {status}).")
        if status != 200 or not isinstance(token, str):
            raise UpstreamProtocolError(f"The token endpoint gave no token (status {status}).")
        lifetime = answer.get("expires_in")
        self._token = token
        self._expires = time.time() + float(lifetime) if isinstance(lifetime, (int, float, str)) else None

    async def _ask(self, session: aiohttp.ClientSession) -> tuple[int, dict[str, Any]]:
        form = {"grant_type": "client_credentials"}
        headers = {"Accept": "application/json"}
        if self._scope:
            form["scope"] = self._scope
        if self._in_header:
            headers["Authorization"] = _basic(f"{quote(self._client, safe='')}:{quote(self._secret, safe='')}")
        else:
            form |= {"client_id": self._client, "client_secret": self._secret}
        async with (
            asyncio.timeout(_TOKEN_TIMEOUT),
            session.post(self._url, data=form, headers=headers, allow_redirects=False) as response,
        ):
            body = await response.content.read(_TOKEN_ANSWER_LIMIT)
        try:
            return response.status, members(msgspec.json.decode(body))
        except msgspec.DecodeError:
            return response.status, {}


def credentials_of(security: Mapping[str, Any]) -> Credentials:
    """The credentials that a `security` object describes; without values, none.

    Raises:
        Misconfigured: an unknown type or scheme, or one that lacks what it needs.
    """
    kind = security.get("type") or "none"
    if kind == "none":
        return StaticCredentials(Grant(), set())
    if kind == "apiKey":
        return _api_key(members(security.get("apiKey")))
    if kind == "http":
        return _http(members(security.get("http")))
    if kind == "oauth2":
        config = members(security.get("oauth2"))
        if _string(config, "tokenUrl") and _string(config, "clientId"):
            return ClientCredentials(config)
        return _token(_string(config, "token"), "The OAuth 2 security needs a token, or a tokenUrl and a clientId.")
    if kind == "openIdConnect":
        return _token(_string(members(security.get("openIdConnect")), "token"), "OpenID Connect needs a token.")
    raise Misconfigured(f"The security type {str(kind)[:50]!r} is not known.")


def static_credentials_of(security: Mapping[str, Any]) -> Credentials:
    """As `credentials_of`, but OAuth 2 only with a given token: for downloading the document itself."""
    if security.get("type") == "oauth2":
        return _token(
            _string(members(security.get("oauth2")), "token"), "The document's OAuth 2 security needs a token."
        )
    return credentials_of(security)


def secret_headers(headers: Mapping[str, str]) -> set[str]:
    """The values of configured headers that sound like secrets."""
    return {value for name, value in headers.items() if _SECRET_HEADER.search(name)}


def spellings(secrets: set[str]) -> set[str]:
    """The forms in which an answer may repeat `secrets`; too short ones are left out."""
    known = {secret.strip() for secret in secrets} | {secret.rpartition(" ")[2] for secret in secrets}
    return {form for secret in known if len(secret) >= _SHORTEST_SECRET for form in (secret, quote(secret, safe=""))}


def bearer(token: str) -> Grant:
    """A bearer token in the Authorization header."""
    return Grant(headers={"Authorization": f"Bearer {token}"})


def _api_key(config: Mapping[str, Any]) -> Credentials:
    name, value, place = _string(config, "name"), _string(config, "value"), config.get("in", "header")
    if not name:
        raise Misconfigured("The API key security needs a name.")
    if place not in ("header", "query", "cookie"):
        raise Misconfigured("An API key goes into the header, the query or a cookie.")
    if not value:
        return StaticCredentials(Grant(), set())
    if place == "header":
        grant = Grant(headers={name: value})
    else:
        grant = Grant(query={name: value}) if place == "query" else Grant(cookies={name: value})
    return StaticCredentials(grant, {value})


def _http(config: Mapping[str, Any]) -> Credentials:
    scheme, given = _string(config, "scheme").lower(), _string(config, "credentials")
    if scheme not in ("basic", "bearer", "digest"):
        raise Misconfigured(f"The HTTP security scheme {scheme[:50]!r} is not known; use basic, bearer or digest.")
    if given.lower().startswith(f"{scheme} "):
        given = given[len(scheme) :].strip()
    if not given:
        return StaticCredentials(Grant(), set())
    if scheme == "bearer":
        return StaticCredentials(bearer(given), {given})
    pair = _user_and_password(given)
    user, _, password = pair.partition(":")
    if scheme == "digest":
        grant = Grant(middlewares=(aiohttp.DigestAuthMiddleware(user, password),))
        return StaticCredentials(grant, {password})
    encoded = _basic(pair)
    return StaticCredentials(Grant(headers={"Authorization": encoded}), {given, encoded, password})


def _user_and_password(given: str) -> str:
    """`user:password`, whether it was given so or in base64 already."""
    if ":" in given:
        return given
    try:
        decoded = base64.b64decode(given, validate=True).decode()
    except (binascii.Error, ValueError):
        return given
    return decoded if ":" in decoded else given


def _basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _token(token: str, needs: str) -> Credentials:
    if not token:
        raise Misconfigured(needs)
    return StaticCredentials(bearer(token.removeprefix("Bearer ")), {token})


def _string(config: Mapping[str, Any], name: str) -> str:
    value = config.get(name)
    return value.strip() if isinstance(value, str) else ""
