"""What a document says of credentials, as a form that only lacks the secrets. Pure.

Above: `operations`, and through `Api` the dry run of an import (REST contract, section 5.6). Below: `documents`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mcphub.gateway.upstreams.openapi_spec.documents import Documents, listed, members, text

Declared = dict[str, Any]

_HTTP_SCHEMES = ("basic", "bearer", "digest")


def declared_security(documents: Documents, operations: Iterable[Mapping[str, Any]]) -> Declared:
    """The member `declaredSecurity` of the contract: which of the declared alternatives the hub can meet, and how.

    `operations` are asked where the document itself requires nothing.
    """
    components = members(documents.root.get("components"))
    schemes = {
        name: documents.follow(node, documents.base)[0]
        for name, node in members(components.get("securitySchemes")).items()
    }
    requirements = listed(documents.root.get("security")) or _distinct(operations)
    alternatives = [found for found in requirements if isinstance(found, dict) and found]
    if not alternatives:
        return {
            "declared": False,
            "supported": True,
            "summary": "No credentials",
            "alternatives": 0,
            "requiresCredentials": False,
        }
    declared: Declared = {
        "declared": True,
        "alternatives": len(alternatives),
        "requiresCredentials": {} not in requirements,
    }
    for alternative in alternatives:
        prefill = _prefill(schemes.get(next(iter(alternative)), {})) if len(alternative) == 1 else None
        if prefill is not None:
            declared |= {"supported": True, "prefill": prefill, "summary": _summary(prefill)}
            if members(prefill.get("apiKey")).get("in") == "cookie":
                declared["cookieHint"] = "If the cookie comes from a sign-in operation, switch the cookie session on."
            return declared
    combined = any(len(alternative) > 1 for alternative in alternatives)
    reason = "Several credentials at once are required." if combined else "The declared scheme is not supported."
    names = ", ".join(dict.fromkeys(name for alternative in alternatives for name in alternative))
    return declared | {"supported": False, "summary": names, "unsupportedReason": reason}


def _distinct(operations: Iterable[Mapping[str, Any]]) -> list[Any]:
    """The requirements of all operations, each once, in the document's order."""
    found: list[Any] = []
    for operation in operations:
        found += [requirement for requirement in listed(operation.get("security")) if requirement not in found]
    return found


def _prefill(scheme: Mapping[str, Any]) -> dict[str, Any] | None:
    """The `security` object (REST contract 4.3) for one scheme, without secrets; None where the hub cannot meet it."""
    kind = scheme.get("type")
    if kind == "apiKey" and scheme.get("in") in ("header", "query", "cookie"):
        return {"type": "apiKey", "apiKey": {"name": text(scheme.get("name")), "in": scheme["in"]}}
    if kind == "http" and (name := text(scheme.get("scheme")).lower()) in _HTTP_SCHEMES:
        form = text(scheme.get("bearerFormat"))
        return {"type": "http", "http": {"scheme": name, **({"bearerFormat": form} if form else {})}}
    if kind == "oauth2":
        flow = members(members(scheme.get("flows")).get("clientCredentials"))
        # Other flows need a person; a token obtained elsewhere serves for them.
        given = {"tokenUrl": text(flow.get("tokenUrl")), "scopes": list(members(flow.get("scopes")))} if flow else {}
        return {"type": "oauth2", "oauth2": given}
    if kind == "openIdConnect":
        return {"type": "openIdConnect", "openIdConnect": {"url": text(scheme.get("openIdConnectUrl"))}}
    return None


def _summary(prefill: Mapping[str, Any]) -> str:
    match prefill["type"]:
        case "apiKey":
            return f"API key in the {prefill['apiKey']['in']} {prefill['apiKey']['name']}"
        case "http":
            return f"HTTP {prefill['http']['scheme']}"
        case "oauth2":
            return "OAuth 2.0 client credentials" if prefill["oauth2"] else "OAuth 2.0 token"
        case _:
            return "OpenID Connect token"
