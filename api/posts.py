"""Posts, their history, reposts, bookmarks and hashtags."""

from typing import Annotated

from pydantic import Field

from api.request import Cursor, Limit, Request
from api.routing import Service
from social.contracts.base import Id
from social.contracts.people import Username
from social.contracts.posts import (
    BookmarkState,
    EditPost,
    NewPost,
    Post,
    PostPublic,
    Posts,
    PublicPosts,
    RepostState,
    Revisions,
)
from social.contracts.problems import Forbidden, NotFound
from social.posts import bookmarks, edits, public, publishing, reposts

service = Service("posts", "Posts")

Tag = Annotated[str, Field(min_length=1, max_length=50, examples=["plaza"], description="a hashtag, without its #")]


@service.post("/v1/posts", status=201, idempotency_key=True, location=lambda post: f"/v1/posts/{post.id}")
async def create_post(request: Request, body: NewPost) -> Post:
    """Publish a post; your followers who are online see it at once.

    People whom the post mentions with @ are notified, and the post is listed under its #hashtags.
    """
    return await request.plaza.commit_idempotent(
        request.idempotency_key,
        publishing.publish,
        body.text,
        by=request.user_id,
        visible_to=body.visibility,
        showing=body.media,
    )


@service.get("/v1/posts/{post_id}", raises=(NotFound,))
async def get_post(request: Request, post_id: Id) -> Post:
    """Return a post."""
    return await publishing.get(request.plaza.mongo, post_id, viewer=request.user_id)


@service.get("/v1/public/posts/{post_id}", public=True, raises=(NotFound,))
async def get_public_post(request: Request, post_id: Id) -> PostPublic:
    """Return a public post of a public account.

    It needs no login, and a token changes nothing. Where `PUBLIC_READS` is off, this is not found.
    """
    return await public.post(request.plaza.mongo, post_id)


@service.patch("/v1/posts/{post_id}", if_match=True, raises=(NotFound, Forbidden))
async def edit_post(request: Request, post_id: Id, body: EditPost) -> Post:
    """Edit the text of your post; the text before stays in its history."""
    return await request.plaza.commit(edits.edit, post_id, body.text, by=request.user_id, expected=request.expected)


@service.get("/v1/posts/{post_id}/history", raises=(NotFound,))
async def get_post_history(request: Request, post_id: Id, cursor: Cursor = None, limit: Limit = 20) -> Revisions:
    """List the earlier texts of a post, newest first; the 50 newest are kept."""
    return await edits.history(request.plaza.mongo, post_id, viewer=request.user_id, cursor=cursor, limit=limit)


@service.delete("/v1/posts/{post_id}", raises=(NotFound, Forbidden))
async def delete_post(request: Request, post_id: Id) -> None:
    """Delete your post, with its comments and likes."""
    await request.plaza.commit(publishing.delete, post_id, by=request.user_id)


@service.put("/v1/posts/{post_id}/repost", raises=(NotFound, Forbidden))
async def repost_post(request: Request, post_id: Id) -> RepostState:
    """Show a post to your followers; a second time changes nothing.

    A post for its author's followers only cannot be reposted by others.
    """
    return await request.plaza.commit(reposts.repost, post_id, by=request.user_id)


@service.delete("/v1/posts/{post_id}/repost", raises=(NotFound,))
async def unrepost_post(request: Request, post_id: Id) -> RepostState:
    """Take your repost back."""
    return await request.plaza.commit(reposts.unrepost, post_id, by=request.user_id)


@service.put("/v1/posts/{post_id}/bookmark", raises=(NotFound,))
async def bookmark_post(request: Request, post_id: Id) -> BookmarkState:
    """Bookmark a post, which nobody else sees; a second time changes nothing."""
    return await request.plaza.commit(bookmarks.bookmark, post_id, by=request.user_id)


@service.delete("/v1/posts/{post_id}/bookmark", raises=(NotFound,))
async def unbookmark_post(request: Request, post_id: Id) -> BookmarkState:
    """Remove a post from your bookmarks."""
    return await request.plaza.commit(bookmarks.unbookmark, post_id, by=request.user_id)


@service.get("/v1/bookmarks")
async def get_bookmarks(request: Request, cursor: Cursor = None, limit: Limit = 20) -> Posts:
    """List your bookmarked posts, last bookmarked first."""
    return await bookmarks.page(request.plaza.mongo, user_id=request.user_id, cursor=cursor, limit=limit)


@service.get("/v1/users/{username}/posts", raises=(NotFound,))
async def get_posts_of_user(request: Request, username: Username, cursor: Cursor = None, limit: Limit = 20) -> Posts:
    """List a person's posts, newest first."""
    return await publishing.by_author(request.plaza.mongo, username, viewer=request.user_id, cursor=cursor, limit=limit)


@service.get("/v1/public/users/{username}/posts", public=True, raises=(NotFound,))
async def get_public_posts_of_user(
    request: Request, username: Username, cursor: Cursor = None, limit: Limit = 20
) -> PublicPosts:
    """List the public posts of a public account, newest first.

    It needs no login, and a token changes nothing. Where `PUBLIC_READS` is off, this is not found.
    """
    return await public.posts_of(request.plaza.mongo, username, cursor=cursor, limit=limit)


@service.get("/v1/hashtags/{tag}/posts", raises=(NotFound,))
async def get_posts_of_hashtag(request: Request, tag: Tag, cursor: Cursor = None, limit: Limit = 20) -> Posts:
    """List the posts with a hashtag, newest first; case and width of its letters do not matter."""
    return await publishing.by_tag(request.plaza.mongo, tag, viewer=request.user_id, cursor=cursor, limit=limit)
