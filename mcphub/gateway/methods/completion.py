"""`completion/complete`: routed by its reference. Above: `router`. Below: `carrying`, `catalog`."""

from __future__ import annotations

from msgspec import Raw

from mcphub.gateway import jsonrpc, rendering
from mcphub.gateway.catalog import Target
from mcphub.gateway.errors import InvalidParams
from mcphub.gateway.inquiry import Inquiry
from mcphub.gateway.methods import resources
from mcphub.gateway.methods.carrying import Errand, carry
from mcphub.gateway.snapshot import BuiltinPrompt, BuiltinResource


async def complete(inquiry: Inquiry) -> Raw:
    """Forward to the upstream that owns the prompt or template; the hub's own items have nothing to suggest."""
    ref = jsonrpc.members(inquiry.params.get("ref", jsonrpc.EMPTY))
    kind = jsonrpc.text(ref.get("type"))
    member = {"ref/prompt": "name", "ref/resource": "uri"}.get(kind or "")
    identity = jsonrpc.text(ref.get(member)) if member else None
    if member is None or identity is None:
        raise InvalidParams('The parameter "ref" must name a prompt (ref/prompt) or a resource (ref/resource).')
    found: Target | BuiltinPrompt | BuiltinResource | None
    if member == "name":
        found = inquiry.catalog.prompt(identity)
        if found is None:
            raise InvalidParams(f"Unknown prompt: {identity}")
    else:
        found = inquiry.catalog.template(identity) or inquiry.catalog.resource(identity)
        if found is None:
            raise resources.unknown(inquiry, identity)
    if not isinstance(found, Target):
        body = b'"completion":{"values":[],"total":0,"hasMore":false}'
        return Raw(rendering.complete(body, inquiry.catalog.server_info) if inquiry.modern else b"{" + body + b"}")
    if member == "name":
        ref["name"] = found.raw_name
    params = {**inquiry.params, "ref": Raw(jsonrpc.dumps(ref))}
    return await carry(inquiry, Errand(found.server, identity, found.name, params, recorded=False, may_repeat=True))
