"""Settings of the worker process."""

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from social.feeds import FANOUT_LIMIT
from social.infra.files.blobs import MediaSettings
from social.infra.files.mailer import MailSettings
from social.infra.settings import Connections, Port

ROLES = ("notifications", "feeds", "counters", "mail", "accounts", "activity", "relay", "sweeper")


class WorkerSettings(Connections, MailSettings, MediaSettings):
    """Settings of `python -m workers`."""

    workers_host: str = Field(default="0.0.0.0", description="address of health and metrics")  # noqa: S104 - a pod's own
    workers_port: Port = Field(default=8082, description="port of health and metrics; PORT where it is not given")
    worker_roles: Annotated[tuple[str, ...], NoDecode] = Field(
        default=ROLES, description=f"roles of this process, of {','.join(ROLES)}"
    )

    fanout_limit: int = Field(
        default=FANOUT_LIMIT, ge=1, description="followers above which posts are merged into timelines when read"
    )

    @field_validator("worker_roles", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("worker_roles")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(ROLES))
        if unknown or not value:
            raise ValueError(f"no such role: {', '.join(unknown)}; there are {', '.join(ROLES)}")
        return value
