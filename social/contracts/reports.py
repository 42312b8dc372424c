"""Reports of people and their content to the operator."""

from typing import Annotated, Literal

from pydantic import Field

from social.contracts.base import ClientInput, Contract, Id, Time
from social.contracts.text import Prose

Reason = Literal["spam", "abuse", "violence", "nudity", "impersonation", "other"]


class Reported(ClientInput):
    """The kind of thing that a report is about."""

    kind: Literal["user", "post", "comment"]
    id: Id


class NewReport(ClientInput):
    """A report to the operator."""

    target: Reported
    reason: Reason
    text: Annotated[Prose | None, Field(description="further information for the operator")] = None


class Report(Contract):
    """A report as its reporter sees it."""

    id: Id
    target: Reported
    reason: Reason
    text: str | None
    created_at: Time
