"""Settings of the embedded system: all have a default, and a server is used where a setting names it."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from api.settings import RestSettings
from embedded.store_programs import CACHE_MB, EmbeddedStore
from social.feeds import FANOUT_LIMIT
from social.infra.redis.limits import Limit, Rate
from social.infra.settings import (
    PARTITIONS,
    BrokerUrl,
    MongoUrl,
    ObserveSettings,
    Partitions,
    RedisUrl,
)

# Pages of this machine, on any port: those of the system, and of development servers (Vite, Next, …).
LOCAL_ORIGINS = ["http://localhost:*", "http://127.0.0.1:*", "https://localhost:*"]


class EmbeddedSettings(ObserveSettings):
    """Settings of `python -m embedded`."""

    plaza_var: Path = Field(default=Path("var"), description="folder of all data")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="one port for everything; `make run` then has the limits and origins of production and shows no "
        "metrics, because everybody may reach it",
    )
    api_port: int = Field(default=8080, ge=0, le=65535, description="port of the API and the docs")
    realtime_port: int = Field(default=8081, ge=0, le=65535, description="port of Socket.IO")
    embedded_store: EmbeddedStore = Field(
        default="py", description="the embedded store: py, or the faster rs where secantusd-rs is on the PATH"
    )
    embedded_cache_mb: int = Field(default=CACHE_MB, ge=16, description="megabytes of the embedded store's cache")
    mongo_url: MongoUrl | None = Field(default=None, description="a MongoDB to use instead of the embedded store")
    mongo_database: str = Field(default="plaza", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="database name")
    redis_url: RedisUrl | None = Field(default=None, description="a Redis to use instead of the one in this process")
    broker_url: BrokerUrl | None = Field(default=None, description="a broker to use instead of the one in this process")
    amqp_prefix: str = Field(default="plaza", pattern=r"^[a-z0-9_-]{1,40}$", description="names of exchange and queues")
    worker_partitions: Partitions = Field(default=PARTITIONS, description="queues of each consumer group there")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="lowest level logged"
    )
    fanout_limit: int = Field(
        default=FANOUT_LIMIT, ge=1, description="followers above which posts are merged into timelines when read"
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="made-up people to fill an empty system with, 10 or more; for this machine alone",
    )
    drain_s: float = Field(default=1, ge=0, le=60, description="seconds a stopping process gives its clients")

    @property
    def one_port(self) -> bool:
        """Return whether everything is on one port."""
        return self.port is not None

    @property
    def rest_port(self) -> int:
        """Return the port of the API."""
        return self.api_port if self.port is None else self.port


class EmbeddedRest(RestSettings):
    """Settings of REST on this machine alone, where everybody has one address."""

    rate_login: Limit = Field(default=Rate(1_000, 60), description="login attempts from one address")
    rate_register: Limit = Field(default=Rate(1_000, 60), description="accounts opened from one address")

    @property
    def allowed_origins(self) -> list[str]:
        """The origins of all pages of this machine, unless the setting names others."""
        return self.origins or LOCAL_ORIGINS
