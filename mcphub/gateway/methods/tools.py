"""`tools/list` and `tools/call`. Above: `router`. Below: `carrying`, `catalog`."""

from __future__ import annotations

from msgspec import Raw

from mcphub.gateway import jsonrpc, mirrors
from mcphub.gateway.errors import InvalidParams
from mcphub.gateway.inquiry import Inquiry
from mcphub.gateway.methods import records
from mcphub.gateway.methods.carrying import Errand, carry
from mcphub.gateway.methods.paging import only_page


async def list_tools(inquiry: Inquiry) -> bytes:
    """Every tool behind the door, in one page."""
    only_page(inquiry)
    return inquiry.catalog.render("tools", modern=inquiry.modern, apps=inquiry.apps)


async def call_tool(inquiry: Inquiry) -> Raw:
    """Call a tool by its exposed name. Arguments pass through unread, as the upstream validates them."""
    params = inquiry.params
    name = jsonrpc.text(params.get("name"))
    if name is None:
        raise records.refused(inquiry, "", InvalidParams('The parameter "name" must be a string.'))
    target = inquiry.catalog.tool(name, apps=inquiry.apps)
    if target is None:
        raise records.refused(inquiry, name, InvalidParams(f"Unknown tool: {name}"))
    arguments = params.get("arguments")
    if arguments is not None and bytes(memoryview(arguments)[:1]) != b"{":
        raise records.refused(inquiry, name, InvalidParams('The parameter "arguments" must be an object.'))
    if inquiry.modern and target.mirrors:
        mirrors.check(target.mirrors, jsonrpc.loads(arguments or jsonrpc.EMPTY), inquiry.headers)
    return await carry(inquiry, Errand(target.server, target.name, target.name, {**params, "name": target.raw_name}))
