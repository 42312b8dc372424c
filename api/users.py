"""Profiles."""

from api.http import Cursor, Limit, Request
from api.routing import Service
from social.contracts.activity import Activities
from social.contracts.people import EditProfile, Me, Profile, Username
from social.contracts.problems import NotFound
from social.people import activity, pages, profiles, users

service = Service("users", "People")


@service.get("/v1/users/me")
async def get_me(request: Request) -> Me:
    """Your own profile."""
    return await users.me(request.plaza.mongo, request.user_id)


@service.patch("/v1/users/me", if_match=True)
async def edit_me(request: Request, body: EditProfile) -> Me:
    """Edit your profile: what is absent stays, null clears.

    A JSON merge patch (RFC 7396); the list of links is replaced as a whole.
    """
    return await request.plaza.commit(profiles.edit, body, by=request.user_id, expected=request.expected)


@service.get("/v1/users/me/activity")
async def get_activity(request: Request, cursor: Cursor = None, limit: Limit = 20) -> Activities:
    """List what happened to your account in the last 90 days, and from which address and device, the newest first.

    Logins and those that failed, ends of sessions, changes of password and e-mail address, blocks, suspensions. Of each
    kind up to 50 a day are kept.
    """
    return await activity.page(request.plaza.mongo, request.user_id, cursor=cursor, limit=limit)


@service.get("/v1/users/{username}", raises=(NotFound,))
async def get_user(request: Request, username: Username) -> Profile:
    """Somebody's profile, and how they and you stand to each other."""
    return await pages.profile(request.plaza.mongo, username, viewer=request.user_id)
