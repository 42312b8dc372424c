"""The API's settings."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from social.infra.settings import Connections

SERVICES = ("auth", "users", "search", "follows", "posts", "comments", "likes", "feeds", "notifications")


class ApiSettings(Connections):
    """What `python -m api` needs beside the servers."""

    api_host: str = Field(default="0.0.0.0", description="address to listen on")  # noqa: S104 - behind nginx
    api_port: int = Field(default=8080, ge=0, le=65535, description="port to listen on")
    api_services: Annotated[tuple[str, ...], NoDecode] = Field(
        default=SERVICES, description=f"which services to serve, of {','.join(SERVICES)}"
    )
    drain_s: float = Field(default=20, ge=0, le=600, description="seconds a stopping process gives its clients")
    jwt_private_key_file: Path = Field(description="Ed25519 private key, PEM, that signs access tokens")
    refresh_key_file: Path = Field(description="at least 32 random bytes that refresh tokens are derived from")

    @field_validator("api_services", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @field_validator("api_services")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(SERVICES))
        if unknown or not value:
            raise ValueError(f"no such service: {', '.join(unknown)}; there are {', '.join(SERVICES)}")
        return value
