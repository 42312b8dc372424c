"""Settings of a gateway and of the realtime process."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from realtime.node_names import BY_ADDRESS, named_by_address
from social.infra.redis.limits import PER_PERSON, Limit
from social.infra.security.origins import Origins
from social.infra.settings import ClientIpHeader, Connections, Networks, PlazaSettings, Port
from social.infra.spellings import OrFile

PID_KEY_CHARACTERS = 32


def _strong(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value()) < PID_KEY_CHARACTERS:
        raise PydanticCustomError("weak", "it needs at least {least} characters", {"least": PID_KEY_CHARACTERS})
    return key


PidKey = Annotated[SecretStr, AfterValidator(_strong), OrFile(example="pid.key")]


class GatewaySettings(PlazaSettings):
    """Settings of a gateway, in its own process or in another."""

    realtime_host: str = Field(default="0.0.0.0", description="address to listen on")  # noqa: S104 - a container's default
    realtime_port: Port = Field(default=8081, description="port to listen on; PORT where it is not given")
    realtime_engine: Literal["native", "portable"] = Field(
        default="native", description="native: uWebSockets where it loads; portable: aiohttp"
    )
    node_name: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{1,32}$",
        description="this gateway's name, which load balancers find in its clients' session ids; must be unique. `ip` "
        "names it by its own IPv4 address: ip-10-0-2-7",
        examples=["realtime-1"],
    )
    origins: Origins = Field(
        default=["http://localhost:8080", "http://127.0.0.1:8080"],
        description="origins whose pages and apps may connect, comma-separated, e.g. capacitor://localhost; the "
        "gateway's own may, and clients that send no Origin. `null` lets in pages without an origin (sandboxed frames, "
        "local files), `*` every page",
    )
    pid_key: PidKey | None = Field(
        default=None,
        description="signs what clients resume with, at least 32 random characters, the same on all gateways",
    )
    drain_s: float = Field(default=20, ge=0, le=600, description="seconds a stopping process gives its clients")

    ping_interval_s: float = Field(default=25, gt=0, description="seconds between heartbeats")
    ping_timeout_s: float = Field(default=20, gt=0, description="seconds a client may take to answer one")
    max_message_bytes: int = Field(default=65_536, ge=1_024, description="largest message from a client")
    max_buffered_bytes: int = Field(default=262_144, ge=16_384, description="unread bytes at which a socket is closed")
    trusted_proxies: Networks = Field(
        default=(), description="networks of the proxies whose headers are believed, e.g. 10.0.0.0/8,fd00::/8"
    )
    client_ip_header: ClientIpHeader = Field(
        default="X-Forwarded-For",
        description="header in which a trusted proxy gives the client's address; X-Real-IP for a proxy that lets "
        "clients write the other one",
    )
    pending_sockets: int = Field(
        default=10_000,
        ge=1,
        description="connections that may be open at once without a login; each has 10 s for it, and the oldest goes",
    )
    pending_per_address: int = Field(
        default=1_000, ge=1, description="connections without a login from one address, or one IPv6 network of 64 bits"
    )
    handshakes_per_s: float = Field(default=1_000, gt=0, description="connects this gateway accepts per second")
    connects_at_once: int = Field(
        default=128,
        ge=1,
        description="connects of people with a login that are worked on at once; what comes above that is refused for "
        "the moment, before it costs anything, so that those under way are answered while their clients still wait",
    )
    sockets_per_user: int = Field(default=20, ge=1, description="sockets one person may hold on a gateway")
    events_per_s: float = Field(
        default=20, gt=0, description="messages one socket may send per second, in the long run"
    )
    events_burst: int = Field(default=60, ge=1, description="messages one socket may send at once")
    rate_user: Limit = Field(
        default=PER_PERSON,
        description="requests and messages over sockets a person may make, in seconds: all at once or one by one",
    )
    watched_posts: int = Field(default=100, ge=1, description="posts one socket may watch")
    watched_people: int = Field(default=500, ge=100, description="people whose presence one socket may watch")
    typing_every_s: float = Field(default=2, ge=0, description="seconds between two typing messages of a socket")
    event_timeout_s: float = Field(default=10, gt=0, description="seconds a message is worked on")

    presence_lease_s: float = Field(default=40, gt=0, description="seconds a killed gateway's people stay online")
    presence_grace_s: float = Field(default=5, ge=0, description="seconds a person stays online without a socket")

    linger_s: float = Field(default=30, ge=0, description="seconds a room's channel is kept after its last member")
    confirm_s: float = Field(default=1, gt=0, description="seconds a connect waits for Redis to confirm its channel")
    beat_s: float = Field(default=1, gt=0, description="seconds between a gateway's messages to itself")
    silence_s: float = Field(
        default=3, gt=0, description="seconds without any message after which Redis counts as lost"
    )
    sweep_s: float = Field(
        default=30, gt=0, description="seconds between comparisons of all positions, give or take 20 %"
    )

    @field_validator("node_name")
    @classmethod
    def _resolved(cls, value: str | None) -> str | None:
        return named_by_address() if value == BY_ADDRESS else value


class Settings(Connections, GatewaySettings):
    """Settings of the realtime process."""

    jwks: Annotated[str, OrFile("jwt_jwks", secret=False, example="jwks.json")] | None = Field(
        default=None, description="JWKS document that access tokens are verified with"
    )
    jwt_jwks: Path | None = Field(
        default=None,
        description="file with the JWKS that access tokens are verified with, followed when it is replaced",
    )

    @field_validator("pid_key", "jwt_jwks")
    @classmethod
    def _needed(cls, value: object, info: ValidationInfo) -> object:
        if value is None and (info.field_name == "pid_key" or info.data.get("jwks") is None):
            raise PydanticCustomError("missing", "is needed")
        return value
