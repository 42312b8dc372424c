"""Finding people."""

from typing import Annotated

from pydantic import Field

from api.http import Cursor, Limit, Request
from api.routing import Service
from social import search
from social.contracts.people import People

service = Service("search", "Finding people")

Query = Annotated[
    str, Field(min_length=1, max_length=100, description="beginnings of words of a name, or of a username")
]


@service.get("/v1/users")
async def search_users(request: Request, q: Query, cursor: Cursor = None, limit: Limit = 20) -> People:
    """People found by the beginning of their username, or of a word of their name; that very username first.

    Case and accents do not matter, and every word that is asked for must begin one of theirs.
    """
    return await search.page(request.social.mongo, q, viewer=request.user_id, cursor=cursor, limit=limit)
