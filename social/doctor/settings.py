"""What the doctor looks at: the settings of a process, of which any may be missing or wrong."""

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from social.doctor.findings import Finding, ok, problem
from social.infra.settings import AmqpUrl, Connections, MongoUrl, RedisUrl

SERVERS = ("mongo_url", "redis_url", "amqp_url")


class Examined(BaseSettings):
    """The servers, the names in them, and the files of keys; what is not given is not looked at."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    mongo_url: MongoUrl | None = Field(default=None, description=Connections.model_fields["mongo_url"].description)
    mongo_database: str = Field(default="plaza", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="database name")
    redis_url: RedisUrl | None = Field(default=None, description=Connections.model_fields["redis_url"].description)
    amqp_url: AmqpUrl | None = Field(default=None, description=Connections.model_fields["amqp_url"].description)
    amqp_prefix: str = Field(default="plaza", pattern=r"^[a-z0-9_-]{1,40}$", description="names of exchange and queues")
    amqp_management_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+(/\S*)?$",
        description="RabbitMQ's management plugin, where it is not on port 15672 of the host of AMQP_URL",
    )
    jwt_private_key_file: Path | None = Field(default=None, description="Ed25519 private key, PEM")
    jwt_jwks: Path | None = Field(default=None, description="JWKS of the keys whose tokens are accepted")
    refresh_key_file: Path | None = Field(default=None, description="at least 32 random bytes")
    pid_key_file: Path | None = Field(default=None, description="what signs what clients resume with")


def read(process: str) -> tuple[Examined, list[Finding]]:
    """The settings of a process as far as they are right, and a finding for each that is not."""
    file, findings, instead = f"{process}/.env", [], dict[str, Any]()
    fields = Examined.model_fields
    try:
        settings = Examined(_env_file=file)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            name = str(each["loc"][0])
            instead[name] = fields[name].default
            findings.append(problem("settings", f"{name.upper()} is wrong: {each['msg']}", f"it names {_asks(name)}"))
        settings = Examined(_env_file=file, **instead)
    for name in SERVERS:
        if getattr(settings, name) is None and name not in instead:
            mend = f"set it in the environment or {file}; it names {_asks(name)}"
            findings.append(problem("settings", f"{name.upper()} is missing", mend))
    if not findings:
        source = f"the environment and {file}" if Path(file).exists() else "the environment"
        findings.append(ok("settings", f"MONGO_URL, REDIS_URL and AMQP_URL are given by {source}"))
    return settings, findings


def _asks(name: str) -> str:
    return str(Examined.model_fields[name].description)
