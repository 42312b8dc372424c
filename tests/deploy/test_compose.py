"""compose.yml: it is valid by its schema and keeps its promises; no engine is needed to check either."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis as redis_client
import yaml
from conftest import require
from pydantic_settings import BaseSettings
from support.composed import (
    OURS,
    PROCESSES,
    PROFILES,
    ROOT,
    SERVICES,
    VARIABLE,
    composed,
    example,
    networks,
    started,
    text,
)
from support.eventually import LONG_S, eventually
from support.image import environment as of_image
from support.image import lineage, stages
from support.nginx import Nginx, before
from support.people import door_to
from support.ports import free_ports

from api.settings import SERVICES as API_SERVICES
from api.settings import ApiSettings
from devtools.generate.nginx import COMPOSE, MICROSERVICES, MICROSERVICES_CONF, Topology
from devtools.generate.settings import absent, names_of, settings_of
from realtime.settings import Settings as RealtimeSettings
from social.infra.redis.limits import Rate
from social.infra.settings import Connections, StoreSettings, load
from workers.settings import WorkerSettings

SETTINGS: dict[str, type[BaseSettings]] = {
    "api": ApiSettings,
    "realtime": RealtimeSettings,
    "workers": WorkerSettings,
    "operator": Connections,
}
WHOLE = {"api-1", "api-2"}
EXPORTERS = {"mongo-exporter", "redis-exporter", "nginx-exporter"}  # their images hold no HTTP client
ONCE = {"keys", "migrate", "mongo-init"}
PORTS = {"api": 8080, "realtime": 8081, "workers": 8082}


def variables(target: str) -> set[str]:
    """Return every variable that an image's process reads as a setting."""
    return names_of("social" if target == "operator" else target)


def target(service: Any) -> str:
    return str(service["build"]["target"])


def test_it_is_what_the_compose_specification_says() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [checker, "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_little_and_take_no_more_than_its_share(name: str) -> None:
    service = SERVICES[name]
    user, _, _ = service["user"].partition(":")
    assert user.isdecimal()
    assert user != "0"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert not service.get("privileged")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) <= 2
    assert re.fullmatch(r"\d+[MG]", limits["memory"])
    assert limits["pids"] <= 1_000
    assert any(each.startswith("/tmp") for each in service["tmpfs"])
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    disabled = service.get("healthcheck", {}).get("disable", False)
    assert disabled == (name in ONCE | EXPORTERS)
    if not disabled:
        assert service["healthcheck"]["test"]


WITHOUT_DIGEST = json.loads((ROOT / "deploy/known-bad.json").read_text())["without_digest"]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(OURS)))
def test_an_image_of_others_is_one_exact_version(name: str) -> None:
    image, _, digest = SERVICES[name]["image"].partition("@sha256:")
    assert re.search(r":v?\d+\.\d+\.\d+", image), "a tag that moves"
    assert "." not in image.partition("/")[0].partition(":")[0], "names a registry"
    assert re.fullmatch(r"[0-9a-f]{64}|", digest)
    assert digest or image in WITHOUT_DIGEST, "tests/deploy/test_versions.py holds that list to what is there"


def test_only_nginx_is_published_and_consoles_to_this_machine_alone() -> None:
    open_to_all = set()
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            if not port.startswith("127.0.0.1:"):
                open_to_all.add(name)
        if service.get("ports"):
            assert "outside" in networks(service), "Docker publishes no port of an internal network"
    assert open_to_all == {"nginx", "nginx-microservices"}
    inside = composed()["networks"]
    assert all(inside[name].get("internal") for name in ("front", "back"))
    for name in ("mongo", "redis", "realtime-1", "posts"):
        assert "outside" not in networks(SERVICES[name])


def test_what_is_waited_for_can_come_and_nothing_waits_in_a_circle() -> None:
    TopologicalSorter({name: set(each.get("depends_on", ())) for name, each in SERVICES.items()}).prepare()
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            needed = SERVICES[other]
            condition = how["condition"]
            assert condition == ("service_completed_successfully" if other in ONCE else "service_healthy"), name
            assert set(needed.get("profiles", service.get("profiles", ()))) >= set(service.get("profiles", ())), name
            if "profiles" in needed:
                assert "profiles" in service, f"{name} starts where {other} does not"
    for name in PROCESSES:
        assert set(SERVICES[name]["depends_on"]) == {"migrate", "keys", "redis", "rabbitmq"}


@pytest.mark.parametrize("profile", ["whole", "microservices"])
def test_each_service_of_the_api_is_served(profile: str) -> None:
    up = started(profile)
    served = [each for name, each in up.items() if name in PROCESSES and target(each) == "api"]
    nginx = next(each for each in up.values() if each["image"].startswith("nginx:"))
    assert set(nginx["depends_on"]) == {name for name in up if name in PROCESSES and target(up[name]) != "workers"}
    if profile == "whole":
        assert len(served) == 2
        assert not any("API_SERVICES" in each["environment"] for each in served)
    else:
        assert sorted(each["environment"]["API_SERVICES"] for each in served) == sorted(API_SERVICES)
    assert len([each for name, each in up.items() if name in PROCESSES and target(each) == "realtime"]) == 2
    assert len([each for name, each in up.items() if name in PROCESSES and target(each) == "workers"]) == 2


@pytest.mark.parametrize(("name", "topology"), [("nginx", COMPOSE), ("nginx-microservices", MICROSERVICES)])
def test_nginx_finds_every_server_it_names_under_that_name(name: str, topology: Topology) -> None:
    nginx = SERVICES[name]
    up = started(*nginx["profiles"])
    known: dict[str, set[str]] = {}  # the ports of each name in the network of both
    for other, each in up.items():
        inside = each.get("networks", ())
        aliases = (inside["front"] or {}).get("aliases", []) if isinstance(inside, dict) and "front" in inside else []
        if other in PROCESSES and "front" in inside:
            for called in (other, *aliases):
                known.setdefault(called, set()).add(str(PORTS[target(each)]))
    servers = {*topology.nodes.values(), *(each for some in topology.services.values() for each in some)}
    for server in servers:
        host, _, port = server.partition(":")
        assert known.get(host) == {port}, server
    assert "front" in nginx["networks"]
    assert {SERVICES[node]["environment"]["NODE_NAME"] for node in NODES} == set(topology.nodes)
    inside = [port.rpartition(":")[2] for port in nginx["ports"]]
    assert inside == [*topology.listen, "8443"]
    assert f"--nginx.scrape-uri=http://nginx:{topology.status}/status" in SERVICES["nginx-exporter"]["command"]
    assert topology.status not in inside
    mounted = dict(each.split(":")[1::-1] for each in nginx["volumes"])
    assert mounted["/etc/nginx/plaza"] == "./nginx"
    assert nginx["entrypoint"][nginx["entrypoint"].index("-c") + 1] == "/etc/nginx/plaza/nginx.conf"
    if topology.split:
        assert mounted["/etc/nginx/plaza/topology.conf"] == f"./nginx/{MICROSERVICES_CONF}"
        assert mounted[f"{topology.documents}/openapi.json"] == "./docs/openapi.json"
    found = re.search(r"worker_rlimit_nofile (\d+);", (ROOT / "nginx/process.conf").read_text())
    assert found is not None
    assert nginx["ulimits"]["nofile"]["hard"] >= int(found[1])


async def test_nginx_counts_for_its_exporter_where_nobody_else_asks(tmp_path: Path) -> None:
    require(Nginx)
    (port,) = free_ports(1)
    status = f"127.0.0.1:{port}"
    server = Nginx(tmp_path, before(["127.0.0.1:1"], {"realtime-1": "127.0.0.1:1"}, status=status))
    await server.start()
    try:
        async with door_to(f"http://127.0.0.1:{port}") as exporter, door_to(server.url) as people:
            assert (await exporter.ask("GET", "/status")).raw.startswith(b"Active connections: ")
            assert (await exporter.ask("GET", "/v1/feed")).status == 404
            assert (await people.ask("GET", "/status")).status == 404
    finally:
        await server.stop()


def test_gateways_differ_in_their_name_alone() -> None:
    first, second = (dict(SERVICES[name], environment=dict(SERVICES[name]["environment"])) for name in NODES)
    assert [each["environment"].pop("NODE_NAME") for each in (first, second)] == list(NODES)
    assert first == second


NODES = ("realtime-1", "realtime-2")


@pytest.mark.parametrize("name", OURS)
def test_a_process_gets_all_settings_it_needs_and_none_it_does_not_know(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = SERVICES[name]
    environment, kind = service.get("environment", {}), SETTINGS[target(service)]
    assert set(environment) <= variables(target(service))
    for each in set().union(*(variables(every) for every in SETTINGS)):
        monkeypatch.delenv(each, raising=False)
    for each, value in (of_image(target(service)) | environment).items():
        monkeypatch.setenv(each, value)
    monkeypatch.chdir(tmp_path)
    if "PID_KEY_FILE" in environment:  # it is read with the settings
        (tmp_path / "pid.key").write_text("x" * 32)
        monkeypatch.setenv("PID_KEY_FILE", "pid.key")
    if name == "keys":
        return
    settings = load(StoreSettings if name == "migrate" else kind, target(service))
    for each in {name.lower() for name in environment} & type(settings).model_fields.keys():
        assert getattr(settings, each) is not None
    for each in ("api_port", "realtime_port", "workers_port"):
        if each in type(settings).model_fields and each.startswith(target(service)):
            assert service["healthcheck"]["test"][-1] == str(getattr(settings, each)) == str(PORTS[target(service)])


@pytest.mark.parametrize("name", OURS)
def test_every_server_is_in_a_network_of_each_service_that_needs_it(name: str) -> None:
    service = SERVICES[name]
    urls = [
        value
        for key, value in service.get("environment", {}).items()
        if key in ("MONGO_URL", "REDIS_URL", "BROKER_URL")
    ]
    assert len(urls) == (0 if name == "keys" else 3)
    for url in urls:
        parts = urlsplit(url)
        assert parts.password, "each server asks for a password"
        assert networks(SERVICES[str(parts.hostname)]) & networks(service)


@pytest.mark.parametrize("name", OURS)
def test_what_a_process_writes_and_reads_is_mounted(name: str) -> None:
    service = SERVICES[name]
    mounts = dict(each.split(":")[1::-1] for each in service.get("volumes", ()))
    for value in service.get("environment", {}).values():
        if (path := value.removeprefix("file:")).startswith("/data/"):
            assert any(path == inside or path.startswith(f"{inside}/") for inside in mounts), path
    made = " ".join(run for each in lineage(target(service)) for run in each.all("RUN"))
    for inside in mounts:
        assert inside.startswith("/data/")
        assert re.search(rf"\b{inside.removeprefix('/data/')}\b", made), "a new volume has the owner of what is there"


def test_pictures_are_where_both_the_api_and_the_sweeper_look() -> None:
    for name in ("api-1", "media", "workers-1"):
        assert SERVICES[name]["environment"]["MEDIA_URL"] == "file:/data/media"
        assert "media:/data/media" in SERVICES[name]["volumes"]


def test_who_signs_no_token_cannot_read_what_signs_them(tmp_path: Path) -> None:
    holders = {name for name, each in SERVICES.items() if any(v.startswith("keys:") for v in each.get("volumes", ()))}
    assert holders == {*WHOLE, "auth", "keys"}
    here = [word.replace("/data/", f"{tmp_path}/") for word in SERVICES["keys"]["command"]]
    subprocess.run([sys.executable, "-m", "social", *here], cwd=ROOT, check=True, capture_output=True)
    for service in PROCESSES.values():
        for value in service["environment"].values():
            if value.startswith(("/data/keys/", "/data/checks/")):
                assert Path(value.replace("/data/", f"{tmp_path}/")).exists()
    assert {each.name for each in (tmp_path / "checks").iterdir()} == {"jwks.json", "pid.key"}


def test_every_file_it_names_is_there() -> None:
    every = composed()
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source, inside, *how = volume.split(":")
            if source.startswith("."):
                assert (ROOT / source).exists(), volume
                assert how == ["ro"], volume
            else:
                assert source in every["volumes"], volume
            assert inside.startswith("/")
        for file in service.get("env_file", ()):
            assert file["required"] is False
            assert (ROOT / f"{file['path']}.example").exists(), file
        if name in OURS:
            assert target(service) in stages()
        assert networks(service) <= set(every["networks"])
        assert networks(service) or service["network_mode"] == "none"
    used = {volume.split(":")[0] for each in SERVICES.values() for volume in each.get("volumes", ())}
    assert set(every["volumes"]) <= used
    assert {p for each in SERVICES.values() for p in each.get("profiles", ())} == set(PROFILES)


def test_the_example_of_env_is_what_compose_asks_for_and_the_other_way_round() -> None:
    given = example(ROOT / ".env.example")
    asked = {found["name"]: found for found in VARIABLE.finditer(text()) if found["name"]}
    assert set(given) - {"COMPOSE_PROFILES"} == set(asked)
    assert given["COMPOSE_PROFILES"] in PROFILES
    for name, found in asked.items():
        secret = name.endswith("_PASSWORD")
        assert (found["kind"], given[name] == "") == (("?", True) if secret else ("-", False)), name
        assert secret or found["other"] == given[name]


ELSEWHERE = {
    "MONGO_DATABASE",
    "AMQP_PREFIX",
    "API_HOST",
    "API_PORT",
    "LOG_STYLE",
    *("LOG_FILE", "LOG_FILE_BYTES", "LOG_FILES"),  # the engine keeps a container's output, and its files are read-only
}  # the image and initiate.js set these
ONLY = {
    "auth": {"JWT_PRIVATE_KEY_FILE", "REFRESH_KEY_FILE", "RATE_LOGIN", "RATE_REGISTER", "RATE_RESET"},
    "media": {"MEDIA_URL", "RATE_UPLOAD", "RATE_PICTURE", "PICTURE_DECODERS"},
}


@pytest.mark.parametrize("name", API_SERVICES)
def test_every_setting_of_a_service_is_in_its_own_example_or_in_compose(name: str) -> None:
    given, environment = example(ROOT / f"deploy/env/{name}.env.example"), set(SERVICES[name]["environment"])
    assert not set(given) & environment, "the values of compose.yml win"
    others = set().union(*(each for whose, each in ONLY.items() if whose != name))
    wanted = [each for each in settings_of("api") if not each.names & (ELSEWHERE | others)]
    ways = set().union(*(each.names for each in wanted))
    assert set(given) | environment <= ways
    assert all(each.names & (set(given) | environment) for each in wanted), "a setting is in neither"
    assert not absent("api", environment, api_services=SERVICES[name]["environment"]["API_SERVICES"])
    for each, value in given.items():
        default = ApiSettings.model_fields[each.lower()].default
        default = "" if default is None else default
        assert value == (f"{default.quota}/{default.window_s}" if isinstance(default, Rate) else str(default))
    assert len(list((ROOT / "deploy/env").glob("*.env.example"))) == len(API_SERVICES)


def test_make_up_makes_every_password_once(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path)

    def made() -> dict[str, str]:
        subprocess.run(["sh", ROOT / "deploy/env.sh"], cwd=tmp_path, check=True, capture_output=True)
        assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
        return example(tmp_path / ".env")

    first = made()
    assert set(first) == set(example(ROOT / ".env.example"))
    passwords = [value for name, value in first.items() if name.endswith("_PASSWORD")]
    assert len(set(passwords)) == len(passwords) == 6
    assert all(re.fullmatch(r"[0-9a-f]{48}", each) for each in passwords)
    assert made() == first
    (tmp_path / ".env").write_text("PLAZA_PORT=80\nREDIS_PASSWORD=mine\nMONGO_PASSWORD=\n")
    then = made()
    assert (then["PLAZA_PORT"], then["REDIS_PASSWORD"]) == ("80", "mine")
    assert {name for name in then if name.endswith("_PASSWORD")} == {n for n in first if n.endswith("_PASSWORD")}
    filled = composed(first)
    assert first["REDIS_PASSWORD"] in filled["services"]["api-1"]["environment"]["REDIS_URL"]


async def test_redis_requires_its_password_and_keeps_its_data(tmp_path: Path) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    (port,) = free_ports(1)
    script = (ROOT / "deploy/redis/start.sh").read_text()
    here = f"{ROOT / 'deploy/redis/redis.conf'} --port {port} --bind 127.0.0.1 --dir {tmp_path}"
    (tmp_path / "start.sh").write_text(script.replace("/etc/plaza/redis.conf", here))
    env = {"REDIS_PASSWORD": "sesame", "PATH": os.environ["PATH"]}
    server = subprocess.Popen(["sh", "start.sh"], cwd=tmp_path, env=env, stdout=subprocess.DEVNULL)
    try:
        with redis_client.Redis(port=port, password="sesame") as client:

            async def answers() -> None:
                try:
                    client.ping()
                except redis_client.exceptions.ConnectionError as error:
                    raise AssertionError from error

            await eventually(answers)
            assert client.config_get("appendonly") == {"appendonly": "yes"}
        with (
            redis_client.Redis(port=port) as without_password,
            pytest.raises(redis_client.exceptions.AuthenticationError),
        ):
            without_password.ping()
        assert "sesame" not in Path(f"/proc/{server.pid}/cmdline").read_text()
    finally:
        server.terminate()
        assert server.wait(LONG_S) == 0
    assert list(tmp_path.glob("appendonlydir/*.aof"))


def test_mongo_starts_with_a_key_that_is_made_once(tmp_path: Path) -> None:
    (tmp_path / "docker-entrypoint.sh").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "docker-entrypoint.sh").chmod(0o755)
    script = (ROOT / "deploy/mongo/start.sh").read_text().replace("/data/configdb", str(tmp_path))
    command = ["bash", "-c", script]
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    first = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    key = (tmp_path / "keyfile").read_bytes()
    assert stat.S_IMODE((tmp_path / "keyfile").stat().st_mode) == 0o400
    assert re.fullmatch(rb"[A-Za-z0-9+/]{683}=", key), "6 to 1,024 characters of base64"
    assert first.startswith(f"mongod --replSet rs0 --keyFile {tmp_path}/keyfile ")
    assert first.endswith("--setParameter transactionLifetimeLimitSeconds=15\n")
    assert subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout == first
    assert (tmp_path / "keyfile").read_bytes() == key


def test_prometheus_asks_every_process_where_it_serves() -> None:
    jobs = yaml.safe_load((ROOT / "deploy/observability/prometheus.yml").read_text())["scrape_configs"]
    asked: dict[str, int] = {}
    for job in jobs:
        for found in job.get("dns_sd_configs", ()):
            asked |= dict.fromkeys(found["names"], found["port"])
        for found in job.get("static_configs", ()):
            asked |= {name: int(port) for name, _, port in (each.partition(":") for each in found["targets"])}
    assert {name: port for name, port in asked.items() if name in PROCESSES} == {
        name: PORTS[target(each)] for name, each in PROCESSES.items()
    }
    others = {"rabbitmq", "mongo-exporter", "redis-exporter", "nginx-exporter", "localhost"}
    assert set(asked) - set(PROCESSES) == others
    for name in set(asked) - {"localhost"}:
        assert networks(SERVICES[name]) & networks(SERVICES["prometheus"])
    assert "rabbitmq_prometheus" in (ROOT / "deploy/rabbitmq/enabled_plugins").read_text()
