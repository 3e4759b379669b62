"""Sessions of the revisions before 2026-07-28: signed, self-contained ids, and the little that an id cannot carry.

Any process reads any id, a restart loses none, and no table can leak. What changes during a session (its log level,
its resource subscriptions, that it ended) is told to every process on the bus and kept bounded. Above: `streamable`,
`legacy_sse`, `methods`. Below: `seals`, `bus`.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec

from mcphub.bus import Bus, SessionChanged, SessionEnded, Unsubscribe
from mcphub.gateway.errors import UnknownSession
from mcphub.gateway.seals import Signer

#: An id is good for this long, in seconds; the client then gets a 404 and initializes again.
LIFETIME = 30 * 24 * 3600
#: Capabilities above this size are left out of the id: an id travels in a header.
CAPABILITIES_LIMIT = 2048
_VERIFIED = 8192
_ENDED = 100_000
_STATES = 20_000


class Session(msgspec.Struct, frozen=True, array_like=True):
    """What a session id says.

    Attributes:
        key: short random identity, used in facts and questions.
        target: the path segment the session was opened on.
        principal: id of the principal that opened it.
        capabilities: the client's, JSON object bytes.
        issued: epoch seconds.
        home: for HTTP+SSE, the node that holds the stream; else "".
    """

    key: str
    target: str
    principal: str
    revision: str
    capabilities: bytes
    client: str
    issued: int
    home: str = ""


class SessionState:
    """What changes during a session: `log_level` ("" until set) and the subscribed URIs by server key."""

    __slots__ = ("log_level", "subscriptions")

    def __init__(self) -> None:
        self.log_level = ""
        self.subscriptions: dict[str, str] = {}


class Sessions:
    """Issues and reads session ids; knows the ended ones and the state of the live ones."""

    def __init__(self, keys: Sequence[bytes], bus: Bus) -> None:
        self._signer = Signer(keys, "session")
        self._bus = bus
        self._verified: OrderedDict[str, Session] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._states: OrderedDict[str, SessionState] = OrderedDict()
        self._hearing: list[Unsubscribe] = [
            bus.subscribe(SessionEnded, self._hear_end),
            bus.subscribe(SessionChanged, self._hear_change),
        ]

    def __len__(self) -> int:
        """How many sessions were used here lately (a bounded number of them is remembered)."""
        return len(self._verified)

    def close(self) -> None:
        """Hear no more."""
        for unsubscribe in self._hearing:
            unsubscribe()
        self._hearing.clear()

    def open(
        self, target: str, principal: str, revision: str, *, capabilities: bytes, client: str = "", home: str = ""
    ) -> tuple[str, Session]:
        """A new session and its id."""
        session = Session(
            key=secrets.token_urlsafe(16),
            target=target,
            principal=principal,
            revision=revision,
            capabilities=capabilities if len(capabilities) <= CAPABILITIES_LIMIT else b"{}",
            client=client[:64],
            issued=int(time.time()),
            home=home,
        )
        token = self._signer.sign(msgspec.msgpack.encode(session))
        self._remember(token, session)
        return token, session

    def read(self, token: str, principal: str, target: str | None) -> Session:
        """The session with this id.

        `target` None accepts any, for doors that name none.

        Raises:
            UnknownSession: never issued, ended, too old, of another principal, or of another target.
        """
        session = self._verified.get(token)
        if session is None:
            content = self._signer.verify(token)
            try:
                session = msgspec.msgpack.decode(content or b"", type=Session)
            except msgspec.DecodeError:
                raise UnknownSession() from None
            self._remember(token, session)
        if (
            session.principal != principal
            or (target is not None and session.target != target)
            or session.key in self._ended
            or session.issued + LIFETIME < time.time()
        ):
            raise UnknownSession()
        return session

    def _remember(self, token: str, session: Session) -> None:
        self._verified[token] = session
        if len(self._verified) > _VERIFIED:
            self._verified.popitem(last=False)

    def end(self, session: Session) -> None:
        """Refuse this session from now on, in every process."""
        self._forget(session.key)
        self._bus.publish(SessionEnded(session.key))

    def state(self, session: Session) -> SessionState:
        """What is known of a session now; read only, `tell` changes it."""
        return self._states.get(session.key) or SessionState()

    def tell(self, session: Session, change: dict[str, Any]) -> None:
        """Change a session's state here and in every process: `level`, `subscribe` with `server`, `unsubscribe`."""
        self._apply(session.key, change)
        self._bus.publish(SessionChanged(session.key, change))

    def _hear_end(self, fact: SessionEnded) -> None:
        self._forget(fact.session)

    def _hear_change(self, fact: SessionChanged) -> None:
        self._apply(fact.session, fact.change)

    def _forget(self, key: str) -> None:
        self._states.pop(key, None)
        self._ended[key] = None
        if len(self._ended) > _ENDED:
            self._ended.popitem(last=False)

    def _apply(self, key: str, change: dict[str, Any]) -> None:
        if key in self._ended:
            return
        state = self._states.setdefault(key, SessionState())
        self._states.move_to_end(key)
        if "level" in change:
            state.log_level = str(change["level"])
        if "subscribe" in change:
            state.subscriptions[str(change["subscribe"])] = str(change.get("server", ""))
        if "unsubscribe" in change:
            state.subscriptions.pop(str(change["unsubscribe"]), None)
        if len(self._states) > _STATES:
            self._states.popitem(last=False)
