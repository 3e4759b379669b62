"""`subscriptions/listen`: one stream of changes for a stateless client. Above: `streamable`. Below: `feeds`."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from mcphub.errors import HubError
from mcphub.gateway import jsonrpc
from mcphub.gateway.catalog import Target
from mcphub.gateway.envelope import SERVER_KEY, SUBSCRIPTION_KEY
from mcphub.gateway.errors import InvalidParams, RpcError
from mcphub.gateway.feeds import Feed, Feeds
from mcphub.gateway.http import EventStream, event, reply
from mcphub.gateway.inquiry import Inquiry
from mcphub.gateway.jsonrpc import Id
from mcphub.gateway.knock import Knock
from mcphub.gateway.tasks import Tasks

_TOPICS = {"toolsListChanged": "tools", "promptsListChanged": "prompts", "resourcesListChanged": "resources"}
#: A client that wants more than this lists its resources instead.
_MOST_RESOURCES = 1000


async def listen(inquiry: Inquiry, id: Id, knock: Knock, feeds: Feeds, tasks: Tasks) -> None:
    """Acknowledge what will be delivered, deliver it until the client leaves, and end with a result where we end it.

    Every frame carries the id of the request in `_meta`.
    """
    try:
        wanted = _filter(inquiry)
    except InvalidParams as refusal:
        error = RpcError(refusal.rpc_code, refusal.message)
        await reply(knock.send, 400, jsonrpc.failure(id, error), headers=knock.extra)
        return
    holder = inquiry.front.new_id()
    subscribed = await _subscribe(inquiry, holder, wanted.get("resourceSubscriptions", []))
    honoured: dict[str, Any] = {name: True for name in _TOPICS if wanted.get(name) is True}
    if "resourceSubscriptions" in wanted:
        honoured["resourceSubscriptions"] = list(subscribed)
    stream = EventStream(knock.send, knock.extra)
    mark = {"_meta": {SUBSCRIPTION_KEY: id}}
    feed = Feed(
        holder=holder,
        principal=inquiry.principal,
        topics=frozenset(_TOPICS[name] for name in honoured if name in _TOPICS),
        subscribed=lambda: subscribed,
        current=knock.look,
        push=lambda message: stream.push(event(message)),
        close=lambda: _finish(stream, id, inquiry.catalog.server_info),
        mark=mark,
    )
    acknowledgement = {"notifications": honoured, **mark}
    stream.push(event(jsonrpc.notification("notifications/subscriptions/acknowledged", acknowledgement)))
    feeds.add(feed)
    try:
        await stream.serve(knock.receive, tasks)
    finally:
        feeds.remove(feed)
        inquiry.front.subscriptions.release_all(holder)


def _filter(inquiry: Inquiry) -> dict[str, Any]:
    raw = inquiry.params.get("notifications")
    wanted = None if raw is None else jsonrpc.loads(raw)
    if not isinstance(wanted, dict):
        raise InvalidParams('The parameter "notifications" must be an object.')
    uris = wanted.get("resourceSubscriptions", [])
    if not isinstance(uris, list) or len(uris) > _MOST_RESOURCES or not all(isinstance(uri, str) for uri in uris):
        raise InvalidParams(f"resourceSubscriptions must be a list of at most {_MOST_RESOURCES} URIs.")
    return wanted


async def _subscribe(inquiry: Inquiry, holder: str, uris: list[str]) -> dict[str, str]:
    """The URIs that will be delivered, with their server's key; those that nobody answers for are left out."""
    subscribed: dict[str, str] = {}
    for uri in uris:
        found = inquiry.catalog.resource(uri)
        if found is None:
            continue
        server = found.server.key if isinstance(found, Target) else ""
        if server:
            try:
                await inquiry.front.subscriptions.hold(holder, server, uri)
            except (HubError, RpcError):
                continue
        subscribed[uri] = server
    return subscribed


def _finish(stream: EventStream, id: Id, server_info: bytes) -> None:
    """End gracefully: the request gets its result."""
    meta = {SUBSCRIPTION_KEY: id, SERVER_KEY: Raw(server_info)}
    stream.push(event(jsonrpc.result(id, {"resultType": "complete", "_meta": meta})))
    stream.close()
