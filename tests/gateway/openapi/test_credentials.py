"""Credentials: tokens fetched once, renewed in time, and shown to nobody."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import web

from mcphub.errors import Misconfigured
from mcphub.gateway.errors import AuthenticationRefused
from tests.gateway.openapi.conftest import Connect, Json, Serve, one_operation


class Service:
    """A service behind OAuth client credentials; tokens are numbered."""

    def __init__(self, lifetime: float | None = 3600, form_only: bool = False) -> None:
        self.lifetime = lifetime
        self.form_only = form_only
        self.issued = 0
        self.revoked: set[str] = set()
        self.calls: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/token":
            return await self._token(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.calls.append(token)
        if not token or token in self.revoked:
            return web.json_response({"error": "who?"}, status=401)
        return web.json_response({"method": request.method, "body": await request.text()})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["grant_type"] == "client_credentials"
        if self.form_only and form.get("client_secret") != "s3cret":
            return web.json_response({"error": "invalid_client"}, status=401)
        await asyncio.sleep(0)
        self.issued += 1
        lifetime = {} if self.lifetime is None else {"expires_in": self.lifetime}
        return web.json_response({"access_token": f"token-{self.issued}", **lifetime})


def oauth(origin: str, **more: object) -> Json:
    return {
        "type": "oauth2",
        "oauth2": {"tokenUrl": f"{origin}/token", "clientId": "me", "clientSecret": "s3cret", **more},
    }


async def test_many_calls_fetch_one_token(connect: Connect, serve: Serve) -> None:
    service = Service()
    origin = await serve(service.answer)
    client = await connect(schema=one_operation(origin), security=oauth(origin))
    results = await asyncio.gather(*(client.call("it") for _ in range(20)))
    assert not any(result["isError"] for result in results)
    assert service.issued == 1


async def test_a_token_is_renewed_before_it_ends(connect: Connect, serve: Serve) -> None:
    service = Service(lifetime=29)
    origin = await serve(service.answer)
    client = await connect(schema=one_operation(origin), security=oauth(origin))
    await client.call("it")
    await client.call("it")
    assert service.calls == ["token-1", "token-2"]


async def test_a_refused_token_is_replaced_once(connect: Connect, serve: Serve) -> None:
    service = Service(lifetime=None)
    service.revoked = {"given", "token-2", "token-3"}
    origin = await serve(service.answer)
    later = (time.time() + 3600) * 1000
    client = await connect(
        schema=one_operation(origin, method="post", requestBody={"content": {"application/json": {}}}),
        security=oauth(origin, token="given", expiresAt=later),
    )
    result = await client.call("it", {"body": {"n": 123456789012345678901234567890}})
    assert result["structuredContent"]["body"] == '{"n":123456789012345678901234567890}'
    service.revoked.add("token-1")
    assert (await client.call("it"))["content"][0]["text"].startswith("API call failed: 401")
    assert service.calls == ["given", "token-1", "token-1", "token-2"]


async def test_a_token_endpoint_that_reads_only_forms_is_served(connect: Connect, serve: Serve) -> None:
    service = Service(form_only=True)
    origin = await serve(service.answer)
    client = await connect(schema=one_operation(origin), security=oauth(origin))
    assert (await client.call("it"))["isError"] is False


async def test_refused_client_credentials_are_told_apart(connect: Connect, serve: Serve) -> None:
    service = Service(form_only=True)
    origin = await serve(service.answer)
    client = await connect(schema=one_operation(origin), security=oauth(origin, clientSecret="wrong"))
    with pytest.raises(AuthenticationRefused) as refused:
        await client.call("it")
    assert "wrong" not in str(refused.value)


async def test_digest_is_answered(connect: Connect, serve: Serve) -> None:
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "")
        seen.append(given)
        if given.startswith("Digest ") and 'username="alice"' in given:
            return web.json_response({"body": await request.text()})
        challenge = 'Digest realm="r", qop="auth", nonce="abc", algorithm=SHA-256'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    document = one_operation(await serve(handle), method="put", requestBody={"content": {"application/json": {}}})
    digest = {"type": "http", "http": {"scheme": "digest", "credentials": "alice:wonder:land"}}
    client = await connect(schema=document, security=digest)
    assert (await client.call("it", {"body": [1]}))["structuredContent"] == {"body": "[1]"}
    assert seen[0] == "" and seen[1].startswith("Digest ")


@pytest.mark.parametrize(
    "security",
    [
        {"type": "magic"},
        {"type": "http", "http": {"scheme": "hoba"}},
        {"type": "apiKey", "apiKey": {"value": "x"}},
        {"type": "apiKey", "apiKey": {"name": "x", "in": "body", "value": "x"}},
        {"type": "openIdConnect", "openIdConnect": {"url": "http://x"}},
        {"type": "oauth2", "oauth2": {}},
    ],
)
async def test_unusable_security_is_said_to_be_so(connect: Connect, security: Json) -> None:
    with pytest.raises(Misconfigured):
        await connect(schema=one_operation("http://h"), security=security)


async def test_failures_do_not_repeat_the_hubs_secrets(connect: Connect, serve: Serve) -> None:
    async def handle(request: web.Request) -> web.Response:
        told = f"no: {request.headers['X-Api-Key']} {request.headers['Authorization']} {request.query_string}"
        return web.Response(text=told + '{"password": "open sesame", "n": 1}', status=400)

    origin = await serve(handle)
    client = await connect(
        schema=one_operation(origin),
        headers={"X-Api-Key": "static-secret", "Authorization": "Bearer tok-123"},
        security={"type": "apiKey", "apiKey": {"name": "k", "in": "query", "value": "se/cret"}},
    )
    told = (await client.call("it"))["content"][0]["text"]
    for secret in ("static-secret", "tok-123", "se/cret", "se%2Fcret", "open sesame"):
        assert secret not in told
    assert '"n": 1' in told
