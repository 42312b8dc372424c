"""Settings from the environment and from the `.env` of each process; a wrong value stops the start and is named."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qs

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from social.infra import spellings
from social.infra.redis_urls import servers_of
from social.infra.spellings import Formerly, OrFile, OrPlatform

REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}")
SQS_OPTIONS = {"endpoint", "prefix", "create"}


def _names_a_broker(url: str) -> str:
    scheme, _, rest = url.partition("://")
    if scheme == "sqs" and not REGION.fullmatch(rest.partition("?")[0]):
        raise PydanticCustomError("broker", "it names no region, as sqs://eu-central-1 does")
    if scheme == "sqs" and parse_qs(rest.partition("?")[2], keep_blank_values=True).keys() - SQS_OPTIONS:
        raise PydanticCustomError("broker", "the options of SQS are prefix=NAME, endpoint=URL and create=yes")
    if scheme not in ("amqp", "amqps", "sqs") or not rest:
        raise PydanticCustomError("broker", "it must begin with amqp://, amqps:// or sqs:// and name a broker")
    if scheme != "sqs" and "," in (hosts := rest.rpartition("@")[2].partition("/")[0]) and not all(hosts.split(",")):
        raise PydanticCustomError("broker", "the nodes of a cluster are named as amqp://user:password@one,two,three/")
    return url


def _names_redis(url: str) -> str:
    try:
        servers_of(url)
    except ValueError as error:
        raise PydanticCustomError("redis", str(error).replace("{", "{{")) from None
    return url


MongoUrl = Annotated[str, StringConstraints(pattern=r"^mongodb(\+srv)?://."), OrFile()]
RedisUrl = Annotated[str, AfterValidator(_names_redis), OrFile()]
BrokerUrl = Annotated[str, AfterValidator(_names_a_broker), OrFile(), Formerly("amqp_url")]
Port = Annotated[int, Field(ge=0, le=65_535), OrPlatform()]  # of the one port that a process serves

PARTITIONS = 4  # of each consumer group
MOST_PARTITIONS = 64
Partitions = Annotated[int, Field(ge=1, le=MOST_PARTITIONS)]


def listed(value: object) -> object:
    """Split a comma-separated setting into a list."""
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


ClientIpHeader = Literal["X-Forwarded-For", "X-Real-IP"]
Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(listed)]


class PlazaSettings(BaseSettings):
    """Settings from variables; an empty variable counts as not given, and the values of secrets are never shown."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield what `repr` and `str` show."""
        secret = {each.name for each in spellings.spellings(type(self)) if each.secret}
        for name, value in super().__repr_args__():
            yield name, "***" if name in secret and value is not None else value


class LogSettings(PlazaSettings):
    """Settings of the log."""

    log_style: Literal["console", "json"] = Field(default="console", description="readable lines, or JSON")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level logged")
    log_file: Path | None = Field(
        default=None,
        description="log file (JSON), beside standard output; each process needs its own",
        examples=["/var/log/plaza.log"],
    )
    log_file_bytes: int = Field(default=20_000_000, ge=10_000, description="size at which the file is rotated")
    log_files: int = Field(default=5, ge=2, le=100, description="log files to keep, including the current one")


class TraceSettings(PlazaSettings):
    """Settings of request traces."""

    traces_sampled: float = Field(
        default=0, ge=0, le=1, description="share of requests to trace, e.g. 0.1; above 0 it needs the extra `traces`"
    )
    traces_url: str = Field(
        default="http://localhost:4318/v1/traces",
        pattern=r"^https?://.",
        description="where spans are sent: a collector that speaks OTLP over HTTP",
    )


class ObserveSettings(LogSettings, TraceSettings):
    """Settings of the log and the traces of a process."""


class StoreSettings(PlazaSettings):
    """Settings of a command that needs only the document store."""

    mongo_url: MongoUrl = Field(
        description="MongoDB, a replica set, e.g. mongodb://mongo:27017/?replicaSet=rs0",
        examples=["mongodb://localhost:27017/?replicaSet=rs0"],
    )
    mongo_database: str = Field(default="plaza", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="database name")


class Connections(StoreSettings, ObserveSettings):
    """Settings that every process needs: the three servers, and how to log."""

    redis_url: RedisUrl = Field(
        description="Redis 7, e.g. redis://redis:6379/0; of several servers redis+cluster://host:port,host:port or "
        "redis+sentinel://host:port,host:port/mymaster; rediss for TLS",
        examples=["redis://localhost:6379/0"],
    )
    broker_url: BrokerUrl = Field(
        description="RabbitMQ 3.10 or newer, e.g. amqp://user:password@rabbitmq:5672/, commas between a cluster's nodes"
        " (…@one,two,three/), or SQS, e.g. sqs://eu-central-1",
        examples=["amqp://guest:guest@localhost:5672/"],
    )
    amqp_prefix: str = Field(default="plaza", pattern=r"^[a-z0-9_-]{1,40}$", description="names of exchange and queues")
    worker_partitions: Partitions = Field(
        default=PARTITIONS,
        description="queues of each consumer group, so many workers can share it; equal everywhere",
    )


S = TypeVar("S", bound=BaseSettings)


class StartError(Exception):
    """The reason why this process cannot start, in a line for the operator; the exit code is 1."""


def load(kind: type[S], process: str, **given: Any) -> S:
    """Return the settings of a process; `given` ones win. Raises StartError naming all that are missing or wrong."""
    env_file = f"{process}/.env"
    try:
        others = spellings.given(kind, env_file, without=given)
        settings, wrong = _made(kind, env_file, others, given)
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{env_file} cannot be read: {error}") from None
    if wrong or settings is None:
        raise StartError("; ".join(wrong.values()))
    return settings


def _made(
    kind: type[S], env_file: str, others: spellings.Given, given: dict[str, Any]
) -> tuple[S | None, dict[str, str]]:
    """Return the settings, or a line for each that is missing or wrong, by its name."""
    try:
        return kind(_env_file=env_file, **{**others.values, **given}), others.wrong
    except ValidationError as error:
        wrong = dict(others.wrong)
        for each in error.errors(include_url=False, include_input=False):
            name = str(each["loc"][0]) if each["loc"] else "settings"
            wrong.setdefault(name, _line(kind, others.names.get(name, name), name, each))
        return None, wrong


def _line(kind: type[S], given_as: str, name: str, error: Any) -> str:
    missing = error["type"] == "missing"
    says = "is missing" if missing else f"is wrong: {error['msg']}"
    field = kind.model_fields.get(name)
    hints = [field.description] if field and field.description else []
    if missing:
        hints += [f"or {other.upper()}" for other in spellings.others(kind, name)]
    return f"{given_as.upper()} {says}" + (f" ({'; '.join(hints)})" if hints else "")


def check_folder(name: str, url: str) -> None:
    """Raise StartError where this setting names a folder, `file:…`, that cannot be written to."""
    if not url.startswith("file:"):
        return
    folder = Path(url.removeprefix("file:"))
    probe = folder / f".writable-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StartError(f"{name} is wrong: cannot write to {folder}: {error.strerror}") from None
