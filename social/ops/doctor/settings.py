"""Settings of a process as the doctor reads them: any may be missing or wrong."""

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from social.infra.settings import PARTITIONS, AmqpUrl, Connections, MongoUrl, Partitions, RedisUrl
from social.ops.doctor.findings import Finding, problem

OWN = "amqp_management_url"  # no process reads it


class Examined(BaseSettings):
    """The servers, the names in them, the files of keys, and what is done; what is not given is not looked at."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    mongo_url: MongoUrl | None = Field(default=None, description=Connections.model_fields["mongo_url"].description)
    mongo_database: str = Field(default="plaza", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="database name")
    redis_url: RedisUrl | None = Field(default=None, description=Connections.model_fields["redis_url"].description)
    amqp_url: AmqpUrl | None = Field(default=None, description=Connections.model_fields["amqp_url"].description)
    amqp_prefix: str = Field(default="plaza", pattern=r"^[a-z0-9_-]{1,40}$", description="names of exchange and queues")
    worker_partitions: Partitions = Field(default=PARTITIONS, description="queues of each consumer group")
    amqp_management_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+(/\S*)?$",
        description="RabbitMQ's management plugin, where it is not on port 15672 of the host of AMQP_URL",
    )
    jwt_private_key_file: Path | None = Field(default=None, description="Ed25519 private key, PEM")
    jwt_jwks: Path | None = Field(default=None, description="JWKS of the keys whose tokens are accepted")
    refresh_key_file: Path | None = Field(default=None, description="at least 32 random bytes")
    pid_key_file: Path | None = Field(default=None, description="what signs what clients resume with")
    api_services: str | None = Field(default=None, description="which services the API serves, if not all")
    worker_roles: str | None = Field(default=None, description="what the workers do, if not all")


def read(process: str) -> tuple[Examined, list[Finding]]:
    """Return the settings of a process as far as they are right; its start reports the others, but for our own."""
    file = f"{process}/.env"
    try:
        return Examined(_env_file=file), []
    except (OSError, UnicodeDecodeError):  # the file cannot be read, as its start says
        return Examined(_env_file=None), []
    except ValidationError as error:
        wrong = {str(each["loc"][0]): each["msg"] for each in error.errors(include_url=False, include_input=False)}
    settings = Examined(_env_file=file, **{name: Examined.model_fields[name].default for name in wrong})
    if said := wrong.get(OWN):
        asks = f"it names {Examined.model_fields[OWN].description}"
        return settings, [problem("settings", f"{OWN.upper()} is wrong: {said}", asks)]
    return settings, []
