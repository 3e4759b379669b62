"""`prompts/list` and `prompts/get`. Above: `router`. Below: `carrying`, `catalog`."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Raw

from mcphub.gateway import jsonrpc, rendering
from mcphub.gateway.errors import InvalidParams
from mcphub.gateway.inquiry import Inquiry
from mcphub.gateway.methods import records
from mcphub.gateway.methods.carrying import Errand, carry
from mcphub.gateway.methods.paging import only_page
from mcphub.gateway.snapshot import BuiltinPrompt

_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")


async def list_prompts(inquiry: Inquiry) -> bytes:
    """Every prompt behind the door, the hub's own first, in one page."""
    only_page(inquiry)
    return inquiry.catalog.render("prompts", modern=inquiry.modern)


async def get_prompt(inquiry: Inquiry) -> Raw:
    """Fill in a prompt of the hub's own, or fetch one from its upstream."""
    name = jsonrpc.text(inquiry.params.get("name"))
    if name is None:
        raise records.refused(inquiry, "", InvalidParams('The parameter "name" must be a string.'))
    found = inquiry.catalog.prompt(name)
    if found is None:
        raise records.refused(inquiry, name, InvalidParams(f"Unknown prompt: {name}"))
    if isinstance(found, BuiltinPrompt):
        return _fill_in(inquiry, found)
    params = {**inquiry.params, "name": found.raw_name}
    return await carry(inquiry, Errand(found.server, found.name, found.name, params, may_repeat=True))


def _fill_in(inquiry: Inquiry, prompt: BuiltinPrompt) -> Raw:
    """One user message; placeholders without a value stay in the text."""
    outcome = records.begin(inquiry)
    raw = inquiry.params.get("arguments")
    arguments: Any = {} if raw is None else jsonrpc.loads(raw)
    if not isinstance(arguments, dict):
        raise records.refused(inquiry, prompt.name, InvalidParams('The parameter "arguments" must be an object.'))

    def value_of(placeholder: re.Match[str]) -> str:
        value = arguments.get(placeholder[1])
        return placeholder[0] if value is None else str(value)

    text = _PLACEHOLDER.sub(value_of, prompt.template)
    members = jsonrpc.members(prompt.definition)
    result: dict[str, Any] = {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}
    if "description" in members:
        result["description"] = members["description"]
    body = jsonrpc.dumps(result)
    outcome.result = Raw(rendering.complete(body[1:-1], inquiry.catalog.server_info) if inquiry.modern else body)
    records.remember(inquiry, outcome, "", prompt.name)
    return outcome.result
