"""Sign-up, login, refresh, logout."""

from typing import Any

from api.http import Request
from api.routing import Service
from social import auth
from social.contracts.people import Login, Refresh, Register, Tokens
from social.contracts.problems import (
    EmailTaken,
    InvalidCredentials,
    InvalidRefreshToken,
    RefreshTokenReused,
    SessionRevoked,
    UsernameTaken,
)

service = Service("auth", "Accounts and sessions")


@service.post("/v1/auth/register", auth=False, limit="register", status=201, raises=(UsernameTaken, EmailTaken))
async def register(request: Request, body: Register) -> Tokens:
    """Open an account and its first session."""
    return await auth.register(request.social, request.keys, body)


@service.post("/v1/auth/login", auth=False, limit="login", raises=(InvalidCredentials,))
async def login(request: Request, body: Login) -> Tokens:
    """Open a session by username or e-mail."""
    return await auth.login(request.social, request.keys, body)


@service.post("/v1/auth/refresh-token", auth=False, raises=(InvalidRefreshToken, RefreshTokenReused, SessionRevoked))
async def refresh_token(request: Request, body: Refresh) -> Tokens:
    """Trade a refresh token for the next pair; using one twice ends its session."""
    return await auth.refresh(request.social, request.keys, body.refresh_token)


@service.post("/v1/auth/logout", auth=False)
async def logout(request: Request, body: Refresh) -> None:
    """End a session; its access tokens and sockets are refused within two seconds."""
    await auth.logout(request.social, request.keys, body.refresh_token)


@service.get("/.well-known/jwks.json", auth=False)
async def jwks(request: Request) -> dict[str, Any]:
    """The public keys that access tokens are verified with."""
    return request.keys.signer.jwks
