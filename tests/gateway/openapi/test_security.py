"""What a document declares of credentials becomes a form."""

from __future__ import annotations

import pytest

from mcphub.gateway.upstreams.openapi_spec.documents import Documents
from mcphub.gateway.upstreams.openapi_spec.operations import convert
from tests.gateway.openapi.conftest import Json, one_operation

SCHEMES = {
    "key": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "bearer": {"type": "http", "scheme": "Bearer", "bearerFormat": "JWT"},
    "oauth": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://t", "scopes": {"read": ""}}}},
    "person": {"type": "oauth2", "flows": {"authorizationCode": {}}},
    "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://o"},
    "tls": {"type": "mutualTLS"},
}
CLIENT = {"tokenUrl": "https://t", "scopes": ["read"]}


def declared(*requirements: Json) -> Json:
    document = one_operation("http://h", security=list(requirements))
    return convert(Documents({**document, "components": {"securitySchemes": SCHEMES}})).security


@pytest.mark.parametrize(
    ("name", "prefill", "summary"),
    [
        ("key", {"type": "apiKey", "apiKey": {"name": "sid", "in": "cookie"}}, "API key in the cookie sid"),
        ("bearer", {"type": "http", "http": {"scheme": "bearer", "bearerFormat": "JWT"}}, "HTTP bearer"),
        ("oauth", {"type": "oauth2", "oauth2": CLIENT}, "OAuth 2.0 client credentials"),
        ("person", {"type": "oauth2", "oauth2": {}}, "OAuth 2.0 token"),
        ("oidc", {"type": "openIdConnect", "openIdConnect": {"url": "https://o"}}, "OpenID Connect token"),
    ],
)  # fmt: skip
def test_a_scheme_becomes_a_form(name: str, prefill: Json, summary: str) -> None:
    found = declared({name: []})
    assert (found["prefill"], found["summary"], found["supported"]) == (prefill, summary, True)
    assert ("cookieHint" in found) == (name == "key")


def test_the_first_alternative_that_can_be_met_is_taken() -> None:
    found = declared({"tls": []}, {"key": [], "oidc": []}, {"bearer": []}, {})
    assert found["prefill"]["type"] == "http"
    assert (found["alternatives"], found["requiresCredentials"]) == (3, False)


def test_what_cannot_be_met_is_said() -> None:
    assert declared({"tls": []})["unsupportedReason"] == "The declared scheme is not supported."
    assert declared({"key": [], "bearer": []})["unsupportedReason"] == "Several credentials at once are required."
    assert declared()["declared"] is False
