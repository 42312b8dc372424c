"""Relations between people: follows, follow requests, blocks and mutes."""

from api.clients import client
from api.request import Cursor, Limit, Request
from api.routing import Service
from social.contracts.people import FollowState, People, Relationship, Username
from social.contracts.problems import NotFound
from social.people import blocks, follows, mutes, requests

service = Service("follows", "Who follows, blocks and mutes whom")


@service.put("/v1/users/{username}/follow", raises=(NotFound,))
async def follow_user(request: Request, username: Username) -> FollowState:
    """Follow a person, or request to where their account is private; a second time changes nothing."""
    return await request.plaza.commit(follows.follow, username, by=request.user_id)


@service.delete("/v1/users/{username}/follow", raises=(NotFound,))
async def unfollow_user(request: Request, username: Username) -> FollowState:
    """Stop following a person, or take your request back."""
    return await request.plaza.commit(follows.unfollow, username, by=request.user_id)


@service.get("/v1/users/{username}/followers", raises=(NotFound,))
async def get_followers(request: Request, username: Username, cursor: Cursor = None, limit: Limit = 20) -> People:
    """List the followers of a person, newest first."""
    return await follows.followers(request.plaza.mongo, username, viewer=request.user_id, cursor=cursor, limit=limit)


@service.get("/v1/users/{username}/following", raises=(NotFound,))
async def get_following(request: Request, username: Username, cursor: Cursor = None, limit: Limit = 20) -> People:
    """List the people whom a person follows, newest first."""
    return await follows.following(request.plaza.mongo, username, viewer=request.user_id, cursor=cursor, limit=limit)


@service.delete("/v1/users/me/followers/{username}", raises=(NotFound,))
async def remove_follower(request: Request, username: Username) -> Relationship:
    """Remove a follower of yours; they are not notified."""
    return await request.plaza.commit(follows.remove_follower, username, by=request.user_id)


@service.get("/v1/follow-requests")
async def get_follow_requests(request: Request, cursor: Cursor = None, limit: Limit = 20) -> People:
    """List the people whose requests to follow you wait for an answer, newest first."""
    return await requests.page(request.plaza.mongo, user_id=request.user_id, cursor=cursor, limit=limit)


@service.get("/v1/users/me/follow-requests")
async def get_sent_follow_requests(request: Request, cursor: Cursor = None, limit: Limit = 20) -> People:
    """List the people whom you asked to follow and who have not answered, newest first.

    Take a request back by unfollowing. A request that was refused is not in the list any more.
    """
    return await requests.sent(request.plaza.mongo, user_id=request.user_id, cursor=cursor, limit=limit)


@service.put("/v1/follow-requests/{username}", raises=(NotFound,))
async def accept_follow_request(request: Request, username: Username) -> Relationship:
    """Accept a request to follow you; the person who asked is notified."""
    return await request.plaza.commit(requests.accept, username, by=request.user_id)


@service.delete("/v1/follow-requests/{username}", raises=(NotFound,))
async def refuse_follow_request(request: Request, username: Username) -> Relationship:
    """Refuse a request to follow you; the person who asked is not notified."""
    return await request.plaza.commit(requests.refuse, username, by=request.user_id)


@service.put("/v1/users/{username}/block", raises=(NotFound,))
async def block_user(request: Request, username: Username) -> Relationship:
    """Block a person: neither of you follows the other any more, and each is hidden from the other at once.

    Everybody with an account can be blocked, also people who block you; the answer does not say whether they do.
    """
    return await request.plaza.commit(blocks.block, username, by=request.user_id, client=client(request))


@service.delete("/v1/users/{username}/block", raises=(NotFound,))
async def unblock_user(request: Request, username: Username) -> Relationship:
    """Unblock a person; the follows that the block ended stay ended."""
    return await request.plaza.commit(blocks.unblock, username, by=request.user_id, client=client(request))


@service.get("/v1/users/me/blocks")
async def get_blocks(request: Request, cursor: Cursor = None, limit: Limit = 20) -> People:
    """List the people you block, newest first."""
    return await blocks.page(request.plaza.mongo, user_id=request.user_id, cursor=cursor, limit=limit)


@service.put("/v1/users/{username}/mute", raises=(NotFound,))
async def mute_user(request: Request, username: Username) -> Relationship:
    """Mute a person: no posts of theirs in your timeline, no notifications, nothing live. They do not notice."""
    return await request.plaza.commit(mutes.mute, username, by=request.user_id)


@service.delete("/v1/users/{username}/mute", raises=(NotFound,))
async def unmute_user(request: Request, username: Username) -> Relationship:
    """Unmute a person."""
    return await request.plaza.commit(mutes.unmute, username, by=request.user_id)


@service.get("/v1/users/me/mutes")
async def get_mutes(request: Request, cursor: Cursor = None, limit: Limit = 20) -> People:
    """List the people you mute, newest first."""
    return await mutes.page(request.plaza.mongo, user_id=request.user_id, cursor=cursor, limit=limit)
