"""Calls between processes: `RedisLink` where clients are answered, `PeerServer` where the upstreams are held.

A call is one message on the worker's channel and one back on the caller's; progress, log messages, questions of the
upstream and cancellation use the same pair of channels, tagged with the call's id. Both sides compare notes every two
seconds, so whatever message is lost, no call waits for ever and none runs for nobody. Above: `gateway.methods`, `hub`.
Below: `links`, `wire`, `directory`.
"""

from mcphub.gateway.peer.link import RedisLink
from mcphub.gateway.peer.server import PeerServer

__all__ = ["PeerServer", "RedisLink"]
