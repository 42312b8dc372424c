"""Profiles, and the activity log of an account."""

from api.request import Cursor, Limit, Request
from api.routing import Service
from social.contracts.activity import Activities
from social.contracts.people import EditProfile, Me, Profile, ProfilePublic, Username
from social.contracts.problems import NotFound
from social.people import activity, pages, profiles, users
from social.posts import public

service = Service("users", "People")


@service.get("/v1/users/me")
async def get_me(request: Request) -> Me:
    """Return your own profile."""
    return await users.me(request.plaza.mongo, request.user_id)


@service.patch("/v1/users/me", if_match=True)
async def edit_me(request: Request, body: EditProfile) -> Me:
    """Edit your profile: absent fields stay, null clears a field.

    The body is a JSON merge patch (RFC 7396); the list of links is replaced as a whole.
    """
    return await request.plaza.commit(profiles.edit, body, by=request.user_id, expected=request.expected)


@service.get("/v1/users/me/activity")
async def get_activity(request: Request, cursor: Cursor = None, limit: Limit = 20) -> Activities:
    """List the events of your account in the last 90 days, with address and device, newest first.

    The events are logins and failed logins, ends of sessions, changes of password and e-mail address, blocks and
    suspensions. Up to 50 of each kind are kept a day.
    """
    return await activity.page(request.plaza.mongo, request.user_id, cursor=cursor, limit=limit)


@service.get("/v1/public/users/{username}", public=True, raises=(NotFound,))
async def get_public_user(request: Request, username: Username) -> ProfilePublic:
    """Return the profile of a person whose account is public.

    It needs no login, and a token changes nothing. Where `PUBLIC_READS` is off, this is not found.
    """
    return await public.profile(request.plaza.mongo, username)


@service.get("/v1/users/{username}", raises=(NotFound,))
async def get_user(request: Request, username: Username) -> Profile:
    """Return a person's profile, and the relationship between them and you."""
    return await pages.profile(request.plaza.mongo, username, viewer=request.user_id)
