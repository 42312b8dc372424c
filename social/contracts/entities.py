"""The mentions and hashtags in a text."""

from typing import Literal

from pydantic import Field

from social.contracts.base import Contract, Id

MOST_PEOPLE = 50  # mentions in a text
MOST_TAGS = 30
LONGEST_TAG = 50


class Entity(Contract):
    """A mention or hashtag in a text: characters `start` to `end`, counted in Unicode code points.

    A text has at most 50 mentions and 30 hashtags, the first ones; the rest is plain text. So are mentions of people
    who do not exist for the author or, because of a block, for the reader.
    """

    kind: Literal["mention", "hashtag"]
    start: int = Field(description="index of the @ or #")
    end: int = Field(description="index of the first character after it")
    key: str = Field(
        description="the username, or the hashtag in the form used for search: without #, case, width and joiners"
    )
    user_id: Id | None = Field(
        default=None,
        description="id of the mentioned person; null in events to many people, which have only the username",
    )
