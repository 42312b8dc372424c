"""Posts, profiles and comments as anybody reads them without a login: nothing in them depends on a viewer.

Private and suspended people do not exist here, nor do posts for followers.
"""

from social.contracts.comments import Comment, CommentPublic, PublicComments, Sort
from social.contracts.people import ProfilePublic
from social.contracts.posts import Post, PostPublic, PublicPosts
from social.infra.store.mongo import Mongo
from social.people import users, visibility
from social.people.visibility import ANYBODY
from social.posts import comments, entities, publishing


async def profile(mongo: Mongo, username: str) -> ProfilePublic:
    """Return the profile of a person whose account is public; raises NotFound."""
    found = await visibility.person(mongo, username, viewer=ANYBODY)
    return ProfilePublic.model_construct(**users.public(found.user))


async def post(mongo: Mongo, post_id: str) -> PostPublic:
    """Return a public post; raises NotFound."""
    return _post(await publishing.get(mongo, post_id, viewer=ANYBODY))


async def posts_of(mongo: Mongo, username: str, *, cursor: str | None, limit: int) -> PublicPosts:
    """Return a person's public posts, newest first; raises NotFound."""
    found = await publishing.by_author(mongo, username, viewer=ANYBODY, cursor=cursor, limit=limit)
    return PublicPosts(items=[_post(each) for each in found.items], next=found.next, prev=found.prev)


async def comment(mongo: Mongo, comment_id: str) -> CommentPublic:
    """Return a comment of a public account under a public post; raises NotFound."""
    return _comment(await comments.get(mongo, comment_id, viewer=ANYBODY))


async def comments_on(mongo: Mongo, post_id: str, *, sort: Sort, cursor: str | None, limit: int) -> PublicComments:
    """Return the comments of public accounts on a public post; raises NotFound."""
    found = await comments.page(mongo, post_id, viewer=ANYBODY, sort=sort, cursor=cursor, limit=limit)
    return PublicComments(items=[_comment(each) for each in found.items], next=found.next, prev=found.prev)


async def replies_to(mongo: Mongo, comment_id: str, *, sort: Sort, cursor: str | None, limit: int) -> PublicComments:
    """Return the replies of public accounts to such a comment; raises NotFound."""
    found = await comments.replies(mongo, comment_id, viewer=ANYBODY, sort=sort, cursor=cursor, limit=limit)
    return PublicComments(items=[_comment(each) for each in found.items], next=found.next, prev=found.prev)


def _post(seen: Post) -> PostPublic:
    return seen.public().model_copy(update={"entities": entities.for_many(seen.entities)})


def _comment(seen: Comment) -> CommentPublic:
    return seen.public().model_copy(update={"entities": entities.for_many(seen.entities)})
