"""How people stand to each other: follows, requests, blocks and mutes."""

from api.clients import client
from api.http import Cursor, Limit, Request
from api.routing import Service
from social.contracts.people import FollowState, People, Relationship, Username
from social.contracts.problems import NotFound
from social.people import blocks, follows, mutes, requests

service = Service("follows", "Who follows, blocks and mutes whom")


@service.put("/v1/users/{username}/follow", raises=(NotFound,))
async def follow_user(request: Request, username: Username) -> FollowState:
    """Follow somebody, or ask to where their account is private; a second time changes nothing."""
    return await request.plaza.commit(follows.follow, username, by=request.user_id)


@service.delete("/v1/users/{username}/follow", raises=(NotFound,))
async def unfollow_user(request: Request, username: Username) -> FollowState:
    """Stop following somebody, or take your request back."""
    return await request.plaza.commit(follows.unfollow, username, by=request.user_id)


@service.get("/v1/users/{username}/followers", raises=(NotFound,))
async def get_followers(request: Request, username: Username, cursor: Cursor = None, limit: Limit = 20) -> People:
    """Who follows somebody, newest first."""
    return await follows.followers(request.plaza.mongo, username, viewer=request.user_id, cursor=cursor, limit=limit)


@service.get("/v1/users/{username}/following", raises=(NotFound,))
async def get_following(request: Request, username: Username, cursor: Cursor = None, limit: Limit = 20) -> People:
    """Whom somebody follows, newest first."""
    return await follows.following(request.plaza.mongo, username, viewer=request.user_id, cursor=cursor, limit=limit)


@service.delete("/v1/users/me/followers/{username}", raises=(NotFound,))
async def remove_follower(request: Request, username: Username) -> Relationship:
    """Have somebody follow you no longer; they are not told."""
    return await request.plaza.commit(follows.remove_follower, username, by=request.user_id)


@service.get("/v1/follow-requests")
async def get_follow_requests(request: Request, cursor: Cursor = None, limit: Limit = 20) -> People:
    """Who asks to follow you and has no answer yet, newest first."""
    return await requests.page(request.plaza.mongo, user_id=request.user_id, cursor=cursor, limit=limit)


@service.get("/v1/users/me/follow-requests")
async def get_sent_follow_requests(request: Request, cursor: Cursor = None, limit: Limit = 20) -> People:
    """Whom you asked to follow and who has not answered, newest first.

    Take a request back by unfollowing. A request that was refused is not in the list any more.
    """
    return await requests.sent(request.plaza.mongo, user_id=request.user_id, cursor=cursor, limit=limit)


@service.put("/v1/follow-requests/{username}", raises=(NotFound,))
async def accept_follow_request(request: Request, username: Username) -> Relationship:
    """Let somebody follow you who asked to; they are told."""
    return await request.plaza.commit(requests.accept, username, by=request.user_id)


@service.delete("/v1/follow-requests/{username}", raises=(NotFound,))
async def refuse_follow_request(request: Request, username: Username) -> Relationship:
    """Refuse a request; they are not told."""
    return await request.plaza.commit(requests.refuse, username, by=request.user_id)


@service.put("/v1/users/{username}/block", raises=(NotFound,))
async def block_user(request: Request, username: Username) -> Relationship:
    """Block somebody: you end following each other, and each is hidden from the other at once.

    It takes whoever has an account, also those who have blocked you, and does not say whether they have.
    """
    return await request.plaza.commit(blocks.block, username, by=request.user_id, client=client(request))


@service.delete("/v1/users/{username}/block", raises=(NotFound,))
async def unblock_user(request: Request, username: Username) -> Relationship:
    """Take a block back; the follows that it ended stay ended."""
    return await request.plaza.commit(blocks.unblock, username, by=request.user_id, client=client(request))


@service.get("/v1/users/me/blocks")
async def get_blocks(request: Request, cursor: Cursor = None, limit: Limit = 20) -> People:
    """Whom you block, newest first."""
    return await blocks.page(request.plaza.mongo, user_id=request.user_id, cursor=cursor, limit=limit)


@service.put("/v1/users/{username}/mute", raises=(NotFound,))
async def mute_user(request: Request, username: Username) -> Relationship:
    """Mute somebody: no posts of theirs in your timeline, no notifications, nothing live. They do not notice."""
    return await request.plaza.commit(mutes.mute, username, by=request.user_id)


@service.delete("/v1/users/{username}/mute", raises=(NotFound,))
async def unmute_user(request: Request, username: Username) -> Relationship:
    """Hear of somebody again."""
    return await request.plaza.commit(mutes.unmute, username, by=request.user_id)


@service.get("/v1/users/me/mutes")
async def get_mutes(request: Request, cursor: Cursor = None, limit: Limit = 20) -> People:
    """Whom you mute, newest first."""
    return await mutes.page(request.plaza.mongo, user_id=request.user_id, cursor=cursor, limit=limit)
