"""What a text leads to: the people it names, and its hashtags."""

from typing import Literal

from pydantic import Field

from social.contracts.base import Contract, Id

MOST_PEOPLE = 50  # whom one text can name
MOST_TAGS = 30
LONGEST_TAG = 50


class Entity(Contract):
    """A part of a text that leads somewhere: characters `start` to `end` of it, counted in Unicode code points.

    A text names at most 50 people and has at most 30 hashtags, the first ones; what is beyond them, or names somebody
    who is not there for its writer or, by a block, for its reader, is text.
    """

    kind: Literal["mention", "hashtag"]
    start: int = Field(description="where its @ or # is")
    end: int = Field(description="the first character after it")
    key: str = Field(
        description="the username, or the hashtag as it is looked for: without sign, case, width and joiners"
    )
    user_id: Id | None = Field(
        default=None, description="who is mentioned; null in events that many people hear: there the username says it"
    )
