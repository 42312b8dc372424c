"""Posts."""

from api.http import Cursor, Limit, Request
from api.routing import Service
from social import posts
from social.contracts.base import Id
from social.contracts.people import Username
from social.contracts.posts import NewPost, Post, Posts
from social.contracts.problems import Forbidden, NotFound

service = Service("posts", "Posts")


@service.post("/v1/posts", status=201, once=True, location=lambda post: f"/v1/posts/{post.id}")
async def create_post(request: Request, body: NewPost) -> Post:
    """Publish a post; your followers hear of it live."""
    return await request.social.commit_once(request.once, posts.publish, body.text, by=request.user_id)


@service.get("/v1/posts/{post_id}", raises=(NotFound,))
async def get_post(request: Request, post_id: Id) -> Post:
    """One post."""
    return await posts.get(request.social.mongo, post_id, viewer=request.user_id)


@service.delete("/v1/posts/{post_id}", raises=(NotFound, Forbidden))
async def delete_post(request: Request, post_id: Id) -> None:
    """Delete your post, with its comments and likes."""
    await request.social.commit(posts.delete, post_id, by=request.user_id)


@service.get("/v1/users/{username}/posts", raises=(NotFound,))
async def get_posts_of_user(request: Request, username: Username, cursor: Cursor = None, limit: Limit = 20) -> Posts:
    """Somebody's posts, newest first."""
    return await posts.by_author(request.social.mongo, username, viewer=request.user_id, cursor=cursor, limit=limit)
