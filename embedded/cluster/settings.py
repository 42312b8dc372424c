"""Settings of the cluster on one machine; what its processes can be told besides is passed on to them."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from social.infra.settings import AmqpUrl, MongoUrl, RedisUrl


class ClusterSettings(BaseSettings):
    """What `python -m embedded.cluster` can be told."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    plaza_var: Path = Field(default=Path("var/cluster"), description="folder of all data")
    host: str = Field(default="127.0.0.1", description="address nginx listens on")
    port: int = Field(default=8080, ge=1, le=65535, description="port nginx listens on, for everything")
    services: Literal["together", "split"] = Field(
        default="together", description="all services in each API process, or one process for each service"
    )
    api_processes: int = Field(default=2, ge=1, le=16, description="how many `python -m api`, of each kind")
    realtime_processes: int = Field(default=3, ge=1, le=16, description="how many `python -m realtime`")
    workers_processes: int = Field(default=2, ge=1, le=16, description="how many `python -m workers`")
    mongo_url: MongoUrl | None = Field(default=None, description="a MongoDB to use instead of the embedded store")
    mongo_database: str = Field(default="plaza", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="database name")
    redis_url: RedisUrl | None = Field(default=None, description="a Redis to use instead of a private one")
    amqp_url: AmqpUrl | None = Field(default=None, description="a RabbitMQ to use instead of a private one")
    drain_s: float = Field(default=5, ge=0, le=600, description="seconds a stopping process gives its clients")
