"""Who holds what: the same journeys in one process and over Redis, then what only many workers can suffer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from mcphub.bus import MemoryBus, StateChanged
from mcphub.directory import Directory, MemoryDirectory, Placement, RedisDirectory
from mcphub.directory import redis as clockwork
from mcphub.directory.placement import chosen, telling
from tests.cluster.conftest import PrivateRedis, eventually

SERVERS: dict[str, Placement] = {f"server-{number}": "one" for number in range(20)}


@pytest.fixture(autouse=True)
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds ten times as fast as in earnest."""
    for name, seconds in (
        ("ROUND", 0.1),
        ("LIFETIME", 0.6),
        ("MARGIN", 0.1),
        ("SETTLE", 0.25),
        ("NEGLECTED", 0.6),
        ("ABANDON", 1.5),
    ):
        monkeypatch.setattr(clockwork, name, seconds)
    monkeypatch.setattr(clockwork, "LEAST_PAUSE", 0.01)


class Crew:
    """Processes of one hub, each with a directory; they share a bus, as they would over Redis."""

    def __init__(self, url: str, prefix: str) -> None:
        self.url = url
        self.prefix = prefix
        self.bus = MemoryBus()
        self.members: list[RedisDirectory] = []

    async def join(self, *, holding: bool = True, wanted: dict[str, Placement] | None = None) -> RedisDirectory:
        member = RedisDirectory(self.url, self.bus, prefix=self.prefix, holding=holding)
        self.members.append(member)
        await member.start()
        if holding:
            member.want(SERVERS if wanted is None else wanted)
        return member

    async def leave(self, member: RedisDirectory) -> None:
        self.members.remove(member)
        await member.stop()

    async def die(self, member: RedisDirectory) -> None:
        """As after SIGKILL: nothing is given up."""
        self.members.remove(member)
        member._holding = False
        await member.stop()

    async def aclose(self) -> None:
        for member in self.members:
            await member.stop()


@pytest.fixture
async def crew(redis_url: str, prefix: str) -> AsyncIterator[Crew]:
    crew = Crew(redis_url, prefix)
    yield crew
    await crew.aclose()


@pytest.fixture
async def fragile(private_redis: PrivateRedis) -> AsyncIterator[Crew]:
    crew = Crew(private_redis.url, "test")
    yield crew
    await crew.aclose()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def directory(request: pytest.FixtureRequest) -> AsyncIterator[Directory]:
    bus = MemoryBus()
    directory: Directory
    if request.param == "memory":
        directory = MemoryDirectory(bus)
    else:
        directory = RedisDirectory(
            request.getfixturevalue("redis_url"), bus, prefix=request.getfixturevalue("prefix"), holding=True
        )
    await directory.start()
    yield directory
    await directory.stop()


def all_held(*members: Directory) -> Callable[[], bool]:
    """Every server is held by exactly one of these, and each knows by whom."""

    def check() -> bool:
        held = [server for member in members for server in member.mine()]
        told = all(
            member.holders(server) == (owner.worker,)
            for member in members
            for owner in members
            for server in owner.mine()
        )
        return sorted(held) == sorted(SERVERS) and told

    return check


# --- both shapes


async def test_what_is_wanted_becomes_mine(directory: Directory) -> None:
    applied: list[frozenset[str]] = []

    async def apply(mine: frozenset[str]) -> None:
        applied.append(mine)

    directory.on_mine = apply
    directory.want({"a": "one", "b": "every"})
    await eventually(lambda: applied and applied[-1] == {"a", "b"})
    assert directory.mine() == {"a", "b"}
    await eventually(lambda: directory.holders("a") == directory.holders("b") == (directory.worker,))
    assert directory.holds("a")
    assert not directory.holds("c")


async def test_what_is_no_longer_wanted_is_given_up(directory: Directory) -> None:
    directory.want({"a": "one", "b": "one"})
    await eventually(lambda: directory.mine() == {"a", "b"})
    directory.want({"b": "one"})
    await eventually(lambda: directory.mine() == {"b"} and directory.holders("a") == ())
    assert not directory.holds("a")


async def test_a_change_that_could_not_be_applied_is_tried_again(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcphub.directory.applier.PAUSE", 0.01)
    tries = 0

    async def apply(mine: frozenset[str]) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise RuntimeError("not yet")

    directory.on_mine = apply
    directory.want({"a": "one"})
    await eventually(lambda: tries == 3)


async def test_a_state_is_told_and_remembered(directory: Directory) -> None:
    directory.want({"a": "one"})
    await eventually(lambda: directory.mine() == {"a"})
    directory.publish_state("a", {"state": "connected", "since": 5.0})
    assert directory.states() == {"a": {"state": "connected", "since": 5.0, "worker": directory.worker}}


# --- many workers


@pytest.mark.redis
async def test_two_workers_that_start_together_share_the_servers(crew: Crew) -> None:
    one, two = await asyncio.gather(crew.join(), crew.join())
    await eventually(all_held(one, two))
    assert len(one.mine()) >= 3
    assert len(two.mine()) >= 3


@pytest.mark.redis
async def test_a_worker_that_joins_later_takes_nothing_that_works(crew: Crew) -> None:
    one = await crew.join()
    await eventually(all_held(one))
    for server in SERVERS:
        one.publish_state(server, {"state": "connected", "since": 1.0})
    two = await crew.join()
    three = await crew.join(wanted={**SERVERS, "new": "one"})
    await eventually(lambda: "new" in three.mine() or "new" in two.mine() or "new" in one.mine())
    assert one.mine() == SERVERS.keys()


@pytest.mark.redis
async def test_a_worker_that_joins_later_takes_its_share_of_what_is_not_connected(crew: Crew) -> None:
    one = await crew.join()
    await eventually(all_held(one))
    for number, server in enumerate(SERVERS):
        one.publish_state(server, {"state": "sleeping" if number % 2 else "connected", "since": 1.0})
    two = await crew.join()
    due = {
        server
        for number, server in enumerate(SERVERS)
        if number % 2 and chosen(server, (one.worker, two.worker)) == two.worker
    }
    await eventually(lambda: two.mine() == due)
    await eventually(all_held(one, two))


@pytest.mark.redis
async def test_a_server_is_taken_only_when_its_old_connection_is_closed(crew: Crew) -> None:
    one = await crew.join()
    await eventually(all_held(one))
    closing = asyncio.Event()

    async def close_slowly(mine: frozenset[str]) -> None:
        await closing.wait()

    one.on_mine = close_slowly
    two = await crew.join()
    await eventually(lambda: len(one._view.workers) == 2)
    moved = next(server for server in SERVERS if one.hand_over(server))
    assert moved not in one.mine()
    assert not one.holds(moved)
    await asyncio.sleep(5 * clockwork.ROUND)
    assert two.mine() == frozenset()
    closing.set()
    await eventually(lambda: two.mine() == {moved})


@pytest.mark.redis
async def test_a_worker_that_leaves_is_replaced_at_once(crew: Crew) -> None:
    one, two = await asyncio.gather(crew.join(), crew.join())
    watcher = await crew.join(holding=False)
    await eventually(all_held(one, two))
    gone: list[str] = []
    watcher.on_gone.append(gone.append)
    await crew.leave(one)
    await eventually(all_held(two), clockwork.LIFETIME)
    assert gone == [one.worker]


@pytest.mark.redis
async def test_a_worker_that_dies_is_replaced_when_its_lease_has_lapsed(crew: Crew) -> None:
    one, two = await asyncio.gather(crew.join(), crew.join())
    watcher = await crew.join(holding=False)
    await eventually(all_held(one, two))
    fences = dict(watcher._view.leases)
    gone: list[str] = []
    watcher.on_gone.append(gone.append)
    moved = one.mine()
    await crew.die(one)
    await eventually(all_held(two))
    await eventually(lambda: gone == [one.worker])
    for server in moved:
        assert int(two._held[server].value.split()[0]) > int(fences[server].split()[0])


@pytest.mark.redis
async def test_a_worker_that_was_paused_notices_before_it_acts(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await crew.join()
    await eventually(all_held(one))
    applied: list[frozenset[str]] = []

    async def apply(mine: frozenset[str]) -> None:
        applied.append(mine)

    one.on_mine = apply
    # Its rounds stand still, its clock does not: as seen from inside after SIGSTOP and SIGCONT.
    held_up = asyncio.Event()
    original = one._round

    async def paused() -> None:
        await held_up.wait()
        await original()

    monkeypatch.setattr(one, "_round", paused)
    monkeypatch.setattr(clockwork, "PATIENCE", 30.0)
    two = await crew.join()
    await eventually(lambda: two.mine() == SERVERS.keys())
    assert not any(one.holds(server) for server in SERVERS)
    held_up.set()
    await eventually(lambda: applied and applied[-1] == frozenset())
    assert one.mine() == frozenset()


@pytest.mark.redis
async def test_every_worker_holds_a_server_that_every_worker_may_hold(crew: Crew) -> None:
    wanted: dict[str, Placement] = {"remote": "every"}
    one, two = await asyncio.gather(crew.join(wanted=wanted), crew.join(wanted=wanted))
    watcher = await crew.join(holding=False)
    await eventually(lambda: set(watcher.holders("remote")) == {one.worker, two.worker})
    one.publish_state("remote", {"state": "retrying", "since": 1.0})
    two.publish_state("remote", {"state": "connected", "since": 0.5})
    await eventually(lambda: watcher.holders("remote") == (two.worker,), what="only the connected one is offered")
    assert watcher.states()["remote"]["state"] == "connected"


@pytest.mark.redis
async def test_a_server_may_change_from_every_to_one(crew: Crew) -> None:
    one, two = await asyncio.gather(crew.join(wanted={"a": "every"}), crew.join(wanted={"a": "every"}))
    await eventually(lambda: len(one.holders("a")) == 2)
    one.want({"a": "one"})
    two.want({"a": "one"})
    await eventually(lambda: len(one.holders("a")) == len(two.holders("a")) == 1 == len(one.mine()) + len(two.mine()))


@pytest.mark.redis
async def test_a_server_that_its_worker_neglects_is_taken_by_another(crew: Crew) -> None:
    one, two = await asyncio.gather(crew.join(), crew.join(wanted={}))
    await eventually(lambda: one.mine() == SERVERS.keys())
    for server in SERVERS:
        one.publish_state(server, {"state": "sleeping", "since": 1.0})
    await asyncio.sleep(2 * clockwork.NEGLECTED)
    assert one.mine() == SERVERS.keys(), "and keeps it, instead of offering it for ever"
    assert two.mine() == frozenset()


@pytest.mark.redis
async def test_a_late_joiner_knows_the_states(crew: Crew) -> None:
    one = await crew.join(wanted={"a": "one"})
    await eventually(lambda: one.mine() == {"a"})
    one.publish_state("a", {"state": "connected", "since": 1.0})
    late = RedisDirectory(crew.url, MemoryBus(), prefix=crew.prefix)
    await late.start()
    crew.members.append(late)
    await eventually(lambda: late.states().get("a", {}).get("state") == "connected")
    one.publish_state("a", {"state": "retrying", "since": 2.0})
    await eventually(lambda: late.states()["a"]["state"] == "retrying", what="also without a fact on the bus")
    await crew.leave(one)
    await eventually(lambda: late.states() == {})


@pytest.mark.redis
async def test_a_state_reaches_others_at_once(crew: Crew) -> None:
    one = await crew.join(wanted={"a": "one"})
    watcher = await crew.join(holding=False)
    await eventually(lambda: one.mine() == {"a"})
    heard: list[StateChanged] = []
    crew.bus.subscribe(StateChanged, heard.append)
    one.publish_state("a", {"state": "connecting", "since": 1.0})
    await eventually(lambda: heard)
    assert watcher.states()["a"]["state"] == "connecting"


# --- Redis comes and goes


@pytest.mark.redis
async def test_nothing_moves_while_redis_is_away_for_a_while(fragile: Crew, private_redis: PrivateRedis) -> None:
    one, two = await asyncio.gather(fragile.join(), fragile.join())
    await eventually(all_held(one, two))
    before = (one.mine(), two.mine())
    applied: list[frozenset[str]] = []

    async def apply(mine: frozenset[str]) -> None:
        applied.append(mine)

    one.on_mine = two.on_mine = apply
    one.publish_state("server-0", {"state": "connected", "since": 1.0})
    private_redis.kill()
    await eventually(
        lambda: not any(one.holds(server) for server in SERVERS), what="leases that cannot be renewed lapse"
    )
    private_redis.start()
    await eventually(lambda: any(map(one.holds, SERVERS)) and any(map(two.holds, SERVERS)))
    await asyncio.sleep(2 * clockwork.SETTLE)
    assert (one.mine(), two.mine()) == before
    assert applied == []
    await eventually(all_held(one, two))


@pytest.mark.redis
async def test_who_cannot_prove_its_leases_for_long_closes_its_connections(
    fragile: Crew, private_redis: PrivateRedis
) -> None:
    one = await fragile.join()
    await eventually(all_held(one))
    applied: list[frozenset[str]] = []

    async def apply(mine: frozenset[str]) -> None:
        applied.append(mine)

    one.on_mine = apply
    private_redis.kill()
    await eventually(lambda: applied == [frozenset()])
    private_redis.start()
    await eventually(all_held(one))


@pytest.mark.redis
async def test_a_directory_that_starts_without_redis_joins_later(fragile: Crew, private_redis: PrivateRedis) -> None:
    private_redis.kill()
    one = await fragile.join()
    private_redis.start()
    await eventually(all_held(one))


# --- rules


def test_a_new_worker_changes_the_choice_for_its_own_share_only() -> None:
    servers = [f"server-{number}" for number in range(300)]
    before = {server: chosen(server, ("a", "b")) for server in servers}
    after = {server: chosen(server, ("a", "b", "c")) for server in servers}
    moved = [server for server in servers if before[server] != after[server]]
    assert all(after[server] == "c" for server in moved)
    assert 60 < len(moved) < 140
    assert chosen("x", ()) is None


def test_of_several_states_the_holders_counts_then_the_best_then_the_newest() -> None:
    def state(name: str, since: float) -> dict[str, Any]:
        return {"state": name, "since": since}

    told = {"a": state("connected", 1.0), "b": state("retrying", 9.0)}
    assert telling(told, ("b",)) == told["b"]
    assert telling(told, ("a", "b")) == told["a"]
    assert telling(told, ()) == told["b"]
    assert telling({}, ("a",)) is None
