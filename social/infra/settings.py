"""Settings from the environment and from the `.env` of each process; a wrong value stops the start and is named."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, IPvAnyNetwork, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MongoUrl = Annotated[str, StringConstraints(pattern=r"^mongodb(\+srv)?://.")]
RedisUrl = Annotated[str, StringConstraints(pattern=r"^(rediss?|unix)://.")]
AmqpUrl = Annotated[str, StringConstraints(pattern=r"^amqps?://.")]

PARTITIONS = 4  # of each consumer group
MOST_PARTITIONS = 64
Partitions = Annotated[int, Field(ge=1, le=MOST_PARTITIONS)]


def listed(value: object) -> object:
    """Split a comma-separated setting into a list."""
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(listed)]


class LogSettings(BaseSettings):
    """Settings of the log."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    log_style: Literal["console", "json"] = Field(default="console", description="readable lines, or JSON")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level logged")
    log_file: Path | None = Field(
        default=None,
        description="log file (JSON), beside standard output; each process needs its own",
    )
    log_file_bytes: int = Field(default=20_000_000, ge=10_000, description="size at which the file is rotated")
    log_files: int = Field(default=5, ge=2, le=100, description="log files to keep, including the current one")


class TraceSettings(BaseSettings):
    """Settings of request traces."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

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


class StoreSettings(BaseSettings):
    """Settings of a command that needs only the document store."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    mongo_url: MongoUrl = Field(description="MongoDB, a replica set, e.g. mongodb://mongo:27017/?replicaSet=rs0")
    mongo_database: str = Field(default="plaza", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="database name")


class Connections(StoreSettings, ObserveSettings):
    """Settings that every process needs: the three servers, and how to log."""

    redis_url: RedisUrl = Field(description="Redis 7, e.g. redis://redis:6379/0")
    amqp_url: AmqpUrl = Field(description="RabbitMQ 3.10 or newer, e.g. amqp://user:password@rabbitmq:5672/")
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
    try:
        return kind(_env_file=f"{process}/.env", **given)
    except ValidationError as error:
        wrong = []
        for each in error.errors(include_url=False, include_input=False):
            name = str(each["loc"][0]).upper() if each["loc"] else "settings"
            says = "is missing" if each["type"] == "missing" else f"is wrong: {each['msg']}"
            field = kind.model_fields.get(name.lower())
            hint = f" ({field.description})" if field and field.description else ""
            wrong.append(f"{name} {says}{hint}")
        raise StartError("; ".join(wrong)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{process}/.env cannot be read: {error}") from None


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
