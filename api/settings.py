"""The API's settings."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, IPvAnyNetwork, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from social.infra.limits import Rate
from social.infra.settings import Connections, Origins, listed


def _rate(value: object) -> object:
    if isinstance(value, Rate):
        return value
    quota, _, window_s = value.partition("/") if isinstance(value, str) else ("", "", "")
    if not (quota.isdecimal() and window_s.isdecimal() and int(quota) and int(window_s)):
        raise ValueError("so many requests in so many seconds, e.g. 600/60")
    return Rate(int(quota), int(window_s))


Limit = Annotated[Rate, NoDecode, BeforeValidator(_rate)]

SERVICES = ("auth", "users", "search", "follows", "posts", "comments", "likes", "feeds", "notifications", "reports")


HERE = ("localhost", "127.0.0.1")


class RestSettings(BaseSettings):
    """What serving REST needs to know, whichever process does it."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    api_host: str = Field(default="0.0.0.0", description="address to listen on")  # noqa: S104 - behind nginx
    api_port: int = Field(default=8080, ge=0, le=65535, description="port to listen on")
    api_services: Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=SERVICES, description=f"which services to serve, of {','.join(SERVICES)}"
    )
    drain_s: float = Field(default=20, ge=0, le=600, description="seconds a stopping process gives its clients")
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(listed)] = Field(
        default=(), description="networks of the proxies whose X-Forwarded-For is believed, e.g. 10.0.0.0/8,fd00::/8"
    )

    origins: Origins = Field(
        default_factory=lambda given: [f"http://{host}:{given.get('api_port', 8080)}" for host in HERE],
        description="origins of the web pages that may read answers, comma-separated",
    )
    rate_user: Limit = Field(
        default=Rate(1_200, 60), description="requests a person may make, in seconds: all at once or one by one"
    )
    rate_ip: Limit = Field(default=Rate(1_200, 60), description="requests without a token, from one address")
    rate_login: Limit = Field(default=Rate(30, 60), description="logins tried from one address")
    rate_register: Limit = Field(default=Rate(60, 60), description="accounts opened from one address")
    rate_reset: Limit = Field(default=Rate(10, 600), description="e-mails asked for from one address")

    @field_validator("api_services")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(SERVICES))
        if unknown or not value:
            raise ValueError(f"no such service: {', '.join(unknown)}; there are {', '.join(SERVICES)}")
        return value


class ApiSettings(Connections, RestSettings):
    """What `python -m api` needs beside the servers."""

    jwt_private_key_file: Path = Field(description="Ed25519 private key, PEM, that signs access tokens")
    jwt_jwks: Path | None = Field(
        default=None,
        description="JWKS of the keys whose tokens are accepted; if not given, the jwks.json beside the private key",
    )
    refresh_key_file: Path = Field(description="at least 32 random bytes that refresh tokens are derived from")
