"""Routes of single tools, prompts and resources: switch, describe, reset (REST contract, section 5.13)."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import unquote

from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.api.bodies import members
from mcphub.api.callers import actor_of
from mcphub.api.documents import FLAG, TEXT, object_of
from mcphub.api.envelope import reply
from mcphub.api.operations import operation
from servers import actions
from servers.api.noticed import Noticed

_REFUSES = {
    400: "The name or a member breaks a rule.",
    403: "The caller may use the server but not manage it, or the hub is in read-only mode.",
    404: "There is no such server, or the caller may not know of it.",
}
_NAMES = (
    "The item need not exist (yet). Names may carry the server's prefix; slashes in them are percent-encoded, twice "
    "or once."
)


class ItemSwitch(Noticed):
    """…/<item>/toggle."""

    kind: ClassVar[str]
    tag = "Items of servers"

    @operation(
        "Offer an item or hide it",
        note=f"A hidden item is neither listed nor called, by any door. {_NAMES}",
        body=object_of(enabled=FLAG),
        sample={"enabled": False},
        example={"success": True, "message": "The item is hidden."},
        refuses=_REFUSES,
    )
    def post(self, request: Request, server: str, item: str) -> Response:
        enabled = members(request).get("enabled")
        actions.set_item_enabled(server, self.kind, unquote(item), actor=actor_of(request), enabled=enabled)
        return reply(message="The item is offered." if enabled else "The item is hidden.")


class ItemDescription(Noticed):
    """…/<item>/description."""

    kind: ClassVar[str]
    tag = "Items of servers"

    @operation(
        "Describe an item in other words",
        note=f"An empty text counts. {_NAMES}",
        body=object_of(description=TEXT),
        sample={"description": "Current UTC time"},
        example={"success": True, "message": "The description was saved."},
        refuses=_REFUSES,
    )
    def put(self, request: Request, server: str, item: str) -> Response:
        description = members(request).get("description")
        actions.describe_item(server, self.kind, unquote(item), actor=actor_of(request), description=description)
        return reply(message="The description was saved.")

    @operation(
        "Show an item in the upstream's words again",
        note=f"Answers with them. {_NAMES}",
        data=object_of(description=TEXT),
        example={"success": True, "message": "The description was reset.", "data": {"description": "Current time"}},
        refuses=_REFUSES,
    )
    def delete(self, request: Request, server: str, item: str) -> Response:
        description = actions.reset_item(server, self.kind, unquote(item), actor=actor_of(request))
        return reply({"description": description}, "The description was reset.")


class ToolSwitch(ItemSwitch):
    kind = "tool"


class ToolDescription(ItemDescription):
    kind = "tool"


class PromptSwitch(ItemSwitch):
    kind = "prompt"


class PromptDescription(ItemDescription):
    kind = "prompt"


class ResourceSwitch(ItemSwitch):
    kind = "resource"


class ResourceDescription(ItemDescription):
    kind = "resource"
