"""`values.schema.json`: what may be set in a chart, so that a typing error is refused with its path."""

from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from api.settings import SERVICES, ApiSettings
from realtime.settings import Settings as RealtimeSettings
from social.infra.settings import Connections
from workers.settings import ROLES, WorkerSettings

Schema = dict[str, Any]

# Settings that the chart decides by other values, so that none can be set twice.
DECIDED = {
    *("MONGO_URL", "REDIS_URL", "AMQP_URL", "BROKER_URL", "WORKER_PARTITIONS", "DRAIN_S", "TRUSTED_PROXIES", "ORIGINS"),
    *("JWT_JWKS", "JWKS", "JWT_PRIVATE_KEY", "JWT_PRIVATE_KEY_FILE", "REFRESH_KEY", "REFRESH_KEY_FILE"),
    *("PID_KEY", "PID_KEY_FILE", "PORT", "API_PORT", "REALTIME_PORT", "WORKERS_PORT", "API_SERVICES", "WORKER_ROLES"),
    *("NODE_NAME", "MEDIA_URL", "MAILER_URL", "MAIL_FROM", "MAIL_LINKS"),
    *("MONGO_URL_FILE", "REDIS_URL_FILE", "BROKER_URL_FILE", "MAILER_URL_FILE"),
}

TEXT: Schema = {"type": "string"}
GIVEN: Schema = {"type": "string", "minLength": 1}
YES_NO: Schema = {"type": "boolean"}
WORDS: Schema = {"type": "object", "additionalProperties": TEXT}  # labels, annotations
LABELS: Schema = WORDS | {
    "patternProperties": {r"^(app\.kubernetes\.io|helm\.sh|plaza)/": False}
}  # not the chart's own
ANYTHING: Schema = {"type": "object"}  # checked by Kubernetes, whose shape it has
OBJECTS: Schema = {"type": "array", "items": ANYTHING}
NETWORKS: Schema = {"type": "array", "items": {"type": "string", "pattern": r"^[0-9a-fA-F.:]+/[0-9]{1,3}$"}}
SIZE: Schema = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti)$"}
PORTS: Schema = {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}}
IMAGE: Schema = {"type": "string", "pattern": r"^[a-z0-9][a-zA-Z0-9._/:@-]*$"}
URL: Schema = {"type": "string", "pattern": r"^https?://[^/]+/?$"}
AMOUNTS: Schema = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
ENTRY: Schema = {"type": "string", "pattern": r"^[-._a-zA-Z0-9]+$"}


def closed(**properties: Schema) -> Schema:
    """Return the schema of an object with these properties and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


def one_of(*values: str) -> Schema:
    """Return the schema of a text that is one of these."""
    return {"enum": list(values)}


def number(least: int = 0, most: int | None = None) -> Schema:
    """Return the schema of a whole number."""
    return {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})


SETTINGS: dict[str, type[BaseSettings]] = {
    "api": ApiSettings,
    "realtime": RealtimeSettings,
    "workers": WorkerSettings,
    "all": Connections,
}


def schema() -> Schema:
    """Return the schema of all values."""
    pod = _pod()
    api = pod | _process("api") | {"serviceAnnotations": WORDS}
    realtime = pod | _process("realtime") | {"serviceAnnotations": WORDS}
    workers = pod | _process("workers")
    top = closed(
        nameOverride=TEXT,
        fullnameOverride=TEXT,
        commonLabels=LABELS,
        clusterDomain=GIVEN,
        url=URL,
        origins={"type": "array", "items": GIVEN},
        trustedProxies=NETWORKS,
        partitions=number(1, 64),
        settings=_settings("all"),
        image=closed(registry=TEXT, tag=_tag(), pullPolicy=one_of("Always", "IfNotPresent", "Never")),
        pod=closed(**pod),
        api=closed(**api, groups=_groups("services", SERVICES, api)),
        realtime=closed(**realtime),
        workers=closed(**workers, groups=_groups("roles", ROLES, workers)),
        nginx=_nginx(pod),
        migration=_migration(pod),
        # Where this chart is part of another, which may switch it off and hands on what all its parts share.
        enabled=YES_NO,
        **{"global": ANYTHING},
        **_servers(),
        **_around(),
    )
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart plaza"}
    return {**head, **top, "definitions": {name: settings_of(kind) for name, kind in SETTINGS.items()}}


def _settings(process: str) -> Schema:
    return {"$ref": f"#/definitions/{process}"}


def settings_of(kind: type[BaseSettings]) -> Schema:
    """Return the schema of a process' settings by name, without those that the chart decides."""
    fields = {name.upper(): each for name, each in kind.model_fields.items()}
    return closed(**{name: _setting(each) for name, each in sorted(fields.items()) if name not in DECIDED})


def _setting(each: FieldInfo) -> Schema:
    described: Schema = {"description": each.description} if each.description else {}
    kind = each.annotation
    if get_origin(kind) is Literal:
        return described | one_of(*get_args(kind))
    if kind not in (int, float):
        return described | {"type": ["string", "number", "boolean"]}
    limits: Schema = {"type": "integer" if kind is int else "number"}
    for mark in each.metadata:
        for bound, word in BOUNDS.items():
            if (value := getattr(mark, bound, None)) is not None:
                limits[word] = value
    return described | limits


def _tag() -> Schema:
    return {"type": "string", "pattern": r"^[a-zA-Z0-9_][a-zA-Z0-9._-]*$|^$"}


def _pod() -> Schema:
    lists = (
        *("imagePullSecrets", "tolerations", "topologySpreadConstraints", "extraEnv", "extraEnvFrom", "extraVolumes"),
        *("extraVolumeMounts", "extraContainers", "extraInitContainers"),
    )
    contexts = ("affinity", "podSecurityContext", "containerSecurityContext")
    return {
        **dict.fromkeys(("podAnnotations", "annotations", "nodeSelector"), WORDS),
        "podLabels": LABELS,
        "priorityClassName": TEXT,
        **dict.fromkeys(contexts, ANYTHING),
        **dict.fromkeys(lists, OBJECTS),
    }


def _resources() -> Schema:
    return closed(requests=AMOUNTS, limits=AMOUNTS) | {"required": ["requests", "limits"]}


def _scaled() -> dict[str, Schema]:
    """Return what processes and nginx have in common."""
    scaling = closed(
        enabled=YES_NO, minReplicas=number(1), maxReplicas=number(1), targetCPU=number(1, 100), behavior=ANYTHING
    )
    away: Schema = {"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]{1,3}%$"}
    return {
        "image": IMAGE,
        "replicas": number(0),
        "resources": _resources(),
        "preStopSeconds": number(0, 300),
        "drainSeconds": number(0, 600),
        "autoscaling": scaling,
        "disruption": closed(maxUnavailable=away),
    }


def _process(name: str) -> dict[str, Schema]:
    probes = closed(**dict.fromkeys(("startup", "liveness", "readiness"), ANYTHING))
    return _scaled() | {"settings": _settings(name), "probes": probes}


def _groups(word: str, of: tuple[str, ...], process: dict[str, Schema]) -> Schema:
    """Return the schema of a process' groups, by a name that fits into the names of objects."""
    serves: Schema = {"type": "array", "items": one_of(*of), "minItems": 1, "uniqueItems": True}
    group = closed(**process, **{word: serves}) | {"required": [word]}
    name = {"pattern": "^[a-z]([a-z0-9-]{0,14}[a-z0-9])?$"}
    return {"type": "object", "propertyNames": name, "additionalProperties": group}


def _nginx(pod: dict[str, Schema]) -> Schema:
    service = closed(
        type=one_of("ClusterIP", "NodePort", "LoadBalancer"),
        port=number(1, 65535),
        annotations=WORDS,
        loadBalancerSourceRanges=NETWORKS,
        loadBalancerClass=TEXT,
        externalTrafficPolicy=one_of("Local", "Cluster"),
    )
    return closed(
        **pod,
        **_scaled(),
        trustedProxies=NETWORKS,
        unlimited=NETWORKS,
        resolver=GIVEN,
        ipv6=YES_NO,
        tlsSecret=TEXT,
        service=service,
        exporter=closed(enabled=YES_NO, image=IMAGE, resources=_resources()),
    )


def _migration(pod: dict[str, Schema]) -> Schema:
    return closed(
        **pod,
        image=IMAGE,
        resources=_resources(),
        settings=_settings("all"),
        waitSeconds=number(1, 3600),
        backoffLimit=number(0),
        ttlSecondsAfterFinished={"type": ["integer", "null"], "minimum": 0},
    )


def _servers() -> dict[str, Schema]:
    """Return where secrets and servers come from."""
    server = closed(existingSecret=GIVEN, urlKey=ENTRY)
    volume = closed(
        existingClaim=TEXT,
        size=SIZE,
        storageClass=TEXT,
        accessModes={"type": "array", "items": one_of("ReadWriteOnce", "ReadWriteMany"), "minItems": 1},
    )
    tried = closed(**_pod(), image=IMAGE, size=SIZE, resources=_resources())
    return {
        "keys": closed(existingSecret=GIVEN, jwtPrivateKey=ENTRY, jwks=ENTRY, refreshKey=ENTRY, pidKey=ENTRY),
        **dict.fromkeys(("mongodb", "redis"), server),
        "broker": closed(existingSecret=GIVEN, urlKey=ENTRY, kind=one_of("rabbitmq", "sqs")),
        "mail": closed(existingSecret=TEXT, urlKey=ENTRY, **{"from": {"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"}}),
        "media": closed(url={"type": "string", "pattern": "^s3://.|^$"}, persistence=volume),
        "aws": closed(existingSecret=TEXT, accessKeyIdKey=ENTRY, secretAccessKeyKey=ENTRY),
        "serviceAccount": closed(create=YES_NO, name=TEXT, annotations=WORDS),
        "trial": closed(enabled=YES_NO, existingSecret=TEXT, mongodb=tried, redis=tried, rabbitmq=tried),
    }


def _around() -> dict[str, Schema]:
    """Return what leads to Plaza, scales it, guards it and watches it."""
    families = one_of("", "SingleStack", "PreferDualStack", "RequireDualStack")
    hosts: Schema = {"type": "array", "items": GIVEN}
    outside = closed(ports=PORTS, to=OBJECTS)
    servers = dict.fromkeys(("mongodb", "redis", "broker", "media", "mail", "traces"), outside)
    seconds: Schema = {"type": "string", "pattern": "^[0-9]+(s|m)$"}
    monitor = closed(enabled=YES_NO, kind=one_of("PodMonitor", "ServiceMonitor"), labels=WORDS, interval=seconds)
    return {
        "services": closed(ipFamilyPolicy=families, ipFamilies={"type": "array", "items": one_of("IPv4", "IPv6")}),
        "ingress": closed(enabled=YES_NO, className=TEXT, annotations=WORDS, hosts=hosts, tls=OBJECTS),
        "httpRoute": closed(enabled=YES_NO, annotations=WORDS, parentRefs=OBJECTS, hostnames=hosts),
        "operator": closed(enabled=YES_NO),
        "keda": closed(
            enabled=YES_NO,
            pollingInterval=number(1),
            prometheusUrl=URL,
            socketsPerGateway=number(1),
            messagesPerWorker=number(1),
        ),
        "networkPolicy": closed(
            enabled=YES_NO, clients=OBJECTS, metrics=OBJECTS, dns=OBJECTS, extraEgress=OBJECTS, **servers
        ),
        "metrics": closed(
            monitor=monitor,
            rules=closed(enabled=YES_NO, labels=WORDS, without={"type": "array", "items": GIVEN}),
            dashboards=closed(enabled=YES_NO, labels=WORDS, annotations=WORDS, datasource=GIVEN),
        ),
    }
