"""The settings that a cluster gives to its processes."""

import os
from pathlib import Path

import pytest

from devtools.cluster.settings import ClusterSettings
from devtools.cluster.topology import KINDS, processes
from devtools.generate.settings import absent
from social.infra.security.keyfiles import make_keys
from social.infra.settings import load

SERVERS = {"MONGO_URL": "mongodb://here", "REDIS_URL": "redis://here", "BROKER_URL": "amqp://here"}


def test_every_api_process_knows_that_nginx_leads_to_the_gateways(tmp_path: Path) -> None:
    make_keys(tmp_path)
    plan = processes(ClusterSettings(port=9_000, services="split"), tmp_path, {})
    ports = {each.settings["REALTIME_PORT"] for each in plan if each.module == "api"}
    assert ports == {"9000"}
    own = [each for each in plan if each.module == "realtime"]
    assert all(each.settings["REALTIME_PORT"] == str(each.port) for each in own)


@pytest.mark.parametrize("services", ["together", "split"])
def test_a_process_takes_its_own_settings_in_whatever_way_the_cluster_was_given_its(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, services: str
) -> None:
    make_keys(tmp_path)
    (tmp_path / "mongo").write_text("mongodb://elsewhere")
    monkeypatch.chdir(tmp_path)
    inherited = {"PORT": "9000", "AMQP_URL": "amqp://elsewhere", "MONGO_URL_FILE": str(tmp_path / "mongo")}
    inherited |= {"JWT_PRIVATE_KEY": "elsewhere", "REFRESH_KEY": "elsewhere", "PID_KEY_FILE": "/nowhere", "JWKS": "{}"}
    for name, value in inherited.items():
        monkeypatch.setenv(name, value)
    cluster = load(ClusterSettings, "embedded", services=services)
    assert (cluster.port, cluster.mongo_url, cluster.broker_url) == (9_000, "mongodb://elsewhere", "amqp://elsewhere")
    for each in processes(cluster, tmp_path, SERVERS):
        assert not absent(each.module, each.settings, api_services=each.services)
        with monkeypatch.context() as given:
            for name, value in each.settings.items():
                given.setenv(name, value)
            settings = load(KINDS[each.module], "nowhere")
        assert getattr(settings, f"{each.module}_port") == each.port
        assert {name: getattr(settings, name.lower()) for name in SERVERS} == SERVERS
    assert os.environ["PORT"] == "9000"
