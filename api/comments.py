"""Comments under a post."""

from api.http import Cursor, Limit, Request
from api.routing import Service
from social import comments
from social.contracts.base import Id
from social.contracts.posts import Comment, Comments, NewComment
from social.contracts.problems import NotFound

service = Service("comments", "Comments on posts")


@service.post(
    "/v1/posts/{post_id}/comments",
    status=201,
    once=True,
    raises=(NotFound,),
    location=lambda comment: f"/v1/posts/{comment.post_id}/comments",
)
async def create_comment(request: Request, post_id: Id, body: NewComment) -> Comment:
    """Comment on a post; its author is told, and whoever watches it sees it live."""
    return await request.social.commit_once(request.once, comments.add, post_id, body.text, by=request.user_id)


@service.get("/v1/posts/{post_id}/comments", raises=(NotFound,))
async def get_comments(request: Request, post_id: Id, cursor: Cursor = None, limit: Limit = 20) -> Comments:
    """A post's comments, newest first."""
    return await comments.page(request.social.mongo, post_id, viewer=request.user_id, cursor=cursor, limit=limit)
