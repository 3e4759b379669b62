"""StdioUpstream: an MCP server that is a child process, one JSON message a line on its stdin and stdout.

Above: `supervisor`. Below: `children` (its life), `pipes` (its lines), `stderr` (its words), `duplex` (its requests).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Raw

from mcphub.gateway.calls import Call, Exchange
from mcphub.gateway.errors import ConnectionLost, RpcError
from mcphub.gateway.inventory import Inventory
from mcphub.gateway.snapshot import ServerSpec, StdioSpec
from mcphub.gateway.tasks import Tasks
from mcphub.gateway.upstreams import command, inbound
from mcphub.gateway.upstreams.base import Listener
from mcphub.gateway.upstreams.children import Child, Children
from mcphub.gateway.upstreams.duplex import Duplex
from mcphub.gateway.upstreams.handshake import Greeting, Memory, greet, take_inventory
from mcphub.gateway.upstreams.listening import Listening
from mcphub.gateway.upstreams.pipes import LineReader, PipeWriter
from mcphub.gateway.upstreams.stderr import StderrLog

#: Seconds between the end of stdout and the exit status that explains it (or the other way round).
_EXPLANATION = 0.3
#: Seconds for which a child that floods stdout with noise is not listened to, after each pipeful.
_NOISE_PAUSE = 0.01
#: Seconds after which a child that must be gone (SIGKILL at 2.5) is no longer waited for.
_FAREWELL = 6.0


class StdioUpstream:
    """One child process; see `base.Upstream`."""

    def __init__(self, spec: ServerSpec, listener: Listener, memory: Memory, children: Children) -> None:
        assert isinstance(spec.spec, StdioSpec)
        self._spec = spec
        self._command = spec.spec
        self._listener = listener
        self._memory = memory
        self._children = children
        self._tasks = Tasks(f"stdio {spec.name}")
        self._duplex = Duplex(self._write, listener, spec.options, self._tasks)
        self._child: Child | None = None
        self._reader: LineReader | None = None
        self._writer: PipeWriter | None = None
        self._stderr: StderrLog | None = None
        self._conf: Path | None = None
        self._greeting: Greeting | None = None
        self._listening: Listening | None = None
        self._ending: asyncio.TimerHandle | None = None
        self.closed: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

    def adopt(self, spec: ServerSpec) -> None:
        """Take over a changed spec whose connection is the same: new limits count from the next request on."""
        self._spec = spec
        self._duplex.options = spec.options

    async def open(self) -> Inventory:
        env = command.environment(self._command)
        self._child = await self._children.spawn(self._argv(env), env, self._command.cwd)
        self._writer = PipeWriter(self._child.stdin, lambda _: self._expect_end())
        self._reader = LineReader(
            self._child.stdout,
            self._spec.options.max_buffer_size,
            self._duplex.receive,
            self._oversized,
            self._expect_end,
        )
        self._duplex.on_noise = partial(self._reader.rest, _NOISE_PAUSE)
        self._stderr = StderrLog(self._child.stderr, lambda line: self._listener.log("info", line, "child"))
        self._child.exited.add_done_callback(lambda _: self._expect_end())
        self._greeting = await greet(self._duplex, self._memory)
        inventory = await self.refresh()
        if self._greeting.modern:
            self._listening = Listening(self._listen, self._greeting, self._listener, self._tasks)
            self._listening.start()
        return inventory

    def _argv(self, env: dict[str, str]) -> list[str]:
        plain = [self._command.command, *self._command.args]
        proxy = self._command.proxy
        if proxy is None:
            return plain
        program = command.proxychains(self._command, env)
        if program is None:
            self._listener.log("warning", "proxychains4 is not installed; the server runs without its proxy.")
            return plain
        argv, self._conf = command.wrapped(self._command, proxy, program)
        return argv

    async def refresh(self) -> Inventory:
        assert self._greeting is not None
        return await take_inventory(self._duplex, self._greeting, lambda line: self._listener.log("warning", line))

    def request(self, call: Call, exchange: Exchange) -> Coroutine[Any, Any, Raw]:
        # Not a coroutine of its own: one frame less to resume on the hot path.
        return self._duplex.request(call, exchange)

    async def ping(self) -> None:
        with contextlib.suppress(RpcError):  # an error is an answer
            await self._duplex.ask("server/discover" if self._duplex.modern else "ping")

    async def subscribe(self, uri: str, wanted: bool) -> None:
        if self._listening is not None:
            self._listening.want(uri, wanted)
        else:
            await self._duplex.ask("resources/subscribe" if wanted else "resources/unsubscribe", {"uri": uri})

    async def _listen(self, params: dict[str, object]) -> Raw:
        return await self._duplex.ask("subscriptions/listen", params)

    def _write(self, message: bytes, own: int, call: Call | None) -> None:
        if self._writer is not None:
            self._writer.write(message + b"\n")

    def _oversized(self, head: bytes, tail: bytes) -> None:
        limit = self._spec.options.max_buffer_size
        sentence = f"a line is longer than the limit of {limit} bytes (options.maxBufferSize)."
        self._listener.log("error", f"Dropped output of the server: {sentence}")
        if (own := inbound.answered_id(head, tail)) is not None:
            self._duplex.reject(own, inbound.useless_answer(sentence))

    # --- the end

    def _expect_end(self) -> None:
        """stdout ended, stdin broke, or the process exited: soon the other will follow and tell why."""
        if self.closed.done():
            return
        assert self._child is not None
        if self._child.exited.done() and self._ending is not None:
            self._ending.cancel()
            self._end()
        elif self._ending is None:
            self._ending = asyncio.get_running_loop().call_later(_EXPLANATION, self._end)

    def _end(self) -> None:
        if not self.closed.done():
            failure = ConnectionLost(self._explanation())
            self._duplex.fail(failure)
            self.closed.set_result(failure)

    def _explanation(self) -> str:
        assert self._child is not None
        if not self._child.exited.done():
            return "The server closed its output."
        status = self._child.exited.result()
        if status < 0:
            sentence = f"The server was ended by {signal.Signals(-status).name}."
        else:
            sentence = f"The server exited with status {status}."
        words = self._stderr.last_words if self._stderr is not None else ""
        return f"{sentence} It last said: {words}" if words else sentence

    async def aclose(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._duplex.fail(ConnectionLost("The connection was closed."))
        if not self.closed.done():
            self.closed.set_result(None)
        await self._tasks.aclose()
        if self._writer is not None:
            self._writer.close()
        if self._child is not None:
            self._children.stop(self._child)
            await asyncio.wait([self._child.exited], timeout=_FAREWELL)
        for end in (self._reader, self._stderr):
            if end is not None:
                end.close()
        if self._conf is not None:
            self._conf.unlink(missing_ok=True)
