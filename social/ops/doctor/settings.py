"""Settings of a process as the doctor reads them: any may be missing or wrong."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, StringConstraints, ValidationError

from social.infra import spellings
from social.infra.settings import PARTITIONS, BrokerUrl, Connections, MongoUrl, Partitions, PlazaSettings, RedisUrl
from social.infra.spellings import OrFile
from social.ops.doctor.findings import Finding, problem

OWN = "amqp_management_url"  # no process reads it


class Examined(PlazaSettings):
    """The servers, the names in them, the keys, and what is done; what is not given is not looked at."""

    mongo_url: MongoUrl | None = Field(default=None, description=Connections.model_fields["mongo_url"].description)
    mongo_database: str = Field(default="plaza", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="database name")
    redis_url: RedisUrl | None = Field(default=None, description=Connections.model_fields["redis_url"].description)
    broker_url: BrokerUrl | None = Field(default=None, description=Connections.model_fields["broker_url"].description)
    amqp_prefix: str = Field(default="plaza", pattern=r"^[a-z0-9_-]{1,40}$", description="names of exchange and queues")
    worker_partitions: Partitions = Field(default=PARTITIONS, description="queues of each consumer group")
    amqp_management_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+(/\S*)?$"), OrFile()] | None = (
        Field(
            default=None,
            description="RabbitMQ's management plugin, where it is not on port 15672 of the host of BROKER_URL",
        )
    )
    jwt_private_key: Annotated[SecretStr, OrFile()] | None = Field(default=None, description="Ed25519 private key, PEM")
    jwks: Annotated[str, OrFile("jwt_jwks", secret=False)] | None = Field(default=None, description="JWKS document")
    refresh_key: Annotated[SecretStr, OrFile()] | None = Field(default=None, description="at least 32 characters")
    pid_key: Annotated[SecretStr, OrFile()] | None = Field(
        default=None, description="what signs what clients resume with"
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
        given = spellings.given(Examined, file)
        return _right(file, given.values, dict(given.wrong))
    except (OSError, UnicodeDecodeError):  # the file cannot be read, as its start says
        return Examined(_env_file=None), []


def _right(file: str, values: dict[str, Any], wrong: dict[str, str]) -> tuple[Examined, list[Finding]]:
    def defaults() -> dict[str, Any]:
        return {name: Examined.model_fields[name].default for name in wrong}

    try:
        settings = Examined(_env_file=file, **{**values, **defaults()})
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            wrong[str(each["loc"][0])] = f"{str(each['loc'][0]).upper()} is wrong: {each['msg']}"
        settings = Examined(_env_file=file, **{**values, **defaults()})
    if said := wrong.get(OWN):
        return settings, [problem("settings", said, f"it names {Examined.model_fields[OWN].description}")]
    return settings, []
