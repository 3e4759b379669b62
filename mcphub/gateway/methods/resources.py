"""`resources/list`, `resources/templates/list`, `resources/read`, and the subscriptions of session-based clients.

Above: `router`. Below: `carrying`, `catalog`, `subscriptions`.
"""

from __future__ import annotations

from msgspec import Raw

from mcphub.errors import RPC_INVALID_PARAMS, HubError
from mcphub.gateway import jsonrpc, rendering
from mcphub.gateway.errors import RPC_RESOURCE_NOT_FOUND, InvalidParams, RpcError
from mcphub.gateway.inquiry import Inquiry
from mcphub.gateway.methods import records
from mcphub.gateway.methods.carrying import Errand, carry
from mcphub.gateway.methods.paging import only_page
from mcphub.gateway.snapshot import BuiltinResource, ServerSpec


async def list_resources(inquiry: Inquiry) -> bytes:
    """Every resource behind the door, the hub's own first, in one page."""
    only_page(inquiry)
    return inquiry.catalog.render("resources", modern=inquiry.modern)


async def list_templates(inquiry: Inquiry) -> bytes:
    """Every resource template behind the door, in one page."""
    only_page(inquiry)
    return inquiry.catalog.render("templates", modern=inquiry.modern)


def _uri(inquiry: Inquiry) -> str:
    uri = jsonrpc.text(inquiry.params.get("uri"))
    if not uri:
        raise InvalidParams('The parameter "uri" must be a string.')
    return uri


def unknown(inquiry: Inquiry, uri: str) -> RpcError:
    """That no resource has this URI, with the code of the caller's revision."""
    code = RPC_INVALID_PARAMS if inquiry.modern else RPC_RESOURCE_NOT_FOUND
    return RpcError.of(code, f"Resource not found: {uri}", {"uri": uri})


async def read_resource(inquiry: Inquiry) -> Raw:
    """Read a resource of the hub's own, or fetch one from the upstream that owns the URI."""
    uri = _uri(inquiry)
    found = inquiry.catalog.resource(uri)
    if isinstance(found, BuiltinResource):
        return _builtin(inquiry, found)
    if found is not None:
        return await _read_from(inquiry, found.server, uri)
    if inquiry.apps and uri.startswith("ui://"):
        return await _probe(inquiry, uri)
    raise records.refused(inquiry, uri, unknown(inquiry, uri))


async def _read_from(inquiry: Inquiry, server: ServerSpec, uri: str, *, recorded: bool = True) -> Raw:
    errand = Errand(server, uri, uri, inquiry.params, cacheable=True, recorded=recorded, may_repeat=True)
    return await carry(inquiry, errand)


async def _probe(inquiry: Inquiry, uri: str) -> Raw:
    """Pages of apps need not be listed: the first server that knows the URI owns it."""
    for source in inquiry.catalog.sources:
        outcome = records.begin(inquiry)
        try:
            outcome.result = await _read_from(inquiry, source.server, uri, recorded=False)
        except (RpcError, HubError):
            continue
        records.remember(inquiry, outcome, source.server.name, uri)
        return outcome.result
    raise records.refused(inquiry, uri, unknown(inquiry, uri))


def _builtin(inquiry: Inquiry, resource: BuiltinResource) -> Raw:
    outcome = records.begin(inquiry)
    content = {"uri": resource.uri, "mimeType": resource.mime_type, "text": resource.content}
    body = jsonrpc.dumps({"contents": [content]})
    info = inquiry.catalog.server_info
    outcome.result = Raw(rendering.complete(body[1:-1], info, ttl_ms=0) if inquiry.modern else body)
    records.remember(inquiry, outcome, "", resource.uri)
    return outcome.result


async def subscribe(inquiry: Inquiry) -> Raw:
    """Remember that this session wants `notifications/resources/updated` for a URI."""
    uri, session = _uri(inquiry), inquiry.session
    found = inquiry.catalog.resource(uri)
    if found is None:
        raise unknown(inquiry, uri)
    if session is not None:
        server = "" if isinstance(found, BuiltinResource) else found.server.key
        if server:
            await inquiry.front.subscriptions.hold(session.key, server, uri)
        inquiry.front.sessions.tell(session, {"subscribe": uri, "server": server})
    return jsonrpc.EMPTY


async def unsubscribe(inquiry: Inquiry) -> Raw:
    """Forget it again; unknown subscriptions are no error."""
    uri, session = _uri(inquiry), inquiry.session
    if session is not None:
        server = inquiry.front.sessions.state(session).subscriptions.get(uri)
        if server:
            inquiry.front.subscriptions.release(session.key, server, uri)
        inquiry.front.sessions.tell(session, {"unsubscribe": uri})
    return jsonrpc.EMPTY
