"""An imitation of Kubernetes' API for Helm 4: objects are stored as they are applied, and nothing runs them.

Fields that Kubernetes lets nobody change are refused. What Helm asks for and this does not know is answered by 404.
"""

import json
import threading
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Document = dict[str, Any]

# The plural that the API has for each kind, by its group and version.
KINDS = {
    "v1": {
        **{"Secret": "secrets", "ConfigMap": "configmaps", "Service": "services", "ServiceAccount": "serviceaccounts"},
        **{"PersistentVolumeClaim": "persistentvolumeclaims", "Namespace": "namespaces", "Pod": "pods"},
    },
    "apps/v1": {"Deployment": "deployments", "StatefulSet": "statefulsets"},
    "batch/v1": {"Job": "jobs"},
    "autoscaling/v2": {"HorizontalPodAutoscaler": "horizontalpodautoscalers"},
    "policy/v1": {"PodDisruptionBudget": "poddisruptionbudgets"},
    "networking.k8s.io/v1": {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"},
    "keda.sh/v1alpha1": {"ScaledObject": "scaledobjects", "TriggerAuthentication": "triggerauthentications"},
}
PROTOBUF = b"k8s\0"
# What Kubernetes refuses to change in an object's spec.
FIXED = {
    "Deployment": ("selector",),
    "StatefulSet": ("selector", "serviceName", "volumeClaimTemplates", "podManagementPolicy"),
    "Job": ("template", "selector", "completions"),
    "Service": ("clusterIP",),
    "PersistentVolumeClaim": ("accessModes", "storageClassName"),
}


class Kubernetes:
    """The objects, by kind and name; all are in one namespace."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Document]] = defaultdict(dict)
        self.unknown: list[str] = []  # what was asked for and is not imitated
        self.url = ""

    def names(self, kind: str) -> set[str]:
        """Return the names of all objects of this kind."""
        return set(self.objects[kind])

    def configuration(self, folder: Path) -> Path:
        """Write the file that leads Helm here."""
        path = folder / "kubeconfig"
        there = {"name": "here", "cluster": {"server": self.url}}
        context = {"name": "here", "context": {"cluster": "here", "user": "here"}}
        kinds = {"apiVersion": "v1", "kind": "Config", "current-context": "here"}
        path.write_text(json.dumps({**kinds, "clusters": [there], "contexts": [context], "users": [{"name": "here"}]}))
        return path

    def answer(self, method: str, url: str, body: bytes) -> tuple[int, Document]:
        """Return the status and the answer to a request."""
        asked = urlsplit(url)
        words = asked.path.strip("/").split("/")
        if found := _discovered(words):
            return 200, found
        version = "/".join(words[1 : 2 if words[0] == "api" else 3])
        rest = words[2 if words[0] == "api" else 3 :]
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            rest = rest[2:]
        kind = {plural: kind for kind, plural in KINDS.get(version, {}).items()}.get(rest[0] if rest else "")
        if kind is None:
            self.unknown.append(f"{method} {asked.path}")
            return _refused(404, "NotFound", f"{asked.path} is not imitated")
        selector = parse_qs(asked.query).get("labelSelector", [""])[0]
        return self._object(method, kind, version, rest[1] if rest[1:] else None, body, selector)

    def _object(
        self, method: str, kind: str, version: str, name: str | None, body: bytes, selector: str
    ) -> tuple[int, Document]:
        kept = self.objects[kind]
        if method == "GET" and name is None:
            wanted = dict(each.split("=", 1) for each in selector.split(",") if "=" in each)
            items = [each for each in kept.values() if wanted.items() <= each["metadata"].get("labels", {}).items()]
            return 200, {"kind": f"{kind}List", "apiVersion": version, "metadata": {}, "items": items}
        given = _read(body) if method != "DELETE" else {}
        name = name or given["metadata"]["name"]
        if method in ("GET", "DELETE") and name not in kept:
            return _refused(404, "NotFound", f"{kind} {name} is not there")
        if method == "DELETE":
            return 200, kept.pop(name)
        if method == "GET":
            return 200, kept[name]
        if method == "POST" and name in kept:
            return _refused(409, "AlreadyExists", f"{kind} {name} is there already")
        before, after = kept.get(name, {}).get("spec", {}), given.get("spec", {})
        for field in FIXED.get(kind, ()) if before else ():
            if before.get(field) != after.get(field):
                return _refused(422, "Invalid", f"{kind} {name}: {field} is immutable")
        for key, value in given.pop("stringData", {}).items():
            given.setdefault("data", {})[key] = b64encode(str(value).encode()).decode()
        given["metadata"] |= {"uid": f"{kind}-{name}", "resourceVersion": "1"}
        kept[name] = given
        return 201 if method == "POST" else 200, given


def _read(body: bytes) -> Document:
    """Return the object of a request: YAML or JSON, or a Secret in protobuf, in which Helm keeps a release."""
    if not body.startswith(PROTOBUF):
        return dict(yaml.load(body, Loader=yaml.CSafeLoader) or {})
    secret = _fields(_fields(body[len(PROTOBUF) :])[2][0])
    metadata = _fields(secret[1][0])
    data = {key: b64encode(value).decode() for key, value in _entries(secret[2])}
    labels = {key: value.decode() for key, value in _entries(metadata[11])}
    named = {"name": metadata[1][0].decode(), "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": named, "data": data, "type": secret[3][0].decode()}


def _entries(entries: list[bytes]) -> Iterator[tuple[str, bytes]]:
    for fields in map(_fields, entries):
        yield fields[1][0].decode(), fields[2][0]


def _fields(message: bytes) -> dict[int, list[bytes]]:
    """Return the fields of a message in protobuf that have a length, by their numbers."""
    found: dict[int, list[bytes]] = defaultdict(list)
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(message):
        tag = number()
        length = number()
        if tag & 7 == 2:
            found[tag >> 3].append(message[at : at + length])
            at += length
    return found


def _discovered(words: list[str]) -> Document | None:
    """Return what the API says of itself."""
    if words == ["version"]:
        return {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}
    if words == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if words == ["apis"]:
        versions = [
            {"groupVersion": version, "version": version.partition("/")[2]} for version in KINDS if "/" in version
        ]
        groups = [{"name": each["groupVersion"].partition("/")[0], "versions": [each]} for each in versions]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    version = "/".join(words[1:])
    if version not in KINDS:
        return None
    resources = [
        {"name": plural, "singularName": kind.lower(), "namespaced": kind != "Namespace", "kind": kind, "verbs": VERBS}
        for kind, plural in KINDS[version].items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}


VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


def _refused(code: int, reason: str, message: str) -> tuple[int, Document]:
    said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "metadata": {}}
    return code, said | {"code": code, "reason": reason, "message": message}


@contextmanager
def imitated() -> Iterator[Kubernetes]:
    """Serve an empty Kubernetes on this machine."""
    cluster = Kubernetes()

    class Handler(BaseHTTPRequestHandler):
        """Hands every request over."""

        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = cluster.answer(self.command, self.path, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    cluster.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
