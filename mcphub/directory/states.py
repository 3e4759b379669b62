"""SharedStates: what each worker tells of its upstreams, kept in Redis for those who join later.

A state is told at once as a fact on the bus and written to the worker's hash with the next round; the hash has a
version, so whoever missed a fact notices within a second and reads the hash again. Above: `directory.redis`. Below:
`bus`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

import msgspec
from redis.asyncio import Redis

from mcphub.bus import Bus, StateChanged
from mcphub.directory.placement import State, telling

#: Seconds after which the states of a worker that is gone vanish from Redis.
LIFETIME = 60
_VERSION = b""


class SharedStates:
    """States of all upstreams, by server and by the worker that told them.

    Args:
        client: a redis-py client of the process's directory.
        prefix: of the keys that hold the states, one hash a worker.
        worker: this process.
    """

    def __init__(self, client: Redis, bus: Bus, prefix: str, worker: str) -> None:
        self._client = client
        self._bus = bus
        self._prefix = prefix
        self._worker = worker
        self._told: dict[str, dict[str, State]] = {}
        self._versions: dict[str, str] = {}
        self._unwritten: set[str] = set()
        self._version = 0

    def publish(self, server: str, state: State) -> None:
        """Tell a state of ours."""
        told = {**state, "worker": self._worker}
        self._told.setdefault(server, {})[self._worker] = told
        self._unwritten.add(server)
        self._bus.publish(StateChanged(server, told))

    def own(self, server: str) -> State:
        """What we told of a server; empty where nothing."""
        return self._told.get(server, {}).get(self._worker, {})

    def is_connected(self, server: str, worker: str) -> bool:
        """Whether that worker's last word of the server was that it is connected."""
        return self._told.get(server, {}).get(worker, {}).get("state") == "connected"

    def retain(self, servers: Collection[str]) -> None:
        """Forget our states of all other servers."""
        for server, states in self._told.items():
            if server not in servers and states.pop(self._worker, None) is not None:
                self._unwritten.add(server)

    def heard(self, fact: StateChanged) -> None:
        """Another process told a state."""
        worker = fact.state.get("worker")
        if isinstance(worker, str) and worker != self._worker:
            self._told.setdefault(fact.server, {})[worker] = fact.state

    def all(self, holders: Mapping[str, tuple[str, ...]]) -> dict[str, State]:
        """The state to believe of each server."""
        chosen = ((server, telling(states, holders.get(server, ()))) for server, states in self._told.items())
        return {server: state for server, state in chosen if state is not None}

    async def write(self) -> None:
        """Bring our hash up to date. Raises `redis.RedisError`."""
        key = f"{self._prefix}{self._worker}"
        writing, self._unwritten = self._unwritten, set()
        try:
            async with self._client.pipeline(transaction=True) as pipe:
                if writing:
                    self._version += 1
                    pipe.hset(key, _VERSION, str(self._version))
                for server in writing:
                    if state := self.own(server):
                        pipe.hset(key, server, msgspec.json.encode(state))
                    else:
                        pipe.hdel(key, server)
                pipe.expire(key, LIFETIME)
                await pipe.execute()
        except BaseException:
            self._unwritten |= writing
            raise

    def rewrite(self) -> None:
        """Redis forgot: write everything of ours with the next round."""
        self._unwritten.update(server for server, states in self._told.items() if self._worker in states)

    async def read(self, workers: Mapping[str, str]) -> None:
        """Read the hashes of other workers whose version is news, and forget workers that are gone."""
        for worker, version in workers.items():
            if worker != self._worker and version and self._versions.get(worker) != version:
                found = await self._client.hgetall(f"{self._prefix}{worker}")
                self._replace(worker, cast(Mapping[bytes, bytes], found))
                self._versions[worker] = version
        for worker in self._versions.keys() - workers.keys():
            del self._versions[worker]
        for states in self._told.values():
            for worker in states.keys() - workers.keys() - {self._worker}:
                del states[worker]
        self._told = {server: states for server, states in self._told.items() if states}

    async def erase(self) -> None:
        """Take our states away. Raises `redis.RedisError`."""
        await self._client.delete(f"{self._prefix}{self._worker}")

    def _replace(self, worker: str, found: Mapping[bytes, bytes]) -> None:
        states = {name.decode(): msgspec.json.decode(value) for name, value in found.items() if name != _VERSION}
        for server, told in self._told.items():
            if server not in states:
                told.pop(worker, None)
        for server, state in states.items():
            known = self._told.setdefault(server, {}).get(worker, {})
            # A fact may have brought a newer one than was written when the hash was read.
            if state.get("since", 0.0) >= known.get("since", 0.0):
                self._told[server][worker] = state
