"""The settings that a cluster gives to its processes."""

from pathlib import Path

from devtools.cluster.settings import ClusterSettings
from devtools.cluster.topology import processes
from social.infra.security.keyfiles import make_keys


def test_every_api_process_knows_that_nginx_leads_to_the_gateways(tmp_path: Path) -> None:
    make_keys(tmp_path)
    plan = processes(ClusterSettings(port=9_000, services="split"), tmp_path, {})
    ports = {each.settings["REALTIME_PORT"] for each in plan if each.module == "api"}
    assert ports == {"9000"}
    own = [each for each in plan if each.module == "realtime"]
    assert all(each.settings["REALTIME_PORT"] == str(each.port) for each in own)
