"""The network of the Helm chart: nginx is configured as by `make cluster`, and NetworkPolicies guard the rest."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from conftest import require
from support.charts import (
    NAMESPACE,
    RELEASE,
    VALUES,
    Document,
    Helm4,
    helm,
    name,
    of_kind,
    pods,
    selects,
    setting,
    text,
)
from support.nginx import Nginx

from api.settings import SERVICES
from devtools.generate import nginx
from devtools.generate.helm.chart import CHART
from devtools.generate.nginx import COMPOSE, MICROSERVICES_CONF, SOURCE, TOPOLOGY_CONF, Topology

Arrow = tuple[str, str, int]

METRICS = {"api": 8080, "realtime": 8081, "workers": 8082}

RENDERED = [values for values in VALUES if values != "minimal"]  # its policies are off
ALONE = {"default": f"{RELEASE}-", "split": f"{RELEASE}-", "minimal": f"{RELEASE}-", "full": f"{RELEASE}-square-"}


@pytest.fixture(autouse=True)
def needs() -> None:
    require(Helm4)


def files(values: str) -> dict[str, str]:
    """Return nginx' files as its container finds them."""
    (found,) = [each for each in of_kind(values, "ConfigMap") if name(each).endswith("-nginx")]
    return dict(found["data"])


def topology(values: str) -> Topology:
    """Return where nginx should lead, by the pods that are there."""
    host = f"{ALONE[values]}%s.{NAMESPACE}.svc.cluster.local:%s"
    services: dict[str, list[str]] = {}
    for process, pod in pods(values):
        if process == "api":
            component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
            served = (setting(pod["spec"]["containers"][0], "API_SERVICES") or ",".join(SERVICES)).split(",")
            services |= {service: [host % (component, 8080)] for service in served}
    gateways = {"minimal": 1, "full": 40, "split": 10}.get(values, 2)  # of a set that scales all that it may have
    return Topology(
        services,
        {f"realtime-{at}": f"{ALONE[values]}realtime-{at}." + host % ("realtime-all", 8081) for at in range(gateways)},
        listen=["8080", "[::]:8080"] if values == "full" else ["8080"],
        unlimited=["10.9.0.0/24"] if values == "full" else [],
        resolver="kube-dns.kube-system.svc.cluster.local",
        access_log="/dev/stdout",
        documents="/usr/share/plaza",
        status=COMPOSE.status,
        ipv6=values == "full",
        newcomers=[host % ("realtime", 8081)],
        balancers=["10.42.0.0/16"] if values == "full" else [],
    )


@pytest.mark.parametrize("values", ALONE)
def test_nginx_is_what_the_cluster_runs_with_other_addresses(values: str) -> None:
    own = files(values)
    assert own.pop(TOPOLOGY_CONF) == nginx.render(topology(values))
    left_out = {TOPOLOGY_CONF, MICROSERVICES_CONF}
    assert own == {path.name: path.read_text() for path in SOURCE.glob("*.conf") if path.name not in left_out}


@pytest.mark.parametrize("values", ALONE)
def test_nginx_asks_for_names_that_there_are(values: str) -> None:
    hosts = {server.partition(":")[0] for server in re.findall(r"server (\S+) max_fails", files(values)[TOPOLOGY_CONF])}
    services = {f"{name(each)}.{NAMESPACE}.svc.cluster.local": each for each in of_kind(values, "Service")}
    (gateways,) = of_kind(values, "StatefulSet")
    behind = gateways["spec"]["serviceName"]
    for host in hosts:
        pod, _, service = host.partition(".")
        alone = service in services
        found = services[service if alone else host]
        assert found["spec"]["clusterIP"] == "None", "nginx shall find pods, not one address for all"
        assert found["spec"].get("publishNotReadyAddresses", False) == alone, (
            "a gateway that drains has polls to answer"
        )
        assert not alone or (name(found), re.sub(r"\d+$", "", pod)) == (behind, f"{name(gateways)}-")


@pytest.mark.parametrize("values", ["default", "split", "full"])
def test_nginx_takes_its_files(values: str, tmp_path: Path) -> None:
    """Debian's nginx is too old for `resolve` and finds no pod: that part of each line is left out."""
    require(Nginx)
    for path, content in files(values).items():
        (tmp_path / path).write_text(content)
    text = re.sub(
        r"server \S+:(\d+) max_fails=0 resolve;", r"server 127.0.0.1:\1 max_fails=0;", files(values)[TOPOLOGY_CONF]
    )
    (tmp_path / TOPOLOGY_CONF).write_text(re.sub(r"^resolver .*\n", "", text, flags=re.M))
    (deployment,) = [each for each in of_kind(values, "Deployment") if name(each).endswith("-nginx")]
    command = deployment["spec"]["template"]["spec"]["containers"][0]["command"]
    program, *words = [
        word.replace("/tmp/", f"{tmp_path}/").replace("/etc/nginx/plaza", str(tmp_path)) for word in command
    ]
    done = subprocess.run([nginx.program() or program, *words, "-t"], capture_output=True, text=True, check=False)
    assert (done.returncode, "syntax is ok" in done.stderr) == (0, True), done.stderr


def test_other_files_make_other_pods_of_nginx(tmp_path: Path) -> None:
    """A container finds its new files, but nginx has read the old ones."""
    chart = Path(shutil.copytree(CHART, tmp_path / "plaza"))
    (chart / "files/nginx/limits.conf").write_text("# other limits\n")
    done = helm(Helm4, "template", RELEASE, chart, "--namespace", NAMESPACE)
    (after,) = re.findall(r"plaza/configuration: (\w+)", done.stdout)
    (before,) = re.findall(r"plaza/configuration: (\w+)", text("default"))
    assert after != before


def test_tls_ends_in_nginx_where_a_secret_has_the_certificate() -> None:
    (deployment,) = [each for each in of_kind("full", "Deployment") if name(each).endswith("-nginx")]
    sources = next(each for each in deployment["spec"]["template"]["spec"]["volumes"] if "projected" in each)
    paths = {
        item["path"]
        for each in sources["projected"]["sources"]
        for one in each.values()
        for item in one.get("items", [])
    }
    asked = re.findall(r"^ssl_certificate\S* (\S+);", (SOURCE / "tls.conf").read_text(), re.M)
    assert paths == {"tls/tls.conf", *asked}
    (service,) = [each for each in of_kind("full", "Service") if name(each).endswith("-nginx")]
    assert {each["name"]: each["port"] for each in service["spec"]["ports"]} == {"http": 8080, "https": 443}


def arrows(values: str) -> set[Arrow]:
    """Return who may reach whom at which port: both ends allow it, or one end is outside."""
    policies = of_kind(values, "NetworkPolicy")
    running = {pod["metadata"]["labels"]["plaza/process"]: pod["metadata"]["labels"] for _, pod in pods(values)}
    sends = {process: set(allowed(policies, labels, "egress", "to", running)) for process, labels in running.items()}
    takes = {process: set(allowed(policies, labels, "ingress", "from", running)) for process, labels in running.items()}
    found = {(one, other, port) for one in running for other, port in sends[one] if other not in running}
    found |= {(other, one, port) for one in running for other, port in takes[one] if other not in running}
    return found | {
        (one, other, port)
        for one in running
        for other, port in sends[one]
        if other in running and (one, port) in takes[other]
    }


def allowed(
    policies: list[Document], labels: dict[str, str], way: str, peers: str, running: dict[str, dict[str, str]]
) -> Iterator[tuple[str, int]]:
    """Yield the processes, or what is outside, that policies let a pod of these labels reach or be reached from."""
    applied = [each["spec"] for each in policies if selects(each["spec"]["podSelector"]["matchLabels"], labels)]
    assert [each["policyTypes"] for each in applied] == [["Ingress", "Egress"]] * 2, "all is refused, then some allowed"
    for rule in (rule for spec in applied for rule in spec.get(way) or []):
        for port in rule["ports"]:
            for peer in rule.get(peers) or [{}]:
                if inside := peer.get("podSelector"):
                    assert set(peer) == {"podSelector"}
                    for process in [other for other, its in running.items() if selects(inside["matchLabels"], its)]:
                        yield process, port["port"]
                else:
                    yield str(peer.get("ipBlock", peer.get("namespaceSelector", "anywhere"))), port["port"]


def expected(values: str) -> set[Arrow]:
    """Return the arrows of docs/architecture.md, and who reads metrics."""
    ours = ("api", "realtime", "workers", "migration")
    found: set[Arrow] = {("nginx", "api", 8080), ("nginx", "realtime", 8081)}
    mongo, redis, broker, dns = (("anywhere", port) for port in ([27017], [6379], [5671, 5672], [53]))
    if values == "trial":
        mongo, redis, broker = ("mongodb", [27017]), ("redis", [6379]), ("rabbitmq", [5672])
        found |= {("mongodb-init", "mongodb", 27017), ("mongodb", "mongodb", 27017), ("mongodb", *("anywhere", 53))}
        found |= {("mongodb-init", "anywhere", 53)}
    if values == "split":
        broker = ("anywhere", [443])
        found |= {(namespace("monitoring"), process, port) for process, port in METRICS.items()}
    if values == "full":
        mongo, dns = (str({"cidr": "10.1.0.0/16"}), [27017]), (namespace("kube-system"), [53])
        found |= {(process, "anywhere", 4318) for process in ours}
        found |= {(process, str({"cidr": "169.254.170.23/32"}), 80) for process in ours}
        found |= {(namespace("ingress"), "nginx", port) for port in (8080, 8443)}
        read = METRICS | {"nginx": 9113}
        found |= {(namespace("monitoring"), process, port) for process, port in read.items()}
    else:
        found |= {("anywhere", "nginx", 8080)}
    found |= {(process, dns[0], 53) for process in (*ours, "nginx")}
    found |= {(process, mongo[0], port) for process in ours for port in mongo[1]}
    found |= {(process, to, port) for process in ours[:3] for to, ports in (redis, broker) for port in ports}
    if values in ("split", "full"):
        found |= {(process, "anywhere", 443) for process in ("api", "workers")}
        found |= {("workers", "anywhere", port) for port in (465, 587)}
    return found


def namespace(called: str) -> str:
    return str({"matchLabels": {"kubernetes.io/metadata.name": called}})


@pytest.mark.parametrize("values", RENDERED)
def test_network_policies_allow_the_arrows_of_the_architecture_and_no_other(values: str) -> None:
    assert sorted(arrows(values)) == sorted(expected(values))


def test_the_processes_believe_nginx_and_no_public_address() -> None:
    (api,) = [pod["spec"]["containers"][0] for process, pod in pods("default") if process == "api"]
    networks = (setting(api, "TRUSTED_PROXIES") or "").split(",")
    assert networks
    assert not any(ip_network(network).is_global for network in networks)


def test_only_nginx_is_led_to_from_outside() -> None:
    assert {name(each) for each in of_kind("full", "Ingress", "HTTPRoute")} == {f"{RELEASE}-square-nginx"}
    for each in of_kind("full", "Service"):
        outside = each["spec"].get("type", "ClusterIP") != "ClusterIP"
        assert outside == name(each).endswith("-nginx")
    (ingress,) = of_kind("full", "Ingress")
    (route,) = of_kind("full", "HTTPRoute")
    leads = [ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"]]
    leads += [each["name"] for each in route["spec"]["rules"][0]["backendRefs"]]
    assert set(leads) == {f"{RELEASE}-square-nginx"}
