"""A RabbitMQ cluster of three nodes that loses the leader of its queues while people write.

`make soak` (PLAZA_SOAK=1) runs it, and tests/system/test_rabbit_cluster.py: nodes restarted, frozen, and all killed.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import require, run
from support.eventually import eventually
from support.people import Person
from support.rabbit_nodes import RabbitCluster
from support.servers import RabbitServer
from support.site import Site

from social.contracts.posts import Post
from social.infra.broker.topology import Topology

pytestmark = [
    pytest.mark.parametrize("broker", ["rabbit"]),
    pytest.mark.skipif(not os.environ.get("PLAZA_SOAK"), reason="make soak runs it: three nodes take a while to start"),
]


@pytest.fixture(scope="module")
def rabbit_cluster(server_folder: Path) -> Iterator[RabbitCluster]:
    """Three nodes, of which a test may kill one for good."""
    require(RabbitServer)
    cluster = RabbitCluster(server_folder / "rabbit-nodes", tick_s=60)
    run(cluster.start())
    yield cluster
    run(cluster.kill())
    run(cluster.stop())


@pytest.fixture
def broker_url(rabbit_cluster: RabbitCluster) -> str:
    return rabbit_cluster.url


@pytest.fixture
async def fans(site: Site) -> list[Person]:
    """People whose acts the author of a post is told of."""
    return [await site.door.register(f"fan{each}") for each in range(4)]


async def test_everything_acknowledged_while_a_leader_dies_arrives_once(
    rabbit_cluster: RabbitCluster, site: Site, ada: Person, fans: list[Person]
) -> None:
    post = await ada.publish("hello")
    await fans[0].like(post)
    await shown(ada, post, likes=1, comments=0)
    queues = await rabbit_cluster.nodes[0].queues()
    assert {*Topology("plaza").queues()} <= queues.keys()
    assert len({leader for leader, _ in queues.values()}) > 1, "leaders are spread, although one process declared all"
    assert {frozenset(members) for _, members in queues.values()} == {
        frozenset(each.node for each in rabbit_cluster.nodes)
    }
    over, written = asyncio.Event(), [0]
    writing = [asyncio.create_task(comment_on(post, fan, over, written)) for fan in fans]
    await wrote(written, 20)
    await rabbit_cluster.node(queues["plaza.notifications"][0]).kill()
    await wrote(written, 20)
    over.set()
    await asyncio.gather(*writing)
    await fans[1].like(post)
    await shown(ada, post, likes=2, comments=written[0])
    assert await site.plaza.mongo.count("parked", {}, limit=1) == 0


async def comment_on(post: Post, by: Person, over: asyncio.Event, written: list[int]) -> None:
    while not over.is_set():
        await by.comment(post, "again")
        written[0] += 1


async def wrote(written: list[int], more: int) -> None:
    """Wait until so many more comments are acknowledged."""
    wanted = written[0] + more

    async def enough() -> None:
        assert written[0] >= wanted

    await eventually(enough)


async def shown(author: Person, post: Post, likes: int, comments: int) -> None:
    """Wait until counts and notifications are those of everything acknowledged, and no event is left."""

    async def look() -> None:
        seen = await author.see(post)
        assert (seen.likes, seen.comments) == (likes, comments)
        told = {each.type: each.count for each in await author.notifications()}
        assert (told.get("like", 0), told.get("comment", 0)) == (likes, comments)

    await eventually(look)
