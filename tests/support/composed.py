"""compose.yml as an engine would read it: variables filled in, profiles chosen."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"\$\$|\$\{(?P<name>[A-Z_]+)(?::(?P<kind>[-?])(?P<other>[^}]*))?\}")
PROFILES = ("whole", "microservices", "observability")


def text() -> str:
    """Return the file."""
    return (ROOT / "compose.yml").read_text()


def composed(variables: Mapping[str, str] | None = None) -> Any:
    """Return the file with its variables filled in: the passwords it requires, else its defaults."""
    given = variables or {}

    def fill(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name, kind = found["name"], found["kind"]
        if given.get(name):
            return given[name]
        assert kind, f"{name} has neither a default nor a word on where it comes from"
        return str(found["other"]) if kind == "-" else "0" * 48

    return _filled(yaml.safe_load(text()), fill)


def _filled(node: Any, fill: Any) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, fill) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(each, fill) for each in node]
    return VARIABLE.sub(fill, node) if isinstance(node, str) else node


def example(path: Path) -> dict[str, str]:
    """Return the variables of an example, those that are commented out too."""
    found = re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", path.read_text(), re.M)
    return dict(found)


SERVICES: dict[str, Any] = composed()["services"]
OURS = {name: each for name, each in SERVICES.items() if "build" in each}
PROCESSES = {name: each for name, each in OURS.items() if each["build"]["target"] != "operator"}


def started(*profiles: str) -> dict[str, Any]:
    """Return the services that `up` starts with these profiles."""
    return {
        name: each
        for name, each in SERVICES.items()
        if not each.get("profiles") or set(each["profiles"]) & set(profiles)
    }


def networks(service: Mapping[str, Any]) -> set[str]:
    """Return the networks of a service."""
    return set(service.get("networks", ()))
