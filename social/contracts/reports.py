"""Reports: what people tell the operator of each other."""

from typing import Annotated, Literal

from pydantic import Field

from social.contracts.base import Ask, Contract, Id, Time
from social.contracts.text import Prose

Reason = Literal["spam", "abuse", "violence", "nudity", "impersonation", "other"]


class Reported(Ask):
    """What a report is about."""

    kind: Literal["user", "post", "comment"]
    id: Id


class NewReport(Ask):
    """Something the operator should look at."""

    target: Reported
    reason: Reason
    text: Annotated[Prose | None, Field(description="what else the operator should know")] = None


class Report(Contract):
    """A report as its reporter gets it back."""

    id: Id
    target: Reported
    reason: Reason
    text: str | None
    created_at: Time
