"""The forms of REDIS_URL."""

import pytest

from social.infra.redis.redis import connect
from social.infra.redis.sentinel import SentinelRedis
from social.infra.redis_urls import ServersUrl, servers_of
from social.infra.settings import Connections, StartError, load

SECRET = "a-Secret-that-nobody-shows"


@pytest.mark.parametrize("url", ["redis://localhost:6379/0", "rediss://:p@redis/1", "unix:///run/redis.sock"])
def test_one_server_is_left_to_its_client(url: str) -> None:
    assert servers_of(url) is None


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    found = servers_of("rediss+cluster://plaza:p%40ss@a:7000,b,[fd00::1]:7001/0")
    hosts = (("a", 7_000), ("b", 6_379), ("fd00::1", 7_001))
    assert found == ServersUrl("cluster", True, hosts, "plaza", "p@ss")


def test_a_watched_server_is_named_by_its_sentinels() -> None:
    found = servers_of("redis+sentinel://:p@a,b:26380/mymaster/2?sentinel_username=u&sentinel_password=s%3D")
    hosts = (("a", 26_379), ("b", 26_380))
    assert found == ServersUrl("sentinel", False, hosts, None, "p", "mymaster", 2, "u", "s=")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis+ring://a", "it must be redis://"),
        ("redis+cluster://", "it must be redis://"),
        ("http+cluster://a", "it must be redis://"),
        ("redis+cluster://a,,b", "must be host or host:port"),
        (f"redis+cluster://u:{SECRET}@a:port", "must be host or host:port"),
        (f"redis+cluster://:{SECRET}@a:70000", "must be host or host:port"),
        (f"redis+cluster://{SECRET}@a", "must have a user and a password"),
        (f"redis+cluster://:{SECRET}@a/1", "a cluster has no databases"),
        ("redis+cluster://a?ssl=1", "a cluster has no databases and no options"),
        (f"redis+sentinel://:{SECRET}@a", "it names no master"),
        ("redis+sentinel://a/mymaster/x", "the number of a database"),
        (f"redis+sentinel://a/mymaster?password={SECRET}", "its options are sentinel_username"),
    ],
)
def test_a_wrong_url_is_refused_with_the_reason_and_without_its_secret(
    url: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, given in {"MONGO_URL": "mongodb://m", "BROKER_URL": "amqp://b", "REDIS_URL": url}.items():
        monkeypatch.setenv(name, given)
    with pytest.raises(StartError) as refused:
        load(Connections, "nowhere")
    assert why in str(refused.value)
    assert SECRET not in str(refused.value)
    with pytest.raises(StartError) as refused:
        connect(url)
    assert SECRET not in str(refused.value)


async def test_user_password_and_tls_are_those_of_the_master_and_of_the_sentinels() -> None:
    client = connect("rediss+sentinel://plaza:one@a/mymaster/3?sentinel_username=s&sentinel_password=two")
    assert isinstance(client, SentinelRedis)
    for_master = client.connection_pool.connection_kwargs
    for_sentinel = client.watchers.sentinels[0].connection_pool.connection_kwargs
    assert (for_master["username"], for_master["password"], for_master["db"]) == ("plaza", "one", 3)
    assert (for_sentinel["username"], for_sentinel["password"]) == ("s", "two")
    assert "SSL" in client.connection_pool.connection_class.__mro__[1].__name__
    assert "SSL" in client.watchers.sentinels[0].connection_pool.connection_class.__name__
    await client.aclose()
