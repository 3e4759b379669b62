"""Routes that call: tools, prompts and resources over REST, in an envelope (REST contract, 9.1, 9.2, 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authenticator import principal_of_actor
from mcphub.api.bodies import members
from mcphub.api.callers import actor_of
from mcphub.api.documents import ANY_OBJECT, TEXT, array_of, object_of
from mcphub.api.envelope import Refusal, reply
from mcphub.api.operations import operation
from mcphub.api.views import HubView
from mcphub.errors import InvalidInput
from servers.calling import Guest, call_tool, get_prompt, read_resource

_CONTENT = array_of(ANY_OBJECT)
UPSTREAM_REFUSALS = {
    404: "There is no such server or item, it is switched off, or the caller may not know of it.",
    502: "The MCP server is not connected, or refused the request.",
    504: "The MCP server did not answer in time.",
}
_TEXT = {"type": "text", "text": "12:00"}


def guest_of(request: Request, session: str = "api-session") -> Guest:
    """The caller as the data plane knows callers. `session` names the client's own state where it names none."""
    actor = actor_of(request)
    headers = {name.lower().encode(): value.encode("latin-1", "replace") for name, value in request.headers.items()}
    headers.setdefault(b"x-session-id", session.encode())
    return Guest(principal_of_actor(actor), headers, actor.address)


def arguments_of(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The member `arguments` of a body. Raises `InvalidInput` where it is no object."""
    arguments = sent.get("arguments")
    if arguments is None:
        return {}
    if not isinstance(arguments, dict):
        raise InvalidInput("arguments must be an object.")
    return arguments


class _Calling(HubView):
    """A failed call also says why in `error`, where clients of the original look."""

    tag = "Calls"

    def shape(self, refused: Refusal) -> dict[str, Any]:
        return super().shape(refused) | {"error": refused.message}


class ToolCall(_Calling):
    """POST /api/tools/call/<server>."""

    @operation(
        "Call a tool",
        note="By its own name or with the server's prefix. Arguments that are texts are fitted to the tool's schema. "
        "A tool that failed says so in `data.isError`. `x-session-id` names the caller's own state at servers that "
        "keep one.",
        body={
            "type": "object",
            "properties": {"toolName": TEXT, "arguments": ANY_OBJECT},
            "required": ["toolName"],
        },
        sample={"toolName": "now", "arguments": {"tz": "UTC"}},
        data=object_of(content=_CONTENT, toolName=TEXT, arguments=ANY_OBJECT),
        example={
            "success": True,
            "data": {"content": [_TEXT], "isError": False, "toolName": "now", "arguments": {"tz": "UTC"}},
        },
        refuses={400: "toolName or arguments is malformed, or the MCP server does not take them.", **UPSTREAM_REFUSALS},
        changes=False,
    )
    def post(self, request: Request, server: str) -> Response:
        sent = members(request)
        tool = sent.get("toolName")
        if not isinstance(tool, str) or not tool:
            raise InvalidInput("toolName is required.")
        called = call_tool(guest_of(request), server, tool, arguments_of(sent))
        return reply(called.result | {"toolName": tool, "arguments": called.arguments})


class PromptCall(_Calling):
    """POST /api/mcp/<server>/prompts/<prompt>."""

    @operation(
        "Get a prompt",
        note="`name` in the body counts before the one in the path; names work with and without the server's prefix. "
        "The hub's own prompts are found behind any server.",
        body={"type": "object", "properties": {"name": TEXT, "arguments": ANY_OBJECT}},
        sample={"name": "review", "arguments": {"lang": "python"}},
        data=object_of(messages=array_of(ANY_OBJECT)),
        example={
            "success": True,
            "data": {"messages": [{"role": "user", "content": {"type": "text", "text": "Review this python code"}}]},
        },
        refuses={400: "The MCP server does not take these arguments.", **UPSTREAM_REFUSALS},
    )
    def post(self, request: Request, server: str, prompt: str) -> Response:
        sent = members(request)
        name = sent.get("name") or prompt
        if not isinstance(name, str):
            raise InvalidInput("name must be a text.")
        arguments = arguments_of(sent)
        return reply(get_prompt(guest_of(request), server, name, arguments if "arguments" in sent else None))


class ResourceRead(_Calling):
    """POST /api/resources/read."""

    @operation(
        "Read a resource",
        note="Of any server the caller may see, or one of the hub's own.",
        body=object_of(uri=TEXT),
        sample={"uri": "resource://docs/guide"},
        data=object_of(contents=array_of(ANY_OBJECT)),
        example={
            "success": True,
            "data": {"contents": [{"uri": "resource://docs/guide", "mimeType": "text/plain", "text": "text"}]},
        },
        refuses={400: "uri is no text.", **UPSTREAM_REFUSALS},
    )
    def post(self, request: Request) -> Response:
        uri = members(request).get("uri")
        if not isinstance(uri, str) or not uri:
            raise InvalidInput("uri is required.")
        return reply(read_resource(guest_of(request), uri))
