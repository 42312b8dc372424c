"""Comments under a post, and replies to them."""

from api.request import Cursor, Limit, Request
from api.routing import Service
from social.contracts.base import Id
from social.contracts.comments import Comment, CommentPublic, Comments, EditComment, NewComment, PublicComments, Sort
from social.contracts.problems import Forbidden, NotFound, PreconditionFailed
from social.posts import comments, public

service = Service("comments", "Comments on posts, and replies to them")


@service.post(
    "/v1/posts/{post_id}/comments",
    status=201,
    idempotency_key=True,
    raises=(NotFound,),
    location=lambda comment: f"/v1/comments/{comment.id}",
)
async def create_comment(request: Request, post_id: Id, body: NewComment) -> Comment:
    """Comment on a post, or reply to a comment under it; people who watch the post see it live."""
    return await request.plaza.commit_idempotent(
        request.idempotency_key, comments.add, post_id, body.text, by=request.user_id, parent_id=body.parent_id
    )


@service.get("/v1/posts/{post_id}/comments", raises=(NotFound,))
async def get_comments(
    request: Request, post_id: Id, sort: Sort = "newest", cursor: Cursor = None, limit: Limit = 20
) -> Comments:
    """List a post's comments, without the replies to them; `top` lists those with the most likes first."""
    return await comments.page(
        request.plaza.mongo, post_id, viewer=request.user_id, sort=sort, cursor=cursor, limit=limit
    )


@service.get("/v1/comments/{comment_id}", raises=(NotFound,))
async def get_comment(request: Request, comment_id: Id) -> Comment:
    """Return a comment."""
    return await comments.get(request.plaza.mongo, comment_id, viewer=request.user_id)


@service.get("/v1/comments/{comment_id}/replies", raises=(NotFound,))
async def get_replies(
    request: Request, comment_id: Id, sort: Sort = "oldest", cursor: Cursor = None, limit: Limit = 20
) -> Comments:
    """List the replies to a comment."""
    return await comments.replies(
        request.plaza.mongo, comment_id, viewer=request.user_id, sort=sort, cursor=cursor, limit=limit
    )


@service.get("/v1/public/posts/{post_id}/comments", public=True, raises=(NotFound,))
async def get_public_comments(
    request: Request, post_id: Id, sort: Sort = "newest", cursor: Cursor = None, limit: Limit = 20
) -> PublicComments:
    """List the comments of public accounts on a public post, without the replies to them.

    It needs no login, and a token changes nothing. Where `PUBLIC_READS` is off, this is not found.
    """
    return await public.comments_on(request.plaza.mongo, post_id, sort=sort, cursor=cursor, limit=limit)


@service.get("/v1/public/comments/{comment_id}", public=True, raises=(NotFound,))
async def get_public_comment(request: Request, comment_id: Id) -> CommentPublic:
    """Return a comment of a public account on a public post.

    It needs no login, and a token changes nothing. Where `PUBLIC_READS` is off, this is not found.
    """
    return await public.comment(request.plaza.mongo, comment_id)


@service.get("/v1/public/comments/{comment_id}/replies", public=True, raises=(NotFound,))
async def get_public_replies(
    request: Request, comment_id: Id, sort: Sort = "oldest", cursor: Cursor = None, limit: Limit = 20
) -> PublicComments:
    """List the replies of public accounts to a comment.

    It needs no login, and a token changes nothing. Where `PUBLIC_READS` is off, this is not found.
    """
    return await public.replies_to(request.plaza.mongo, comment_id, sort=sort, cursor=cursor, limit=limit)


@service.patch("/v1/comments/{comment_id}", if_match=True, raises=(NotFound, Forbidden, PreconditionFailed))
async def edit_comment(request: Request, comment_id: Id, body: EditComment) -> Comment:
    """Edit the text of your comment."""
    return await request.plaza.commit(
        comments.edit, comment_id, body.text, by=request.user_id, expected=request.expected
    )


@service.delete("/v1/comments/{comment_id}", raises=(NotFound, Forbidden))
async def delete_comment(request: Request, comment_id: Id) -> None:
    """Delete your comment, or one under your post, with the replies to it."""
    await request.plaza.commit(comments.delete, comment_id, by=request.user_id)
