"""Following people."""

from api.http import Request
from api.routing import Service
from social import follows
from social.contracts.people import FollowState, Username
from social.contracts.problems import NotFound

service = Service("follows", "Who follows whom")


@service.put("/v1/users/{username}/follow", raises=(NotFound,))
async def follow_user(request: Request, username: Username) -> FollowState:
    """Follow somebody; a second follow changes nothing."""
    return await request.social.commit(follows.follow, username, by=request.user_id)


@service.delete("/v1/users/{username}/follow", raises=(NotFound,))
async def unfollow_user(request: Request, username: Username) -> FollowState:
    """Stop following somebody."""
    return await request.social.commit(follows.unfollow, username, by=request.user_id)
