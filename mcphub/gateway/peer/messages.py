"""What processes say to each other about calls, and how it is written: MessagePack around untouched JSON.

`params`, `result` and `data` are JSON bytes that are never opened here, so they cost a copy and survive unchanged.
Fields may be appended with a default; a reader ignores what it does not know. Above: `peer.link`, `peer.server`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec
from msgspec import Raw

from mcphub.errors import HubError
from mcphub.gateway.calls import Call
from mcphub.gateway.errors import RpcError

logger = logging.getLogger(__name__)


def worker_channel(worker: str) -> str:
    """Where a worker listens."""
    return f"worker:{worker}"


def caller_channel(caller: str) -> str:
    """Where a process that calls listens."""
    return f"caller:{caller}"


class Failure(msgspec.Struct, array_like=True, gc=False):
    """An error on its way: `leaf` is the code of a `HubError`, "" for an `RpcError` with its `code`."""

    leaf: str
    code: int
    message: str
    data: bytes | None = None


class _Message(msgspec.Struct, array_like=True, gc=False):
    """All messages are arrays that begin with the number of their kind."""


# --- to a worker


class Request(_Message, tag=1):
    """A `Call` of the process `caller`."""

    id: str
    caller: str
    server: str
    method: str
    params: dict[str, bytes]
    capabilities: bytes
    modern: bool
    headers: dict[str, str]
    scope: str | None
    may_repeat: bool


class Cancel(_Message, tag=2):
    """Nobody waits for the call any more."""

    id: str


class Answer(_Message, tag=3):
    """The client's answer to the call's question number `ask`: a result or a failure."""

    id: str
    ask: int
    result: bytes | None
    failure: Failure | None = None


class Subscribe(_Message, tag=4):
    """Wanted, or no longer wanted: facts about a resource. Answered like a request."""

    id: str
    caller: str
    server: str
    uri: str
    wanted: bool


class Pulse(_Message, tag=5):
    """The caller lives, still waits for these calls, and wants facts about these resources and no others."""

    caller: str
    calls: list[str]
    resources: list[tuple[str, str]]


# --- to a caller


class Result(_Message, tag=11):
    """The call succeeded."""

    id: str
    body: bytes


class Failed(_Message, tag=12):
    """The call failed."""

    id: str
    failure: Failure


class Note(_Message, tag=13):
    """A notification that belongs to the call."""

    id: str
    method: str
    params: bytes


class Ask(_Message, tag=14):
    """A question of the upstream that belongs to the call."""

    id: str
    ask: int
    method: str
    params: bytes


class Withdraw(_Message, tag=15):
    """The question needs no answer any more."""

    id: str
    ask: int


class Unknown(_Message, tag=16):
    """Of the calls in a pulse, these are not running here."""

    calls: list[str]


ToWorker = Request | Cancel | Answer | Subscribe | Pulse
ToCaller = Result | Failed | Note | Ask | Withdraw | Unknown

encode = msgspec.msgpack.Encoder().encode
to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
to_caller: msgspec.msgpack.Decoder[ToCaller] = msgspec.msgpack.Decoder(ToCaller)


def request_of(call: Call, caller: str) -> Request:
    """A call as a message."""
    return Request(
        call.id,
        caller,
        call.server,
        call.method,
        {name: bytes(value) for name, value in call.params.items()},
        call.capabilities,
        call.modern,
        dict(call.headers),
        call.scope,
        call.may_repeat,
    )


def call_of(request: Request) -> Call:
    """A message as a call."""
    return Call(
        request.id,
        request.server,
        request.method,
        {name: Raw(value) for name, value in request.params.items()},
        request.capabilities,
        request.modern,
        request.headers,
        request.scope,
        request.may_repeat,
    )


def failure_of(error: Exception) -> Failure:
    """An error as a message; what was not raised on purpose is logged here and crosses as an internal error."""
    if isinstance(error, RpcError):
        return Failure("", error.code, error.message, error.data)
    if not isinstance(error, HubError):
        logger.error("A call failed unexpectedly.", exc_info=error)
        error = HubError()
    return Failure(error.code, 0, error.message, None if error.data is None else msgspec.json.encode(error.data))


def error_of(failure: Failure) -> RpcError | HubError:
    """A message as the error it was made of, of the same class."""
    if not failure.leaf:
        return RpcError(failure.code, failure.message, failure.data)
    leaf = next((kind for kind in _descendants(HubError) if kind.code == failure.leaf), HubError)
    # Leaves may have constructors of their own; what an instance carries is always message and data.
    error = leaf.__new__(leaf)
    data = None if failure.data is None else msgspec.json.decode(failure.data)
    HubError.__init__(error, failure.message, data=data)
    return error


def _descendants(kind: type[HubError]) -> Iterable[type[HubError]]:
    yield kind
    for leaf in kind.__subclasses__():
        yield from _descendants(leaf)
