"""The Redis Cluster of `make cluster REDIS_NODES=6`: who owns which slots, and which numbers are refused."""

from pathlib import Path

import pytest

from devtools.cluster.redis_cluster import SLOTS, RedisCluster
from devtools.cluster.settings import ClusterSettings
from social.infra.settings import StartError, load


@pytest.mark.parametrize("nodes", [6, 8, 14])
def test_every_slot_has_one_master_and_every_master_a_replica(tmp_path: Path, nodes: int) -> None:
    cluster = RedisCluster(tmp_path, nodes)
    for at, node in enumerate(cluster.nodes):
        known = [line.split() for line in (node.folder / "nodes.conf").read_text().splitlines()[:-1]]
        (mine,) = [line[0] for line in known if "myself" in line[2]]
        assert mine == known[at][0]
        masters = [line for line in known if "master" in line[2]]
        slots = [slot for line in masters for slot in _range(line[8])]
        assert slots == list(range(SLOTS))
        assert [line[3] for line in known if "slave" in line[2]] == [line[0] for line in masters]


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last) + 1)


@pytest.mark.parametrize(("nodes", "why"), [(2, "even number"), (7, "even number"), (26, "24")])
def test_a_number_that_makes_no_cluster_is_refused(monkeypatch: pytest.MonkeyPatch, nodes: int, why: str) -> None:
    monkeypatch.setenv("REDIS_NODES", str(nodes))
    with pytest.raises(StartError, match=f"REDIS_NODES is wrong.*{why}"):
        load(ClusterSettings, "nowhere")


def test_nodes_and_a_url_contradict_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_NODES", "6")
    monkeypatch.setenv("REDIS_URL", "redis://localhost")
    with pytest.raises(StartError, match="REDIS_URL names a Redis as well"):
        load(ClusterSettings, "nowhere")
