"""Link: carries a call to wherever the upstream lives. `LocalLink` is this process; `peer.RedisLink` another one.

Above: `methods`. Below: `upstreams.supervisor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Raw

from mcphub.gateway.calls import Call, Exchange

if TYPE_CHECKING:
    from mcphub.gateway.upstreams.supervisor import Supervisor


class Link(Protocol):
    """The way to the upstreams."""

    async def call(self, call: Call, exchange: Exchange) -> Raw:
        """Send one request and return the result object as received.

        Cancelling the awaiting task cancels the request at the upstream.

        Raises:
            RpcError: the upstream answered with an error; passes through unchanged.
            HubError: the hub could not get an answer (see `gateway.errors`).
        """

    async def subscribe(self, server: str, uri: str, wanted: bool) -> None:
        """Ask the server with this key for `ResourceUpdated` facts on a resource, or end that.

        Counted by the side that holds the upstream: each process asks once for all its clients, and an upstream that
        reconnects is subscribed again for as long as anyone wants it. Raises as `call`.
        """


class LocalLink:
    """A call to an upstream of this process."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def call(self, call: Call, exchange: Exchange) -> Raw:
        return await self._supervisor.call(call, exchange)

    async def subscribe(self, server: str, uri: str, wanted: bool) -> None:
        await self._supervisor.subscribe(server, uri, wanted)
