"""Plaza on a Redis Cluster: no command crosses slots, and pushes survive what happens to nodes and slots."""

import asyncio
from collections.abc import Iterable, Iterator

import pytest
import socketio
from conftest import run
from support.eventually import eventually
from support.redis_nodes import RedisCluster, redis_cluster_in
from support.sockets import World, until

from realtime import resume
from social.accounts import login
from social.contracts.codec import encode
from social.contracts.problems import RateLimited
from social.contracts.pushes import CONTROL_CHANNEL, channel, post_room, user_room
from social.infra.process.process import Tasks
from social.infra.redis.cards import watch_cards
from social.infra.redis.delays import FREE, Delays
from social.infra.redis.limits import Limiter, Rate
from social.infra.redis.redis import connect
from social.infra.redis.slots import slot_of
from social.infra.redis.vouched import Vouched
from social.infra.store.ttl_cache import TtlCache
from social.ops.doctor.findings import Level
from social.ops.doctor.redis import examine

ROOMS = [post_room(f"{n:024x}") for n in range(3_000)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Run a cluster for the tests of this file."""
    with redis_cluster_in(tmp_path_factory.mktemp("redis-cluster")) as cluster:
        yield cluster


@pytest.fixture
def redis_url(cluster: RedisCluster) -> str:
    """Return the URL of a cluster that is whole and empty."""
    run(cluster.start())
    run(cluster.flush())
    return cluster.url


@pytest.fixture
async def redis(redis_url):
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Return settings of a gateway that reads streams only when it knows a reason."""
    monkeypatch.setattr("realtime.app.SWEEP_WITHOUT_LISTENER_S", 3_600.0)
    return {"sweep_s": 3_600.0}


async def test_limits_of_many_clients_are_shared(redis):
    one, other = Limiter(redis), Limiter(redis)
    rate = Rate(4, 3_600)
    for who in range(200):
        one.take("posts", str(who), rate)
    await one.close()
    assert (await other.take_exactly("posts", "7", rate)).remaining == 2
    for who in range(200):
        other.take("posts", str(who), rate)
    await other._report()
    assert other.take("posts", "8", rate).remaining == 1


async def test_keys_of_every_kind_are_read_and_written(redis):
    delays = Delays(redis)
    for _ in range(FREE + 1):
        await delays.attempt("ada")
    with pytest.raises(RateLimited):
        await Delays(redis).attempt("ada")
    vouched, values = Vouched[str](redis, "lines"), iter("abc")

    async def read() -> str:
        return next(values)

    assert [await vouched.get("k", 0, read) for _ in range(3)] == ["a", "b", "b"]
    await vouched.forget(["k", "l", "m", "n"])
    assert await vouched.get("k", 0, read) == "c"
    assert (await resume.claim(redis, "s" * 20, "one")).held_by is None
    await resume.remember(redis, "s" * 20, entered=["post:a", "post:b"], left=["post:a"])
    claim = await resume.claim(redis, "s" * 20, "two")
    assert (claim.held_by, claim.rooms, claim.left) == ("one", ["post:b"], False)
    await resume.leave(redis, "s" * 20)
    assert (await resume.claim(redis, "s" * 20, "one")).left


async def test_each_node_carries_a_third_of_the_pushes(cluster, world):
    before = await cluster.published()
    for at in range(0, len(ROOMS), 500):
        await world.plaza.pushes.send([(room, b"x") for room in ROOMS[at : at + 500]])
    pushed = [calls - before[port] for port, calls in (await cluster.published()).items()]
    assert sum(pushed) == len(ROOMS)
    assert all(0.9 / 3 < each / len(ROOMS) < 1.1 / 3 for each in pushed)


async def test_the_doctor_looks_at_every_master_and_knows_a_node_by_itself(cluster, redis_url):
    findings = [each async for each in examine(redis_url)]
    assert [each for each in findings if each.level is Level.PROBLEM] == []
    for master in await cluster.masters():
        address = f"127.0.0.1:{master.port}"
        assert any(each.says == f"{address} a push arrives" for each in findings), findings
    findings = [each async for each in examine(f"redis://127.0.0.1:{cluster.nodes[0].port}/0")]
    assert [each.remedy for each in findings if each.level is Level.PROBLEM] == ["write redis+cluster:// in REDIS_URL"]


async def test_changed_cards_are_heard_also_where_their_channel_moves(cluster, redis):
    memory, tasks = Forgetting(), Tasks()
    tasks.start("cards", watch_cards(redis, memory))

    async def hears(card: str) -> None:
        await redis.publish(CONTROL_CHANNEL, encode({"cards": [card]}))
        assert card in memory.forgotten

    try:
        await eventually(lambda: hears("before"))
        await cluster.move_away(slot_of(CONTROL_CHANNEL))
        await eventually(lambda: hears("after"))
    finally:
        await tasks.cancel()


async def test_a_stock_python_socketio_process_reaches_sockets_through_any_node(cluster, world, ada):
    gateway = await world.gateway()
    wire = await ada.connect(gateway)
    for number, node in enumerate(cluster.nodes):
        stranger = socketio.AsyncRedisManager(node.url, write_only=True)
        await stranger.emit("shout", {"n": number}, room=user_room(ada.id))
        await wire.event("shout", number + 1)
        await stranger.redis.aclose()
    assert [each["n"] for each in wire.named("shout")] == list(range(len(cluster.nodes)))


async def test_people_are_notified_present_and_back_and_logged_out(world, ada, bob):
    gateway, other = await world.gateway(), await world.gateway()
    post = await ada.publish()
    wire, bobs = await ada.connect(gateway), await bob.connect(other)
    await wire.ask("post.watch", {"post_id": post})
    await wire.ask("presence.watch", {"user_ids": [bob.id]})
    await bobs.close()
    await wire.until(lambda: any(not each["online"] for each in wire.named("presence")))
    assert await world.plaza.pushes.watched([post_room(post), *ROOMS[:20]]) == {post_room(post)}
    await world.like(post, by=bob, author=ada)
    await wire.event("notification")
    await world.remembers(wire, rooms=2)
    again = await ada.back(wire, other)
    assert again.sid == wire.sid
    await until(wire.closed.is_set)
    await again.event("post.stats")
    await login.logout(world.plaza, world.keys, ada.tokens.refresh_token)
    await again.disconnected_for_good()


async def test_a_replica_takes_over_and_pushes_come_back(cluster, world, ada, bob, no_sweep):
    gateway = await world.gateway(**no_sweep)
    wire = await ada.connect(gateway)
    master = await cluster.owner(channel(user_room(ada.id)))
    replica = await cluster.replica_of(master)
    await master.kill()
    await until(lambda: not gateway.redis_channels.up)
    post = await ada.publish()
    await world.like(post, by=bob, author=ada)
    await cluster.take_over(replica)
    await wire.event("notification")  # which no message carried: its stream was read again
    await until(lambda: gateway.redis_channels.listens(user_room(ada.id)))
    await pushed_again(world, wire, post, ada, 2)


async def test_slots_move_while_pushes_go_on(cluster, world, ada, bob):
    gateway = await world.gateway()
    wire = await ada.connect(gateway)
    post = await ada.publish()
    await world.like(post, by=bob, author=ada)
    moving = {slot_of(channel(user_room(ada.id))), slot_of(CONTROL_CHANNEL), slot_of(f"socket:{{{wire.sid}}}")}
    await resume.remember(world.plaza.redis, wire.sid, entered=["post:a"], left=[])
    moved = asyncio.Event()
    pushing = asyncio.create_task(push_until(moved, world, post, ada))
    try:
        for slot in moving:
            await cluster.move_away(slot)
    finally:
        moved.set()
        likes = 1 + await pushing
    await until(lambda: gateway.redis_channels.up and gateway.redis_channels.listens(user_room(ada.id)))
    await wire.until(lambda: count_of(wire) == likes)
    assert await world.plaza.redis.smembers(f"watched:{{{wire.sid}}}") == {b"post:a"}
    await pushed_again(world, wire, post, ada, likes + 1)


@pytest.mark.parametrize("followed", [True, False])
async def test_what_a_slot_missed_while_it_was_away_is_read_again(cluster, world, ada, bob, no_sweep, followed):
    gateway = await world.gateway(**no_sweep)
    wire = await ada.connect(gateway)
    post, name = await ada.publish(), channel(user_room(ada.id))
    home, asked = await cluster.owner(name), gateway.plaza.redis.refresh
    may_ask = asyncio.Event()

    async def ask_later() -> None:
        await may_ask.wait()
        await asked()

    gateway.plaza.redis.refresh = ask_later
    await cluster.move_away(slot_of(name))
    await until(lambda: not gateway.redis_channels.listens(user_room(ada.id)))
    await world.record(post, by=bob, author=ada)  # and no push of it
    if followed:
        may_ask.set()
        await until(lambda: gateway.redis_channels.listens(user_room(ada.id)))
    await cluster.move(slot_of(name), home)
    may_ask.set()
    await wire.event("notification")
    await until(lambda: gateway.redis_channels.up)


async def test_a_node_that_comes_back_empty_costs_nothing(cluster, world, ada, bob):
    gateway = await world.gateway()
    wire = await ada.connect(gateway)
    post = await ada.publish()
    master = await cluster.owner(channel(user_room(ada.id)))
    await master.kill()
    await until(lambda: not gateway.redis_channels.up)
    await world.record(post, by=bob, author=ada)
    await master.start()
    await wire.event("notification")
    await until(lambda: gateway.redis_channels.up)
    await pushed_again(world, wire, post, ada, 2)


class Forgetting(TtlCache):
    """A cache that notes which documents it was asked to drop."""

    def __init__(self) -> None:
        super().__init__()
        self.forgotten: set[str] = set()

    def forget(self, keys: Iterable[str]) -> None:
        self.forgotten.update(keys)


async def pushed_again(world: World, wire, post: str, author, count: int) -> None:
    """Like a post until a push of it arrives: a node that has just come back may refuse the first."""

    async def arrives() -> None:
        await world.push(author)
        assert count_of(wire) >= count

    await world.record(post, by=await world.person("carl"), author=author)
    await eventually(arrives)


async def push_until(enough: asyncio.Event, world: World, post: str, author) -> int:
    likes = 0
    while not enough.is_set():
        await world.like(post, by=await world.person("eve"), author=author)
        likes += 1
    return likes


def count_of(wire) -> int:
    pushed = wire.named("notification") + wire.named("notification.updated")
    return max((each["count"] for each in pushed), default=0)
