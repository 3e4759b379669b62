"""Questions: requests of upstreams that wait for a session-based client's answer, and the client's side of a call.

A question goes out on the stream of the call it belongs to; its answer comes as a POST of its own, perhaps to another
process, so question ids carry the node that waits. Above: the endpoints. Below: `calls`, `envelope`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from msgspec import UNSET, Raw

from mcphub.errors import RPC_METHOD_NOT_FOUND, RPC_TIMED_OUT
from mcphub.gateway import jsonrpc
from mcphub.gateway.envelope import LEVELS, declares
from mcphub.gateway.errors import RpcError
from mcphub.gateway.session import Session

#: People answer elicitations; after this long, in seconds, nobody will.
PATIENCE = 600.0
#: What a client must have declared to be asked.
_NEEDED = {"sampling/createMessage": "sampling", "elicitation/create": "elicitation", "roots/list": "roots"}


class Questions:
    """The open questions of this process, by id."""

    def __init__(self, node: str) -> None:
        self._prefix = f"{node}.q"
        self._numbers = itertools.count()
        self._open: dict[str, tuple[str, asyncio.Future[Raw]]] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def ask(self, session: Session, method: str, params: Raw, push: Callable[[bytes], None]) -> Raw:
        """Put a question to a client and wait for its answer.

        Raises:
            RpcError: the client's own refusal, or that it did not answer in time.
        """
        id = f"{self._prefix}{next(self._numbers)}"
        future: asyncio.Future[Raw] = asyncio.get_running_loop().create_future()
        self._open[id] = (session.key, future)
        push(jsonrpc.request(id, method, params))
        try:
            async with asyncio.timeout(PATIENCE):
                return await future
        except TimeoutError:
            raise RpcError(RPC_TIMED_OUT, "The client did not answer in time.") from None
        finally:
            del self._open[id]

    def mine(self, message: jsonrpc.Message) -> bool:
        """Whether this process asked the question that a response answers."""
        return isinstance(message.id, str) and message.id.startswith(self._prefix)

    def answered(self, session_key: str, message: jsonrpc.Message) -> None:
        """Take a client's response. Late, unknown and foreign ones are ignored."""
        asked = self._open.get(str(message.id))
        if asked is None or asked[0] != session_key or asked[1].done():
            return
        if message.error is not UNSET:
            asked[1].set_exception(jsonrpc.error_of(message.error))
        else:
            asked[1].set_result(message.result)  # type: ignore[arg-type]


class ClientSide:
    """The `Exchange` of an MCP client: `push` carries one encoded message to its stream.

    Attributes:
        progress_token: the client's own, JSON; None where it did not ask for progress.
        floor: rank of the lowest log level it wants; None for no log messages.
        session: who can be asked; None for stateless clients, which never are.
    """

    __slots__ = ("_push", "_questions", "floor", "progress_token", "session")

    def __init__(
        self,
        push: Callable[[bytes], None],
        questions: Questions,
        session: Session | None,
        progress_token: object,
        floor: int | None,
    ) -> None:
        self._push = push
        self._questions = questions
        self.session = session
        self.progress_token = progress_token
        self.floor = floor

    def notify(self, method: str, params: Raw) -> None:
        """Pass on what the client asked to hear; anything else is dropped."""
        if method == "notifications/progress":
            if self.progress_token is None:
                return
            members = jsonrpc.members(params)
            members["progressToken"] = Raw(jsonrpc.dumps(self.progress_token))
            self._push(jsonrpc.notification(method, members))
        elif method == "notifications/message":
            level = jsonrpc.text(jsonrpc.members(params).get("level"))
            if self.floor is not None and LEVELS.get(level or "", 0) >= self.floor:
                self._push(jsonrpc.notification(method, params))
        elif self.session is not None:
            self._push(jsonrpc.notification(method, params))

    async def ask(self, method: str, params: Raw) -> Raw:
        """Put an upstream's question to the client, where it declared that it answers such questions."""
        needed = _NEEDED.get(method)
        if self.session is None or needed is None or not declares(self.session.capabilities, needed):
            raise RpcError(RPC_METHOD_NOT_FOUND, f"The client does not support {method}.")
        return await self._questions.ask(self.session, method, params, self._push)
