"""What servers, groups and their items look like on the wire, for the description of the API (contract, 4 and 7)."""

from __future__ import annotations

from mcphub.api.documents import ANY_OBJECT, FLAG, NUMBER, TEXT, array_of, component, object_of

_OPTIONAL_TEXT = {"type": ["string", "null"]}
_ITEM_MAP = {
    "type": "object",
    "additionalProperties": {"type": "object", "properties": {"enabled": FLAG, "description": TEXT}},
}
_VISIBILITY = {"enum": ["private", "group", "public"], "default": "private"}

CONFIG = component(
    "ServerConfig",
    {
        "type": "object",
        "description": "How a server is reached and who may use it. `type` is inferred where it is left out; members "
        "that a type has no use for are dropped; members the hub does not know are kept.",
        "properties": {
            "type": {"enum": ["stdio", "sse", "streamable-http", "openapi"]},
            "description": TEXT,
            "url": {**TEXT, "description": "For sse and streamable-http."},
            "command": {**TEXT, "description": "For stdio; only admins may set it."},
            "args": array_of(TEXT),
            "env": ANY_OBJECT,
            "headers": ANY_OBJECT,
            "passthroughHeaders": array_of(TEXT),
            "enabled": {**FLAG, "default": True},
            "owner": {**TEXT, "description": "Admins may name another owner."},
            "visibility": _VISIBILITY,
            "sharedWithUsers": array_of(TEXT),
            "enableKeepAlive": FLAG,
            "keepAliveInterval": {"type": "number", "description": "Milliseconds."},
            "tools": _ITEM_MAP,
            "prompts": _ITEM_MAP,
            "resources": _ITEM_MAP,
            "options": ANY_OBJECT,
            "proxy": ANY_OBJECT,
            "oauth": ANY_OBJECT,
            "openapi": ANY_OBJECT,
            "perSessionClient": FLAG,
            "startOnDemand": FLAG,
            "idleTimeoutMs": {"type": "number"},
        },
    },
)
#: What a client sends: anything, to be judged by one set of rules whichever door it comes through.
SENT_CONFIG = {**ANY_OBJECT, "description": "A ServerConfig."}

_TOOL = component(
    "Tool",
    {
        "type": "object",
        "description": "As the upstream described it, with the hub's name, description and switch.",
        "properties": {
            "name": TEXT,
            "description": TEXT,
            "defaultDescription": {**TEXT, "description": "The upstream's own."},
            "hasDescriptionOverride": FLAG,
            "inputSchema": {},
            "enabled": FLAG,
        },
        "required": ["name", "enabled"],
    },
)
_PROMPT = component(
    "Prompt",
    {
        "type": "object",
        "properties": {"name": TEXT, "description": TEXT, "arguments": {"type": "array"}, "enabled": FLAG},
        "required": ["name", "enabled"],
    },
)
_RESOURCE = component(
    "Resource",
    {
        "type": "object",
        "properties": {"uri": TEXT, "name": TEXT, "description": TEXT, "mimeType": TEXT, "enabled": FLAG},
        "required": ["uri", "enabled"],
    },
)
_STATUS = {"enum": ["connected", "connecting", "disconnected", "oauth_required"]}
_ITEMS = {"tools": array_of(_TOOL), "prompts": array_of(_PROMPT), "resources": array_of(_RESOURCE)}
_CONNECTION = {
    "type": "object",
    "description": "For those who manage the server: how its connection stands. Times are epoch milliseconds.",
    "properties": {
        "state": {"enum": ["connected", "connecting", "retrying", "oauth_required", "disconnected", "sleeping"]},
        "reason": TEXT,
        "attempt": NUMBER,
        "since": {"type": ["number", "null"]},
        "connectedAt": {"type": ["number", "null"]},
        "nextAttempt": {"type": ["number", "null"]},
    },
}

LISTED = component(
    "Server",
    {
        "type": "object",
        "description": "A server as lists show it.",
        "properties": {
            "name": TEXT,
            "version": TEXT,
            "instructions": TEXT,
            "owner": TEXT,
            "visibility": _VISIBILITY,
            "status": _STATUS,
            "error": _OPTIONAL_TEXT,
            **_ITEMS,
            "createTime": {"type": "number", "description": "Epoch milliseconds."},
            "enabled": FLAG,
            "oauth": ANY_OBJECT,
            "config": ANY_OBJECT,
            "connection": _CONNECTION,
        },
        "required": ["name", "owner", "visibility", "status", "error", *_ITEMS, "enabled", "config"],
    },
)
DETAILED = object_of(name=TEXT, status=_STATUS, **_ITEMS, config=CONFIG)
OUTCOME = object_of(name=TEXT, success=FLAG)

_SELECTION = {"description": "`all`, or names as the upstream has them.", "type": ["string", "array"]}
_MEMBER_MEMBERS = {
    "name": TEXT,
    "alias": {**TEXT, "description": "Stands before its items in this group."},
    "tools": _SELECTION,
    "prompts": _SELECTION,
    "resources": _SELECTION,
    "pinnedTools": array_of(TEXT),
}
MEMBER = component("GroupMember", {"type": "object", "properties": _MEMBER_MEMBERS, "required": ["name"]})
GROUP = component(
    "Group",
    {
        "type": "object",
        "properties": {
            "id": TEXT,
            "name": TEXT,
            "description": TEXT,
            "servers": array_of(MEMBER),
            "owner": TEXT,
            "visibility": _VISIBILITY,
            "sharedWithUsers": array_of(TEXT),
        },
        "required": ["id", "name", "servers", "owner"],
    },
)
#: Members as a client may send them: names, or objects.
SENT_MEMBERS = {"type": "array", "items": {}, "description": "Names of servers, or GroupMember objects."}
SENT_GROUP = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "description": TEXT,
        "servers": SENT_MEMBERS,
        "visibility": _VISIBILITY,
        "sharedWithUsers": array_of(TEXT),
    },
}
