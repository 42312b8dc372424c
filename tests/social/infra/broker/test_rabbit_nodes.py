"""The nodes of a RabbitMQ cluster: how a URL names them, and in which order they are tried."""

import random

import pytest

from social.infra.broker.broker import BrokerAway
from social.infra.broker.rabbit import RabbitBroker
from social.infra.broker.rabbit_nodes import FIRST_PAUSE_S, LONGEST_PAUSE_S, Nodes, any_of, urls_of


def test_a_url_names_each_node_with_the_login_the_vhost_and_the_options_of_all() -> None:
    urls = urls_of("amqps://plaza:a%2Cb@one,two:5673,[::1]:5674/a%2Fvhost?heartbeat=7")
    assert [(each.host, each.port) for each in urls] == [("one", None), ("two", 5673), ("::1", 5674)]
    assert {(each.user, each.password, each.raw_path) for each in urls} == {("plaza", "a,b", "/a%2Fvhost")}
    assert {each.query["heartbeat"] for each in urls} == {"7"}


def test_heartbeats_of_a_cluster_are_frequent_and_those_of_one_node_as_they_were() -> None:
    assert {each.query.get("heartbeat") for each in urls_of("amqp://one,two/")} == {"10"}
    assert [each.query.get("heartbeat") for each in urls_of("amqp://one/")] == [None]


@pytest.mark.parametrize("url", ["amqp://user@one,,two/", "amqp://one,two:port/", "amqp://,/"])
def test_a_url_with_a_nameless_node_or_a_port_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        urls_of(url)


def test_processes_begin_with_different_nodes_and_go_through_all_of_them() -> None:
    orders = set()
    for seed in range(30):
        nodes = Nodes("amqp://one,two,three/", random.Random(seed))
        order = []
        for _ in range(3):
            order.append(nodes.name)
            nodes.failed()
        assert sorted(order) == ["one", "three", "two"]
        assert nodes.name == order[0]
        orders.add(tuple(order))
    assert len(orders) == 6


def test_pauses_grow_once_all_nodes_failed_up_to_a_bound_until_one_answers() -> None:
    nodes = Nodes("amqp://one,two/")
    nodes.failed()
    assert FIRST_PAUSE_S / 2 <= nodes.pause_s <= FIRST_PAUSE_S
    nodes.failed()
    assert FIRST_PAUSE_S <= nodes.pause_s <= 2 * FIRST_PAUSE_S
    for _ in range(10_000):
        nodes.failed()
    assert LONGEST_PAUSE_S / 2 <= nodes.pause_s <= LONGEST_PAUSE_S
    nodes.answered()
    assert nodes.pause_s <= FIRST_PAUSE_S


async def test_each_node_is_asked_once_and_the_last_error_is_raised() -> None:
    nodes, asked = Nodes("amqp://one,two,three/"), []

    async def refuse() -> None:
        asked.append(nodes.name)
        raise ConnectionError(nodes.name)

    with pytest.raises(ConnectionError) as raised:
        await any_of(nodes, refuse)
    assert len(set(asked)) == 3
    assert str(raised.value) == asked[-1]


async def test_the_node_that_answers_is_asked_first_the_next_time() -> None:
    nodes, asked = Nodes("amqp://one,two,three/"), []

    async def only_two() -> str:
        asked.append(nodes.name)
        if nodes.name != "two":
            raise ConnectionError
        return "connected"

    assert await any_of(nodes, only_two) == "connected"
    asked.clear()
    await any_of(nodes, only_two)
    assert asked == ["two"]


async def test_a_cluster_of_which_no_node_answers_is_away() -> None:
    broker = RabbitBroker("amqp://u:secret@127.0.0.1:1,127.0.0.1:2/", "plaza", None)  # type: ignore[arg-type]
    with pytest.raises(BrokerAway) as raised:
        await broker.ping()
    assert "secret" not in str(raised.value)
    await broker.close()
