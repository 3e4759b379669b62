"""Routes of the hub's own prompts and resources (REST contract, section 10)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What tells prompts from resources; all else about their routes is the same."""

    noun: str
    about: str
    model: type[BuiltinPrompt] | type[BuiltinResource]
    add: Callable[..., BuiltinPrompt | BuiltinResource]
    change: Callable[..., BuiltinPrompt | BuiltinResource]
    remove: Callable[..., None]
    shape: Any
    sample: Mapping[str, Any]
    example: Mapping[str, Any]


def _identity(text: str) -> uuid.UUID:
    found = lookups.identity(text)
    if found is None:
        raise NotFound()
    return found


def _views(kind: _Kind) -> tuple[type[Noticed], type[Noticed]]:
    """The views of all rows of a kind, and of one."""
    one = {"success": True, "data": kind.example}
    removed = f"The {kind.noun} was removed."

    class Every(Noticed):
        tag = f"Built-in {kind.noun}s"

        @operation(
            f"List the hub's own {kind.noun}s",
            data=array_of(kind.shape),
            example={"success": True, "data": [kind.example]},
        )
        def get(self, request: Request) -> Response:
            return reply([told(row) for row in kind.model.objects.all()])

        @operation(
            f"Add a {kind.noun}",
            allow=Allow.ADMIN,
            note=kind.about,
            body=ANY_OBJECT,
            sample=kind.sample,
            data=kind.shape,
            status=201,
            example=one,
            refuses=_WRITTEN,
        )
        def post(self, request: Request) -> Response:
            return reply(told(kind.add(actor=actor_of(request), members=members(request))), status=201)

    class One(Noticed):
        tag = f"Built-in {kind.noun}s"

        @operation(f"Show a {kind.noun}", data=kind.shape, example=one, refuses=_NOT_FOUND)
        def get(self, request: Request, id: str) -> Response:
            row = kind.model.objects.filter(pk=_identity(id)).first()
            if row is None:
                raise NotFound()
            return reply(told(row))

        @operation(
            f"Change a {kind.noun}",
            allow=Allow.ADMIN,
            note="What is left out stays.",
            body=ANY_OBJECT,
            sample={"enabled": False},
            data=kind.shape,
            example=one,
            refuses=_WRITTEN | _NOT_FOUND,
        )
        def put(self, request: Request, id: str) -> Response:
            return reply(told(kind.change(_identity(id), actor=actor_of(request), members=members(request))))

        @operation(
            f"Remove a {kind.noun}",
            allow=Allow.ADMIN,
            example={"success": True, "message": removed},
            refuses=_NOT_FOUND,
        )
        def delete(self, request: Request, id: str) -> Response:
            kind.remove(_identity(id), actor=actor_of(request))
            return reply(message=removed)

    return Every, One


#: /api/prompts and /api/prompts/<id>.
Prompts, OnePrompt = _views(
    _Kind(
        noun="prompt",
        about="Offered over MCP to everyone, behind every door.",
        model=BuiltinPrompt,
        add=actions.add_prompt,
        change=actions.change_prompt,
        remove=actions.remove_prompt,
        shape=_PROMPT,
        sample=_GREETING,
        example=_GREET,
    )
)
#: /api/resources and /api/resources/<id>.
Resources, OneResource = _views(
    _Kind(
        noun="resource",
        about="A text, offered over MCP to everyone, behind every door.",
        model=BuiltinResource,
        add=actions.add_resource,
        change=actions.change_resource,
        remove=actions.remove_resource,
        shape=_RESOURCE,
        sample=_TEXT,
        example=_GUIDE,
    )
)
