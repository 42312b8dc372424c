"""Profiles."""

from api.http import Request
from api.routing import Service
from social import people, users
from social.contracts.people import Me, Profile, Username
from social.contracts.problems import NotFound

service = Service("users", "People")


@service.get("/v1/users/me")
async def get_me(request: Request) -> Me:
    """Your own profile."""
    return await users.me(request.social.mongo, request.user_id)


@service.get("/v1/users/{username}", raises=(NotFound,))
async def get_user(request: Request, username: Username) -> Profile:
    """Somebody's profile, and how they and you stand to each other."""
    return await people.profile(request.social.mongo, username, viewer=request.user_id)
