"""Wire: publish and listen on Redis channels over one connection that comes back by itself.

The carriage of the hot path: calls between processes (`gateway.peer`) and facts (`bus`). It speaks RESP3, so one
connection carries both directions, and writes once per turn of the event loop whatever was published in it; measured
against redis-py's asyncio client it saves half to nine tenths of the CPU time (docs/decisions/0021). What is not hot
uses redis-py. Above: `bus`, `gateway.peer`. Below: `errors`.

What is promised: messages of one wire arrive in order; while Redis is away they wait in an outbox of bounded size, the
oldest are dropped first and counted; a message that was sent but not confirmed when the connection broke is sent again
(`again=True`), so listeners must bear hearing it twice; nothing here ever raises into a publisher.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import secrets
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import hiredis
import redis
from redis.asyncio.connection import RedisSSLContext, parse_url

logger = logging.getLogger(__name__)

Hear = Callable[[bytes], None]
#: Told how often a message was received: 0 when nobody listens, None when it was dropped or its fate is unknown.
Delivered = Callable[[int | None], None]

#: What may wait while Redis is away or slow: messages, and bytes.
MOST_WAITING = 10_000
MOST_WAITING_BYTES = 64 * 1024 * 1024
#: Longer messages travel as a key that the listener fetches: Redis disconnects subscribers that lag 32 MB behind.
INLINE = 128 * 1024
#: Seconds a long message waits to be fetched.
PARCEL_LIFETIME = 60
#: Seconds between two signs of life, and without an answer after which the connection counts as dead.
PULSE = 1.0
SILENCE = 5.0
#: Seconds between attempts to reconnect: from the first to the last, each twice the one before, with jitter.
FIRST_PAUSE = 0.05
LAST_PAUSE = 1.0

_INLINE_MARK = b"\x00"
_PARCEL_MARK = b"\x01"
_PUBLISH = b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b%b\r\n"


@dataclass(slots=True)
class _Command:
    """One command on its way: encoded, with what to do about its reply."""

    encoded: bytes
    done: Callable[[Any], None] | None = None
    again: bool = False


@dataclass(slots=True)
class _Arrival:
    """A message in the order of arrival; `content` is None while it is still being fetched."""

    channel: bytes
    content: bytes | None = None


def _encode(*words: bytes) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts += (b"$%d\r\n" % len(word), word, b"\r\n")
    return b"".join(parts)


def _published(delivered: Delivered, reply: Any) -> None:
    if isinstance(reply, hiredis.ReplyError):
        logger.warning("Redis refused a message: %s", reply)
    delivered(reply if isinstance(reply, int) else None)


def _scope(url: str, prefix: str) -> bytes:
    """What channels and keys begin with. Redis shares channels between its numbered databases; hubs must not."""
    number = int(parse_url(url).get("db") or 0)
    return f"{prefix}@{number}".encode() if number else prefix.encode()


def publish_once(url: str, prefix: str, channel: str, message: bytes) -> None:
    """Publish from a process that has no wire: blocks, for a second at most. Raises `redis.RedisError`."""
    with redis.Redis.from_url(url, socket_timeout=1.0, socket_connect_timeout=1.0) as client:
        client.publish(b"%s:%s" % (_scope(url, prefix), channel.encode()), _INLINE_MARK + message)


class Wire:
    """See the module. All methods belong to the event loop that `start` ran on.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py reads it.
        name: shown by `CLIENT LIST`.
        prefix: put before every channel and key, so that several hubs can share one Redis.
    """

    def __init__(self, url: str, name: str, prefix: str = "mcphub") -> None:
        self._options: dict[str, Any] = dict(parse_url(url))
        self._name = name
        self._prefix = _scope(url, prefix)
        self._hearers: dict[bytes, Hear] = {}
        self._waiting: deque[_Command] = deque()
        self._waiting_bytes = 0
        self._connection: _Connection | None = None
        self._running: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._pause = FIRST_PAUSE
        self._parcels = itertools.count()
        self._origin = secrets.token_hex(8).encode()
        #: Called when the connection is up (again), and when it was lost.
        self.on_up: list[Callable[[], None]] = []
        self.on_down: list[Callable[[], None]] = []
        #: Messages dropped because too many waited.
        self.dropped = 0

    @property
    def connected(self) -> bool:
        """Whether messages flow now."""
        return self._up.is_set()

    async def start(self) -> None:
        """Begin to connect, and go on for ever; returns at once, also when Redis is away."""
        if self._running is None:
            loop = asyncio.get_running_loop()
            # The carriages are below `gateway.tasks`; this one task is held here and its end is awaited in `stop`.
            self._running = loop.create_task(self._stay_connected(), name=f"wire:{self._name}")

    async def stop(self) -> None:
        """Send what was published (for a moment), then disconnect."""
        if self._running is None:
            return
        if self._connection is not None:
            await self._connection.drain(1.0)
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        self._running = None

    async def wait_connected(self, seconds: float) -> bool:
        """Wait for the connection, at most so long; whether it is there."""
        try:
            async with asyncio.timeout(seconds):
                await self._up.wait()
        except TimeoutError:
            return False
        return True

    def listen(self, channel: str, hear: Hear) -> None:
        """Call `hear` with each message on the channel; one listener a channel."""
        full = self._full(channel)
        self._hearers[full] = hear
        if self._connection is not None:
            self._connection.subscribe(full)

    def publish(
        self,
        channel: str,
        message: bytes,
        delivered: Delivered | None = None,
        *,
        again: bool = False,
        shared: bool = False,
    ) -> None:
        """Send a message to whoever listens on the channel.

        Args:
            delivered: told once what became of it.
            again: send it a second time where a broken connection leaves open whether it arrived.
            shared: many listen, so it must not travel as a parcel, which only one can fetch.
        """
        full = self._full(channel)
        done = None if delivered is None else partial(_published, delivered)
        if shared or len(message) <= INLINE:
            self._send(_Command(_PUBLISH % (len(full), full, len(message) + 1, _INLINE_MARK, message), done, again))
            return
        parcel = b"%s:parcel:%s:%d" % (self._prefix, self._origin, next(self._parcels))
        self._send(_Command(_encode(b"SET", parcel, message, b"EX", b"%d" % PARCEL_LIFETIME), None, again))
        self._send(_Command(_PUBLISH % (len(full), full, len(parcel) + 1, _PARCEL_MARK, parcel), done, again))

    def _full(self, channel: str) -> bytes:
        return b"%s:%s" % (self._prefix, channel.encode())

    def _send(self, command: _Command) -> None:
        if self._connection is not None and self._connection.writable and self._up.is_set():
            self._connection.send(command)
            return
        self._waiting.append(command)
        self._waiting_bytes += len(command.encoded)
        while len(self._waiting) > MOST_WAITING or self._waiting_bytes > MOST_WAITING_BYTES:
            dropped = self._waiting.popleft()
            self._waiting_bytes -= len(dropped.encoded)
            self.dropped += 1
            if dropped.done is not None:
                dropped.done(None)

    def flush_waiting(self) -> None:
        """Hand what waited to the connection; called by it when it can take more."""
        connection = self._connection
        while self._waiting and connection is not None and connection.writable:
            command = self._waiting.popleft()
            self._waiting_bytes -= len(command.encoded)
            connection.send(command)

    async def _stay_connected(self) -> None:
        while True:
            try:
                await self._one_connection()
            except (OSError, hiredis.HiredisError) as failure:
                if self._pause == FIRST_PAUSE:
                    logger.warning("Redis is not reachable (%s); trying again.", failure or type(failure).__name__)
            except Exception:
                logger.exception("The connection to Redis failed; trying again.")
            await asyncio.sleep(self._pause * random.uniform(0.75, 1.25))  # noqa: S311 (spreads load, hides nothing)
            self._pause = min(self._pause * 2, LAST_PAUSE)

    async def _one_connection(self) -> None:
        """Connect, subscribe, and serve until the connection ends, which is told by raising why."""
        connection = self._connection = await self._connect()
        try:
            async with asyncio.timeout(SILENCE):
                await self._greet(connection)
            self._up.set()
            self._pause = FIRST_PAUSE
            self.flush_waiting()
            for hear in tuple(self.on_up):
                hear()
            await self._watch(connection)
        finally:
            was_up = self._up.is_set()
            self._connection = None
            self._up.clear()
            self._give_back(connection.abandon())
            if was_up:
                for hear in tuple(self.on_down):
                    hear()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        options = self._options
        async with asyncio.timeout(SILENCE):
            if path := options.get("path"):
                return (await loop.create_unix_connection(lambda: _Connection(self), path))[1]
            host, port = options.get("host", "localhost"), int(options.get("port", 6379))
            return (await loop.create_connection(lambda: _Connection(self), host, port, ssl=self._tls()))[1]

    def _tls(self) -> ssl.SSLContext | None:
        if not getattr(self._options.get("connection_class"), "__name__", "").startswith("SSL"):
            return None
        given = {key.removeprefix("ssl_"): value for key, value in self._options.items() if key.startswith("ssl_")}
        return RedisSSLContext(**{"cert_reqs": "required", "check_hostname": True, **given}).get()

    async def _greet(self, connection: _Connection) -> None:
        hello = [b"HELLO", b"3"]
        if password := self._options.get("password"):
            hello += [b"AUTH", str(self._options.get("username") or "default").encode(), str(password).encode()]
        await connection.ask(*hello, b"SETNAME", self._name.encode())
        if number := self._options.get("db"):
            await connection.ask(b"SELECT", b"%d" % number)
        if self._hearers:
            connection.subscribe(*self._hearers)
            # SUBSCRIBE is answered by pushes only; a reply to what follows it proves that it was done.
            await connection.ask(b"PING")

    async def _watch(self, connection: _Connection) -> None:
        while not connection.ended.done():
            await asyncio.wait((connection.ended,), timeout=PULSE)
            if connection.silent_for() > SILENCE:
                raise TimeoutError("no answer")
            if connection.is_idle:
                connection.send(_Command(_encode(b"PING")))
        raise connection.ended.result()

    def _give_back(self, unanswered: list[_Command]) -> None:
        # Oldest first again: what may be sent twice goes back to the head of the outbox, in its order.
        kept = [command for command in unanswered if command.again]
        self._waiting.extendleft(reversed(kept))
        self._waiting_bytes += sum(len(command.encoded) for command in kept)
        for command in unanswered:
            if not command.again and command.done is not None:
                command.done(None)

    def heard(self, channel: bytes, message: bytes) -> None:
        """One message for its listener, whose failure is its own."""
        hear = self._hearers.get(channel)
        if hear is None:
            return
        try:
            hear(message)
        except Exception:
            logger.exception("A listener of %s failed.", channel.decode(errors="replace"))


class _Connection(asyncio.Protocol):
    """One TCP connection: encoded commands out, replies matched in order, pushes to the wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._unanswered: deque[_Command] = deque()
        self._arriving: deque[_Arrival] = deque()
        self._heard_at = time.monotonic()
        self._unsent = 0
        self.ended: asyncio.Future[Exception] = self._loop.create_future()
        self.writable = True

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=8 * 1024 * 1024)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(exc or ConnectionResetError("Redis closed the connection"))

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        self._wire.flush_waiting()

    def data_received(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                if isinstance(reply, hiredis.PushNotification):
                    self._pushed(reply)
                else:
                    self._answered(reply)
        except hiredis.ProtocolError as broken:
            self._end(broken)

    # --- sending

    def send(self, command: _Command) -> None:
        """Write a command at the end of this turn of the loop, together with all others of it."""
        if not self._unanswered:
            # The clock of `silent_for` starts with the first command that is owed an answer.
            self._heard_at = time.monotonic()
        self._unanswered.append(command)
        self._write(command.encoded)

    def subscribe(self, *channels: bytes) -> None:
        """Listen on channels too. Redis confirms with pushes, so no reply is owed."""
        self._write(_encode(b"SUBSCRIBE", *channels))

    def _write(self, encoded: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(encoded)

    def _flush(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out) if len(self._out) > 1 else self._out[0])
        self._out.clear()

    async def ask(self, *words: bytes) -> Any:
        """Send a command and await its reply. Raises `hiredis.ReplyError` for a refusal."""
        answer = self._question(_encode(*words))
        await asyncio.wait((answer, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise self.ended.result()
        if isinstance(answer.result(), hiredis.ReplyError):
            raise answer.result()
        return answer.result()

    def _question(self, encoded: bytes) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = self._loop.create_future()

        def answered(reply: Any) -> None:
            if not answer.done():
                answer.set_result(reply)

        self.send(_Command(encoded, answered))
        return answer

    async def drain(self, seconds: float) -> None:
        """Wait until everything sent was answered, at most so long."""
        answer = self._question(_encode(b"PING"))
        await asyncio.wait((answer, self.ended), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def abandon(self) -> list[_Command]:
        """Close for good; returns what was never answered, in order."""
        if self._transport is not None:
            self._transport.abort()
        unanswered = list(self._unanswered)
        self._unanswered.clear()
        return unanswered

    # --- hearing

    @property
    def is_idle(self) -> bool:
        """Whether Redis owes no answer."""
        return not self._unanswered

    def silent_for(self) -> float:
        """Seconds since Redis last took or said anything while it owed an answer; 0 when it owes none."""
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if self.is_idle or unsent != self._unsent:
            # A long message on a slow line: as long as bytes leave, Redis is alive.
            self._unsent = unsent
            self._heard_at = time.monotonic()
        return time.monotonic() - self._heard_at

    def _end(self, failure: Exception) -> None:
        if not self.ended.done():
            self.ended.set_result(failure)
        if self._transport is not None:
            self._transport.abort()

    def _answered(self, reply: Any) -> None:
        if not self._unanswered:
            self._end(hiredis.ProtocolError(f"an unexpected reply: {reply!r:.200}"))
            return
        command = self._unanswered.popleft()
        if command.done is not None:
            command.done(reply)
        elif isinstance(reply, hiredis.ReplyError):
            logger.warning("Redis refused a command: %s", reply)

    def _pushed(self, push: list[Any]) -> None:
        if push[0] != b"message":
            return
        channel, message = push[1], push[2]
        if message[:1] == _INLINE_MARK:
            if not self._arriving:
                self._wire.heard(channel, message[1:])
            else:
                self._arriving.append(_Arrival(channel, message[1:]))
            return
        arrival = _Arrival(channel)
        self._arriving.append(arrival)
        self.send(_Command(_encode(b"GETDEL", message[1:]), partial(self._fetched, arrival)))

    def _fetched(self, arrival: _Arrival, reply: Any) -> None:
        """A long message is here: deliver it and what waited behind it, in the order of arrival."""
        arrival.content = reply if isinstance(reply, bytes) else b""
        while self._arriving and (content := self._arriving[0].content) is not None:
            channel = self._arriving.popleft().channel
            # Empty: it expired, or was announced twice and is fetched already. Its sender repairs that, not the wire.
            if content:
                self._wire.heard(channel, content)
