"""Search of people and posts."""

from typing import Annotated

from pydantic import Field

from api.request import Cursor, Limit, Request
from api.routing import Service
from social.contracts.people import People
from social.contracts.posts import Found
from social.people import search as people_search
from social.posts import search as post_search

service = Service("search", "Search of people and posts")

Query = Annotated[
    str, Field(min_length=1, max_length=100, description="beginnings of words of a name, or of a username")
]

Words = Annotated[str, Field(min_length=1, max_length=100, description="words, and hashtags with their #")]


@service.get("/v1/search")
async def search(request: Request, q: Words, cursor: Cursor = None, limit: Limit = 20) -> Found:
    """List the posts with all these words and hashtags, newest first; the first page also has the people they name.

    Case, accents and width do not matter. A post is found by its first 100 words.
    """
    return await post_search.page(request.plaza.mongo, q, viewer=request.user_id, cursor=cursor, limit=limit)


@service.get("/v1/users")
async def search_users(request: Request, q: Query, cursor: Cursor = None, limit: Limit = 20) -> People:
    """List people by the beginning of their username, or of words of their name; an exact username comes first.

    Case and accents do not matter. Every word of the query must begin a word of the name.
    """
    return await people_search.page(request.plaza.mongo, q, viewer=request.user_id, cursor=cursor, limit=limit)
