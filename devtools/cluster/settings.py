"""Settings of the cluster on one machine; its processes get all other settings of the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from embedded.store_programs import PROGRAMS, StoreChoice
from social.infra.settings import BrokerUrl, MongoUrl, PlazaSettings, RedisUrl

FEWEST_NODES = 6  # three masters, so that two can elect the replica of the third


class DocumentSettings(PlazaSettings):
    """The document store that a cluster, a load, a benchmark or a test runs on."""

    store: StoreChoice | None = Field(
        default=None, description="the document store: py or rs, which are embedded, or the URL of a MongoDB"
    )
    mongo_url: MongoUrl | None = Field(default=None, description="a MongoDB to use instead of the embedded store")
    mongo_database: str = Field(default="plaza", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="database name")

    @field_validator("mongo_url")
    @classmethod
    def _one_store(cls, url: str | None, others: ValidationInfo) -> str | None:
        if url and others.data.get("store"):
            raise ValueError("STORE names a document store as well: leave one of the two out")
        return url

    @property
    def store_url(self) -> str | None:
        """The URL of the MongoDB that is named, or None for an embedded store."""
        return self.mongo_url or (None if self.store in PROGRAMS else self.store)

    @property
    def embedded_store(self) -> str:
        """The program of the embedded store, where no MongoDB is named."""
        return self.store if self.store in PROGRAMS else "py"


class ClusterSettings(DocumentSettings):
    """Settings of `python -m devtools.cluster`."""

    plaza_var: Path = Field(default=Path("var/cluster"), description="folder of all data")
    host: str = Field(default="127.0.0.1", description="address nginx listens on")
    port: int = Field(default=8080, ge=1, le=65535, description="port nginx listens on, for everything")
    services: Literal["together", "split"] = Field(
        default="together", description="all services in each API process, or one process for each service"
    )
    api_processes: int = Field(default=2, ge=1, le=16, description="number of `python -m api`, of each kind")
    realtime_processes: int = Field(default=3, ge=1, le=16, description="number of `python -m realtime`")
    workers_processes: int = Field(default=2, ge=1, le=16, description="number of `python -m workers`")
    redis_url: RedisUrl | None = Field(default=None, description="a Redis to use instead of a private one")
    redis_nodes: int = Field(
        default=1,
        ge=1,
        le=24,
        description="nodes of the private Redis: 1, or 6 or more for a Redis Cluster, half of them replicas",
    )
    broker: Literal["rabbitmq", "sqs"] = Field(
        default="rabbitmq", description="the private broker: rabbitmq, or sqs (fauxqs, which needs node)"
    )
    rabbit_nodes: int = Field(default=1, ge=1, le=5, description="nodes of the private RabbitMQ; three are a cluster")
    broker_url: BrokerUrl | None = Field(default=None, description="a broker to use instead of a private one")
    drain_s: float = Field(default=5, ge=0, le=600, description="seconds a stopping process gives its clients")

    @field_validator("redis_nodes")
    @classmethod
    def _pairs(cls, nodes: int, others: ValidationInfo) -> int:
        if nodes != 1 and (nodes < FEWEST_NODES or nodes % 2):
            raise ValueError("it must be 1, or an even number of 6 or more: masters with a replica each")
        if nodes != 1 and others.data.get("redis_url"):
            raise ValueError("REDIS_URL names a Redis as well: leave one of the two out")
        return nodes
