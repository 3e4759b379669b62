"""Admission: who may come in at all: Host and Origin, credentials, and how often.

Credentials are looked up once a minute and forgotten at once when the bus says so. Above: `app`. Below: `ports`.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from mcphub.bus import Bus, FactsMissed, KeyRevoked, Unsubscribe
from mcphub.errors import HubError, TooManyRequests
from mcphub.gateway.errors import CredentialUnchecked
from mcphub.gateway.http import Headers
from mcphub.gateway.ports import Authenticator
from mcphub.gateway.principal import Principal

logger = logging.getLogger(__name__)

#: A lost revocation is forgotten after this long, in seconds.
LIFETIME = 60.0
#: While credentials cannot be looked up, who was known stays known and is looked up again after this long, in seconds.
GRACE = 10.0
#: Who was known waits so long for being looked up again, in seconds.
_PATIENCE = 1.0
_KNOWN = 20_000
_UNKNOWN = 10_000
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "[::1]"))
_MOST_SEEN = 4096
_WINDOW = 60.0


class Neighbours:
    """Which Host and Origin values this hub serves.

    A page whose name was re-bound to this machine sends its own name as Host, so names must be known: loopback, the
    public address, and what the operator lists (`*` admits all). Addresses cannot be re-bound and are admitted.
    """

    def __init__(self, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self._public = ""
        self._seen: dict[tuple[bytes | None, bytes | None], bool] = {}

    def set_public(self, url: str) -> None:
        """Take over the public address from the settings."""
        host = (urlsplit(url).hostname or "").lower()
        if host != self._public:
            self._public = host
            self._seen.clear()

    def admits(self, headers: Headers) -> bool:
        """Whether a request with these headers may have come from where it says."""
        key = (headers.get(b"host"), headers.get(b"origin"))
        found = self._seen.get(key)
        if found is None:
            found = self._judge(*key)
            if len(self._seen) < _MOST_SEEN:
                self._seen[key] = found
        return found

    def knows(self, host: bytes) -> bool:
        """Whether a host (with or without a port) is one of ours."""
        name = _hostname(host.decode("latin-1").lower())
        return (
            name in _LOOPBACK
            or "*" in self._hosts
            or name in self._hosts
            or (bool(self._public) and name == self._public)
            or _is_address(name)
        )

    def _judge(self, host: bytes | None, origin: bytes | None) -> bool:
        if host is not None and not self.knows(host):
            return False
        if origin is None:
            return True
        text = origin.decode("latin-1").lower().rstrip("/")
        if "*" in self._origins or text in self._origins:
            return True
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https"):
            return False
        if host is not None and parts.netloc == host.decode("latin-1").lower():
            return True
        name = _hostname(parts.netloc)
        return name in _LOOPBACK or (bool(self._public) and name == self._public)


def _hostname(netloc: str) -> str:
    if netloc.startswith("["):
        return netloc.partition("]")[0] + "]"
    return netloc.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


class Limiter(Protocol):
    """How often somebody may ask. `who` is a principal id or an address."""

    def take(self, who: str, per_minute: int) -> None:
        """Count one request. Raises `TooManyRequests` when it is one too many."""


class WindowLimiter:
    """Counts per minute in memory; the window of everybody starts with their first request."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[str, list[float]] = {}

    def take(self, who: str, per_minute: int) -> None:
        if per_minute <= 0:
            return
        now = self._clock()
        window = self._windows.get(who)
        if window is None or now >= window[0] + _WINDOW:
            if len(self._windows) >= _KNOWN:
                self._forget(now)
            self._windows[who] = [now, 1.0]
            return
        window[1] += 1
        if window[1] > per_minute:
            raise TooManyRequests(retry_after=max(0.001, window[0] + _WINDOW - now))

    def _forget(self, now: float) -> None:
        self._windows = {who: window for who, window in self._windows.items() if now < window[0] + _WINDOW}
        if len(self._windows) >= _KNOWN:
            self._windows.clear()


def limit_headers(refusal: TooManyRequests, per_minute: int) -> list[tuple[bytes, bytes]]:
    """What a refused caller is told."""
    seconds = b"%d" % math.ceil(refusal.retry_after)
    return [
        (b"retry-after", seconds),
        (b"ratelimit-limit", b"%d" % per_minute),
        (b"ratelimit-remaining", b"0"),
        (b"ratelimit-reset", seconds),
    ]


@dataclass(slots=True, eq=False)
class Caller:
    """A principal and what was worked out for it; forgotten together with its credential."""

    principal: Principal
    expires: float
    doors: dict[Any, Any]


class Callers:
    """Credentials to callers, cached by their SHA-256: tokens themselves are not kept."""

    def __init__(self, authenticator: Authenticator, clock: Callable[[], float] = time.monotonic) -> None:
        self._authenticator = authenticator
        self._clock = clock
        self._known: OrderedDict[bytes, Caller] = OrderedDict()
        self._unknown: OrderedDict[bytes, float] = OrderedDict()
        self._asking: dict[bytes, asyncio.Future[Caller | None]] = {}
        self._generation = 0
        #: credentials that came since the start, and how many of them had to be asked for
        self.seen = self.asked = 0

    def listen(self, bus: Bus) -> Unsubscribe:
        """Begin to hear of revocations; where some may have been missed, everything is asked for again."""
        ends = (
            bus.subscribe(KeyRevoked, self._revoked),
            bus.subscribe(FactsMissed, lambda fact: self._revoked(KeyRevoked(""))),
        )

        def unsubscribe() -> None:
            for end in ends:
                end()

        return unsubscribe

    def _revoked(self, fact: KeyRevoked) -> None:
        self._generation += 1
        self._unknown.clear()
        self._known = OrderedDict(
            (digest, caller)
            for digest, caller in self._known.items()
            if not caller.principal.is_meant_by(fact.principal)
        )

    def remembered(self, token: bytes, *, user: bool = False) -> Caller | None:
        """The caller, where it need not be asked for."""
        self.seen += 1
        caller = self._known.get(_digest(token, user))
        return caller if caller is not None and caller.expires > self._clock() else None

    def is_unknown(self, token: bytes, *, user: bool = False) -> bool:
        """Whether the credential was refused a moment ago."""
        return self._unknown.get(_digest(token, user), 0.0) > self._clock()

    async def ask(self, token: bytes, *, user: bool = False) -> Caller | None:
        """The caller with this credential, or None. Many at once with the same one ask once."""
        self.asked += 1
        digest = _digest(token, user)
        waiting = self._asking.get(digest)
        if waiting is not None:
            return await asyncio.shield(waiting)
        future: asyncio.Future[Caller | None] = asyncio.get_running_loop().create_future()
        self._asking[digest] = future
        try:
            caller = await self._ask(token, digest, user)
            future.set_result(caller)
            return caller
        except BaseException as failure:
            future.set_exception(failure if isinstance(failure, Exception) else ConnectionError("cancelled"))
            future.exception()  # whoever waits has its own copy; nobody waiting is no fault
            raise
        finally:
            del self._asking[digest]

    async def _ask(self, token: bytes, digest: bytes, user: bool) -> Caller | None:
        """Look up; where that fails, who was known stays known: what cannot be read cannot be revoked either."""
        known = self._known.get(digest)
        try:
            async with asyncio.timeout(None if known is None else _PATIENCE):
                return await self._look_up(token, digest, user)
        except HubError:
            raise
        except Exception as failure:
            logger.warning("A credential could not be looked up: %s", failure or "no answer in time")
            if known is None or self._known.get(digest) is not known:  # never known, or revoked meanwhile
                raise CredentialUnchecked() from failure
            known.expires = self._clock() + GRACE
            return known

    async def _look_up(self, token: bytes, digest: bytes, user: bool) -> Caller | None:
        while True:
            generation = self._generation
            text = token.decode("latin-1")
            ask = self._authenticator.authenticate_user if user else self._authenticator.authenticate
            principal = await ask(text)
            if generation == self._generation:
                break  # else: something was revoked meanwhile, and the answer may be older than that
        expires = self._clock() + LIFETIME
        if principal is None:
            self._unknown[digest] = expires
            if len(self._unknown) > _UNKNOWN:
                self._unknown.popitem(last=False)
            return None
        caller = Caller(principal, expires, {})
        self._known[digest] = caller
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return caller


def _digest(token: bytes, user: bool) -> bytes:
    return hashlib.sha256(b"user\0" + token if user else token).digest()
