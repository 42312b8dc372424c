"""nginx's configuration for any set of processes: the files of nginx/, and a generated topology."""

import resource
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from api.settings import SERVICES
from devtools.generate.locations import DOCS, WRITTEN
from social.infra.settings import StartError

HERE = Path(__file__).parents[2]
SOURCE = HERE / "nginx"
WHOLE_DOCUMENT = HERE / "docs" / "openapi.json"

PROCESS_CONF, TOPOLOGY_CONF, MICROSERVICES_CONF = "process.conf", "topology.conf", "microservices.conf"
MOST_FILES = 32_768

BYTE = "25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9]"  # as an address is written, in a regular expression
# A balancer must close an idle connection before nginx does, or the next request meets a closed one.
BEHIND_A_BALANCER = "    keepalive_timeout 300s;\n    keepalive_requests 1000000;\n"
ANY = "gateways"  # the upstream of sockets without a session yet


@dataclass(frozen=True)
class ByAddress:
    """Gateways whose NODE_NAME is `ip-` and their IPv4 address: a session id leads to it without a list of gateways.

    `newcomers`: the servers of sockets without a session yet. `network`: the first two numbers of every address that a
    session id may lead to, `10.0`; a firewall must let nginx reach nothing but gateways on that `port`.
    """

    newcomers: Sequence[str]
    network: str
    port: int = 8081


@dataclass(frozen=True)
class Topology:
    """The servers that nginx leads to, each as `host:port`, and the addresses it listens on.

    `services`: the servers of each of the API's services. `nodes`: the server of each gateway, by its NODE_NAME.
    `listen`: addresses as nginx takes them, `8080` or `127.0.0.1:8080`. `unlimited`: networks whose requests and
    connections are not counted. `resolver`: a DNS server; hosts may then be names, which are resolved again and again
    and need not exist when nginx starts (nginx ≥ 1.27.3). `access_log`: a file, relative to the folder nginx runs in.
    `documents`: a folder with the openapi.json of all services, needed where no process serves all of them. `status`:
    an address where `/status` shows the number of connections to an exporter; clients must not reach it. `by_address`:
    gateways that are named by their address, beside `nodes`. `balancers`: networks of load balancers in front, whose
    X-Forwarded-For and X-Forwarded-Proto are believed. `ipv6`: whether DNS is asked for IPv6 addresses too.
    `newcomers`: the servers of sockets without a session yet, all `nodes` by default.
    """

    services: Mapping[str, Sequence[str]]
    nodes: Mapping[str, str]
    listen: Sequence[str] = ("8080",)
    unlimited: Sequence[str] = ()
    resolver: str | None = None
    access_log: str = "access.log"
    documents: str = "."
    status: str | None = None
    by_address: ByAddress | None = None
    balancers: Sequence[str] = ()
    ipv6: bool = False
    newcomers: Sequence[str] = ()

    @property
    def split(self) -> bool:
        """Whether services run in processes of their own, so that none serves all."""
        return len({tuple(self.services[service]) for service in SERVICES}) > 1


def program() -> str | None:
    """Return the path of nginx, or None; Debian installs it where only root's PATH leads."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def prepare(folder: Path, topology: Topology) -> list[str]:
    """Write nginx's files into the folder, and return the command that runs it there in the foreground.

    Raises StartError where nginx is not installed. After another `prepare` of this folder, SIGHUP has the running nginx
    load it without dropping a request: to replace a process, leave its server out, send SIGHUP, and only then stop it.
    """
    nginx = program()
    if nginx is None:
        raise StartError("nginx is not installed: apt-get install nginx")
    folder = folder.resolve()
    conf = folder / "conf"
    only_containers = shutil.ignore_patterns("*.md", "tls", MICROSERVICES_CONF)
    shutil.copytree(SOURCE, conf, ignore=only_containers, dirs_exist_ok=True)
    (conf / TOPOLOGY_CONF).write_text(render(topology))
    if topology.split:
        shutil.copy(WHOLE_DOCUMENT, folder)
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    (conf / PROCESS_CONF).write_text(process(MOST_FILES if allowed < 0 else min(MOST_FILES, allowed)))
    return [nginx, "-p", f"{folder}/", "-e", "stderr", "-c", str(conf / "nginx.conf"), "-g", "daemon off;"]


def process(files: int) -> str:
    """Return `process.conf` for so many open files: half as many clients, as each may need a connection to a server."""
    return f"{WRITTEN}worker_rlimit_nofile {files};\nevents {{ worker_connections {files // 2}; }}\n"


def render(topology: Topology) -> str:
    """Return `topology.conf`; raises ValueError where a service has no server, or nginx no address to listen on."""
    missing = [service for service in SERVICES if not topology.services.get(service)]
    gateways = list(topology.newcomers or topology.nodes.values())
    gateways += topology.by_address.newcomers if topology.by_address else ()
    if missing or not gateways or not topology.listen:
        raise ValueError(f"nowhere to listen, or no server for {', '.join(missing) or 'sockets'}")
    upstreams = {service: list(topology.services[service]) for service in SERVICES}
    upstreams[DOCS] = upstreams[SERVICES[0]]
    parts = [
        WRITTEN,
        _resolver(topology),
        _exempt(topology),
        _scheme(topology),
        f"access_log {topology.access_log} access;\n",
    ]
    parts += [_upstream(name, servers, topology, kept_s=10) for name, servers in upstreams.items()]
    parts.append(_upstream(ANY, gateways, topology, kept_s=5))
    parts += [_upstream(_node(name), [server], topology, kept_s=5) for name, server in topology.nodes.items()]
    return "".join([*parts, _sticky(topology), _server(topology)])


def _resolver(topology: Topology) -> str:
    if topology.resolver is None:
        return ""
    families = "" if topology.ipv6 else " ipv6=off"
    return f"resolver {topology.resolver} valid=5s{families};\nresolver_timeout 2s;\n"


def _exempt(topology: Topology) -> str:
    exempt = "".join(f'    {network} "";\n' for network in topology.unlimited)
    counted = f"geo $counted {{\n    default yes;\n{exempt}}}\n"
    return counted + 'map $counted $address {\n    yes     $binary_remote_addr;\n    default "";\n}\n'


def _scheme(topology: Topology) -> str:
    """Return the scheme that a client used: its connection to nginx has it, or the balancer in front says so."""
    if not topology.balancers:
        return "map $scheme $client_scheme {\n    default $scheme;\n}\n"
    networks = "".join(f"    {network} 1;\n" for network in topology.balancers)
    believed = "".join(f"set_real_ip_from {network};\n" for network in topology.balancers)
    return (
        f"{believed}real_ip_header X-Forwarded-For;\n"
        f"geo $realip_remote_addr $balanced {{\n    default 0;\n{networks}}}\n"
        'map "$balanced $http_x_forwarded_proto" $client_scheme {\n    "1 https" https;\n    default   $scheme;\n}\n'
    )


def _upstream(name: str, servers: list[str], topology: Topology, *, kept_s: int) -> str:
    """Return an upstream that keeps idle connections for `kept_s`, which is less than its servers keep them.

    aiohttp keeps them for 15 s (`PATIENCE_S`), uWebSockets for 10 s. A server that failed stays in the rotation: else a
    client that can make a server fail could take all of them out. A server that is away refuses at once, and
    `least_conn` sends fewer and fewer requests to a server that hangs.
    """
    resolve = " resolve" if topology.resolver else ""
    lines = "".join(f"    server {server} max_fails=0{resolve};\n" for server in servers)
    return (
        f"upstream {name} {{\n    zone {name} 64k;\n    least_conn;\n{lines}"
        f"    keepalive 16;\n    keepalive_timeout {kept_s}s;\n}}\n"
    )


def _node(name: str) -> str:
    return f"node_{name}"


def _sticky(topology: Topology) -> str:
    """Return the map from a session id, `<node>.<secret>` (realtime/engine/sessions.py), to the gateway of its node."""
    nodes = "".join(f'    "~^{name}\\." {_node(name)};\n' for name in topology.nodes)
    if (named := topology.by_address) is not None:
        first, second = named.network.split(".")
        pattern = f"^ip-(?<n1>{first})-(?<n2>{second})-(?<n3>{BYTE})-(?<n4>{BYTE})\\."
        nodes += f'    "~{pattern}" $n1.$n2.$n3.$n4:{named.port};\n'
    return f"map $arg_sid $gateway {{\n{nodes}    default {ANY};\n}}\n"


def _server(topology: Topology) -> str:
    listen = "".join(f"    listen {address};\n" for address in topology.listen)
    if topology.split:
        whole = f"default_type application/json; root {topology.documents}; error_page 403 404 = @{DOCS};"
        documents = (
            f"    location = /openapi.json {{ {whole} }}\n    location @{DOCS} {{ proxy_pass http://{DOCS}; }}\n"
        )
    else:
        documents = f"    location = /openapi.json {{ proxy_pass http://{DOCS}; }}\n"
    kept = BEHIND_A_BALANCER if topology.balancers else ""
    served = f"server {{\n{listen}{kept}    include server.conf;\n{documents}}}\n"
    if topology.status is None:
        return served
    near = "".join(f"allow {network}; " for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
    counters = f"location = /status {{ {near}deny all; stub_status; access_log off; }}"
    return f"{served}server {{\n    listen {topology.status};\n    {counters}\n    location / {{ return 404; }}\n}}\n"


COMPOSE = Topology(
    services={service: ["api:8080"] for service in SERVICES},
    nodes={name: f"{name}:8081" for name in ("realtime-1", "realtime-2")},
    resolver="127.0.0.11",
    access_log="/dev/stdout",
    status="8079",
)
MICROSERVICES = replace(
    COMPOSE, services={service: [f"{service}:8080"] for service in SERVICES}, documents="/usr/share/plaza"
)
AWS = Topology(
    services={service: ["api.plaza.internal:8080"] for service in SERVICES},
    nodes={},
    resolver="@RESOLVER@",  # deploy/aws/nginx/start.sh fills in what the network of the task says
    access_log="/dev/stdout",
    status="8079",
    by_address=ByAddress(newcomers=["realtime.plaza.internal:8081"], network="10.@VPC_NUMBER@"),
    balancers=["10.@VPC_NUMBER@.0.0/16"],
)
