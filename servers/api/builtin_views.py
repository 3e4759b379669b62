"""Routes of the hub's own prompts and resources (REST contract, section 10)."""

from __future__ import annotations

import uuid

from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.api.bodies import members
from mcphub.api.callers import actor_of
from mcphub.api.documents import ANY_OBJECT, FLAG, TEXT, array_of, component
from mcphub.api.envelope import reply
from mcphub.api.operations import Allow, operation
from mcphub.errors import NotFound
from servers import actions, lookups
from servers.actions.builtins import told
from servers.api.noticed import Noticed
from servers.models import BuiltinPrompt, BuiltinResource

_PROMPT = component(
    "BuiltinPrompt",
    {
        "type": "object",
        "properties": {
            "id": TEXT,
            "name": TEXT,
            "title": TEXT,
            "description": TEXT,
            "template": {**TEXT, "description": "`{{name}}` stands for the argument of that name."},
            "arguments": array_of(ANY_OBJECT),
            "enabled": FLAG,
        },
        "required": ["id", "name", "template", "enabled"],
    },
)
_RESOURCE = component(
    "BuiltinResource",
    {
        "type": "object",
        "properties": {
            "id": TEXT,
            "uri": TEXT,
            "name": TEXT,
            "description": TEXT,
            "mimeType": TEXT,
            "content": TEXT,
            "enabled": FLAG,
        },
        "required": ["id", "uri", "mimeType", "content", "enabled"],
    },
)
_GREETING = {"name": "greet", "template": "Hello {{who}}", "arguments": [{"name": "who", "required": True}]}
_GREET = {"id": "5b9a2f4e-1c1d-4a51-9d5a-7f3d6a2b8c10", **_GREETING, "enabled": True}
_TEXT = {"uri": "resource://docs/guide", "content": "text"}
_GUIDE = {"id": "91c2d6e0-5d0b-4b7f-8a1e-2c3d4e5f6a7b", **_TEXT, "mimeType": "text/plain", "enabled": True}
_NOT_FOUND = {404: "There is no such object."}
_WRITTEN = {400: "A member is missing or malformed.", 409: "The name or URI is taken."}


def _identity(text: str) -> uuid.UUID:
    found = lookups.identity(text)
    if found is None:
        raise NotFound()
    return found


class Prompts(Noticed):
    """/api/prompts."""

    tag = "Built-in prompts"

    @operation("List the hub's own prompts", data=array_of(_PROMPT), example={"success": True, "data": [_GREET]})
    def get(self, request: Request) -> Response:
        return reply([told(row) for row in BuiltinPrompt.objects.all()])

    @operation(
        "Add a prompt",
        allow=Allow.ADMIN,
        note="Offered over MCP to everyone, behind every door.",
        body=ANY_OBJECT,
        sample=_GREETING,
        data=_PROMPT,
        status=201,
        example={"success": True, "data": _GREET},
        refuses=_WRITTEN,
    )
    def post(self, request: Request) -> Response:
        return reply(told(actions.add_prompt(actor=actor_of(request), members=members(request))), status=201)


class OnePrompt(Noticed):
    """/api/prompts/<id>."""

    tag = "Built-in prompts"

    @operation("Show a prompt", data=_PROMPT, example={"success": True, "data": _GREET}, refuses=_NOT_FOUND)
    def get(self, request: Request, id: str) -> Response:
        row = BuiltinPrompt.objects.filter(pk=_identity(id)).first()
        if row is None:
            raise NotFound()
        return reply(told(row))

    @operation(
        "Change a prompt",
        allow=Allow.ADMIN,
        note="What is left out stays.",
        body=ANY_OBJECT,
        sample={"enabled": False},
        data=_PROMPT,
        example={"success": True, "data": _GREET},
        refuses=_WRITTEN | _NOT_FOUND,
    )
    def put(self, request: Request, id: str) -> Response:
        return reply(told(actions.change_prompt(_identity(id), actor=actor_of(request), members=members(request))))

    @operation(
        "Remove a prompt",
        allow=Allow.ADMIN,
        example={"success": True, "message": "The prompt was removed."},
        refuses=_NOT_FOUND,
    )
    def delete(self, request: Request, id: str) -> Response:
        actions.remove_prompt(_identity(id), actor=actor_of(request))
        return reply(message="The prompt was removed.")


class Resources(Noticed):
    """/api/resources."""

    tag = "Built-in resources"

    @operation("List the hub's own resources", data=array_of(_RESOURCE), example={"success": True, "data": [_GUIDE]})
    def get(self, request: Request) -> Response:
        return reply([told(row) for row in BuiltinResource.objects.all()])

    @operation(
        "Add a resource",
        allow=Allow.ADMIN,
        note="A text, offered over MCP to everyone, behind every door.",
        body=ANY_OBJECT,
        sample=_TEXT,
        data=_RESOURCE,
        status=201,
        example={"success": True, "data": _GUIDE},
        refuses=_WRITTEN,
    )
    def post(self, request: Request) -> Response:
        return reply(told(actions.add_resource(actor=actor_of(request), members=members(request))), status=201)


class OneResource(Noticed):
    """/api/resources/<id>."""

    tag = "Built-in resources"

    @operation("Show a resource", data=_RESOURCE, example={"success": True, "data": _GUIDE}, refuses=_NOT_FOUND)
    def get(self, request: Request, id: str) -> Response:
        row = BuiltinResource.objects.filter(pk=_identity(id)).first()
        if row is None:
            raise NotFound()
        return reply(told(row))

    @operation(
        "Change a resource",
        allow=Allow.ADMIN,
        note="What is left out stays.",
        body=ANY_OBJECT,
        sample={"enabled": False},
        data=_RESOURCE,
        example={"success": True, "data": _GUIDE},
        refuses=_WRITTEN | _NOT_FOUND,
    )
    def put(self, request: Request, id: str) -> Response:
        return reply(told(actions.change_resource(_identity(id), actor=actor_of(request), members=members(request))))

    @operation(
        "Remove a resource",
        allow=Allow.ADMIN,
        example={"success": True, "message": "The resource was removed."},
        refuses=_NOT_FOUND,
    )
    def delete(self, request: Request, id: str) -> Response:
        actions.remove_resource(_identity(id), actor=actor_of(request))
        return reply(message="The resource was removed.")
