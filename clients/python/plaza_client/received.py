"""The base of every model of what a server sends."""

from pydantic import BaseModel, ConfigDict


class Received(BaseModel):
    """Something a server sent: it does not change, and fields that this release does not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")
