"""Router: MCP method to its function, one table an era. Above: the endpoints, `app.dispatch`. Below: `methods`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Raw

from mcphub.gateway.errors import MethodNotFound
from mcphub.gateway.inquiry import Inquiry
from mcphub.gateway.methods import completion, lifecycle, logging, prompts, resources, tools

Method = Callable[[Inquiry], Awaitable[bytes | Raw]]

_BOTH: dict[str, Method] = {
    "tools/list": tools.list_tools,
    "tools/call": tools.call_tool,
    "prompts/list": prompts.list_prompts,
    "prompts/get": prompts.get_prompt,
    "resources/list": resources.list_resources,
    "resources/templates/list": resources.list_templates,
    "resources/read": resources.read_resource,
    "completion/complete": completion.complete,
}
#: `initialize` is not here: only the endpoint can open a session.
LEGACY: dict[str, Method] = {
    **_BOTH,
    "ping": lifecycle.ping,
    "logging/setLevel": logging.set_level,
    "resources/subscribe": resources.subscribe,
    "resources/unsubscribe": resources.unsubscribe,
}
#: `subscriptions/listen` is not here: its answer is a stream, which the endpoint owns.
MODERN: dict[str, Method] = {**_BOTH, "server/discover": lifecycle.discover}


def answer(inquiry: Inquiry) -> Awaitable[bytes | Raw]:
    """The result object for one request.

    Raises:
        MethodNotFound: unknown, or not part of the caller's revision.
    """
    method = (MODERN if inquiry.modern else LEGACY).get(inquiry.method)
    if method is None:
        raise MethodNotFound(f"Method not found: {inquiry.method}")
    return method(inquiry)
