"""The dry run of an OpenAPI import: what tools a document would give, without storing anything (contract 5.6).

Above: the API, the dashboard. Below: `config`, the gateway's loader, which is what a server of that kind runs on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

import aiohttp
from django.conf import settings

from mcphub.actor import Viewer
from mcphub.errors import HubError, InvalidInput
from mcphub.gateway.snapshot import OpenApiSpec, ServerSpec
from mcphub.gateway.upstreams.openapi_auth import credentials_of
from mcphub.gateway.upstreams.openapi_loading import Loader
from mcphub.gateway.upstreams.openapi_spec.operations import Api
from mcphub.gateway.upstreams.outbound import Outbound
from servers import config as rules
from servers import settings_reader
from servers.cost import tokens
from servers.expansion import expanded, hub_environment
from servers.specs import openapi_spec


def openapi_stats(viewer: Viewer, config: object) -> dict[str, Any]:
    """How many tools a configuration's document gives, and what they cost a model's context.

    Addresses of internal networks, and the hub's environment, are only there for admins. Raises `InvalidInput` for a
    configuration without a document, and for a document that cannot be fetched or read.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("openapi"), Mapping):
        raise InvalidInput("config.openapi with a url or a schema is required.")
    sent = rules.created({**config, "type": "openapi"})
    outer = hub_environment(os.environ, settings.MCPHUB_EXPANDABLE) if viewer.is_admin else {}
    spec = openapi_spec(expanded(sent, outer))
    allowed = settings_reader.effective()["network"]["allowedCidrs"]
    try:
        api = asyncio.run(_load(spec, viewer.is_admin, allowed))
    except HubError as refusal:
        raise InvalidInput(refusal.message) from None
    except (aiohttp.ClientError, OSError) as broken:
        raise InvalidInput(f"The document cannot be fetched: {broken}") from None
    chosen, _ = api.select(spec.operations)
    definitions = [operation.definition for operation in chosen.operations.values()]
    return {
        "toolCount": len(definitions),
        "definitionsBytes": sum(map(len, definitions)),
        "estimatedTokens": sum(tokens(definition.decode()) for definition in definitions),
        "declaredSecurity": api.security,
    }


async def _load(spec: OpenApiSpec, trusted: bool, allowed: list[str]) -> Api:
    outbound = Outbound()
    outbound.allow(allowed)
    # Named like a server that is not there: the connections are guarded by what its owner may reach.
    server = ServerSpec(key="", name="", transport="openapi", spec=spec, connection="", trusted=trusted)
    try:
        async with outbound.session(server) as session:
            return await Loader(session, spec, credentials_of(spec.security)).load()
    finally:
        await outbound.aclose()
