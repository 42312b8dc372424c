"""The processes of a cluster: how many of each, their ports, and their settings."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from api.settings import SERVICES, ApiSettings
from devtools.cluster.ports import free_ports
from devtools.cluster.settings import ClusterSettings
from embedded.settings import LOCAL_ORIGINS, EmbeddedRest
from realtime.settings import Settings as RealtimeSettings
from social.infra.security.keyfiles import JWKS, JWT_PRIVATE_KEY, PID_KEY, REFRESH_KEY
from social.infra.settings import PlazaSettings
from social.infra.spellings import spellings
from workers.settings import WorkerSettings

LOOPBACK = "127.0.0.1"
KINDS: Mapping[str, type[PlazaSettings]] = {"api": ApiSettings, "realtime": RealtimeSettings, "workers": WorkerSettings}
PATIENCE_S = 10.0  # that a process may take to stop after its drain


@dataclass(frozen=True)
class Process:
    """A process: `python -m <module>`, its port, and the settings of its own."""

    name: str
    module: str
    port: int
    settings: Mapping[str, str]
    services: tuple[str, ...] = ()  # of the API

    @property
    def command(self) -> list[str]:
        """The command that starts the process."""
        return [sys.executable, "-m", self.module]

    @property
    def address(self) -> str:
        """The address where the process listens; a restart keeps its port, so nginx needs no new configuration."""
        return f"{LOOPBACK}:{self.port}"


def processes(settings: ClusterSettings, folder: Path, servers: Mapping[str, str]) -> list[Process]:
    """Return all of Plaza's processes over these servers, in the order of their replacement: consumers first."""
    together = settings.services == "together"
    kinds = {"api": SERVICES} if together else {service: (service,) for service in SERVICES}
    counts = {"workers": settings.workers_processes, "realtime": settings.realtime_processes}
    counts |= dict.fromkeys(kinds, settings.api_processes if together else 1)
    shared = {**servers, **_shared(settings, folder)}
    names = [(kind, f"{kind}-{number}") for kind, count in counts.items() for number in range(1, count + 1)]
    made = []
    for (kind, name), port in zip(names, free_ports(len(names)), strict=True):
        module, services = (kind, ()) if kind in ("workers", "realtime") else ("api", kinds[kind])
        own = {f"{module.upper()}_HOST": LOOPBACK, f"{module.upper()}_PORT": str(port)}
        if module == "realtime":
            own |= {"NODE_NAME": name, "JWT_JWKS": str(folder / JWKS), "PID_KEY": (folder / PID_KEY).read_text()}
        elif module == "api":
            own |= {"API_SERVICES": ",".join(services), "REALTIME_PORT": str(settings.port), **_keys(services, folder)}
        own |= {**shared, **_log_file(name)}
        made.append(Process(name, module, port, {**_silenced(KINDS[module], own), **own}, services))
    return made


def _silenced(kind: type[PlazaSettings], own: Mapping[str, str]) -> dict[str, str]:
    """Return the other variables of settings that a process gets, as empty ones: it inherits this environment."""
    given = [each for each in spellings(kind) if any(name.upper() in own for name in each.all)]
    names = {name.upper() for each in given for name in (*each.all, each.platform) if name}
    return dict.fromkeys(names - own.keys(), "")


def _log_file(name: str) -> dict[str, str]:
    """Return a log file of this process, beside the file that LOG_FILE names: two may not write to one file."""
    named = os.environ.get("LOG_FILE")
    return {"LOG_FILE": str(Path(named).with_name(f"{name}-{Path(named).name}"))} if named else {}


def _keys(services: tuple[str, ...], folder: Path) -> dict[str, str]:
    """Return the settings of keys; only a process that serves auth gets secrets."""
    if "auth" not in services:
        return {"JWT_JWKS": str(folder / JWKS)}
    return {"JWT_PRIVATE_KEY_FILE": str(folder / JWT_PRIVATE_KEY), "REFRESH_KEY_FILE": str(folder / REFRESH_KEY)}


def _shared(settings: ClusterSettings, folder: Path) -> dict[str, str]:
    """Return the settings of all processes; `defaults` give way to the environment, which also names all others."""
    here = f"http://localhost:{settings.port}"
    rates = {name: EmbeddedRest.model_fields[name].default for name in ("rate_login", "rate_register")}
    defaults = {
        "MEDIA_URL": f"file:{folder / 'media'}",
        "MAILER_URL": f"file:{folder / 'mail'}",
        "MAIL_LINKS": here,
        "ORIGINS": ",".join(LOCAL_ORIGINS),
        **{name.upper(): f"{rate.quota}/{rate.window_s}" for name, rate in rates.items()},
    }
    return {
        "MONGO_DATABASE": settings.mongo_database,
        "DRAIN_S": f"{settings.drain_s:g}",
        "TRUSTED_PROXIES": f"{LOOPBACK}/32",
        **{name: value for name, value in defaults.items() if not os.environ.get(name)},
    }
