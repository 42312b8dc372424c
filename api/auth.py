"""Sign-up, login, refresh, logout, and the sessions that are open."""

from typing import Any

from api.clients import client
from api.http import Cursor, Limit, Request
from api.routing import Service
from social.accounts import credentials, lifecycle, sessions
from social.accounts import login as auth
from social.contracts.auth import (
    ChangeEmail,
    ChangePassword,
    RequestPasswordReset,
    ResetPassword,
    Sessions,
    VerifyEmail,
)
from social.contracts.base import Id
from social.contracts.people import DeleteAccount, Login, Refresh, Register, Tokens
from social.contracts.problems import (
    AccountSuspended,
    EmailTaken,
    InvalidCredentials,
    InvalidOneTimeToken,
    InvalidRefreshToken,
    NotFound,
    RefreshTokenReused,
    SessionRevoked,
    UsernameTaken,
    WrongPassword,
)

service = Service("auth", "Accounts and sessions")


@service.post("/v1/auth/register", auth=False, limit="register", status=201, raises=(UsernameTaken, EmailTaken))
async def register(request: Request, body: Register) -> Tokens:
    """Open an account and its first session."""
    return await auth.register(request.plaza, request.keys, body, client(request, body.device))


@service.post("/v1/auth/login", auth=False, limit="login", raises=(InvalidCredentials, AccountSuspended))
async def login(request: Request, body: Login) -> Tokens:
    """Open a session by username or e-mail."""
    return await auth.login(request.plaza, request.keys, body, client(request, body.device))


@service.post(
    "/v1/auth/refresh-token",
    auth=False,
    raises=(InvalidRefreshToken, RefreshTokenReused, SessionRevoked, AccountSuspended),
)
async def refresh_token(request: Request, body: Refresh) -> Tokens:
    """Trade a refresh token for the next pair; using one after its successor was used ends its session.

    If the answer is lost, ask again with the token you have: while its successor is unused you get it again, for 24
    hours. After more than ten seconds that holds for one refresh in 24 hours, as often as you ask.
    """
    return await auth.refresh(request.plaza, request.keys, body.refresh_token, client(request))


@service.post("/v1/auth/logout", auth=False)
async def logout(request: Request, body: Refresh) -> None:
    """End a session; its access tokens and sockets are refused within two seconds."""
    await auth.logout(request.plaza, request.keys, body.refresh_token, client(request))


@service.post("/v1/auth/logout-all")
async def logout_all(request: Request) -> None:
    """End all of your sessions, this one too."""
    await auth.logout_all(request.plaza, request.user_id, client(request))


@service.get("/v1/auth/sessions")
async def get_sessions(request: Request, cursor: Cursor = None, limit: Limit = 20) -> Sessions:
    """Where you are logged in, the newest first."""
    return await sessions.page(
        request.plaza.mongo, request.user_id, current=request.session_id, cursor=cursor, limit=limit
    )


@service.delete("/v1/auth/sessions/{session_id}", raises=(NotFound,))
async def end_session(request: Request, session_id: Id) -> None:
    """End one of your sessions; its access tokens and sockets are refused within two seconds."""
    await sessions.remove(request.plaza, session_id, by=request.user_id, client=client(request))


@service.post("/v1/auth/password", limit="login", raises=(WrongPassword,))
async def change_password(request: Request, body: ChangePassword) -> None:
    """Change your password; all your other sessions end."""
    await credentials.change_password(
        request.plaza,
        request.keys,
        body,
        by=request.user_id,
        session_id=request.session_id,
        client=client(request),
    )


@service.post("/v1/auth/password-reset/request", auth=False, limit="reset")
async def request_password_reset(request: Request, body: RequestPasswordReset) -> None:
    """Have a token mailed to an address; the answer is the same whether or not anybody has it."""
    await request.plaza.commit(credentials.request_reset, body.email)


@service.post("/v1/auth/password-reset", auth=False, limit="login", raises=(InvalidOneTimeToken,))
async def reset_password(request: Request, body: ResetPassword) -> None:
    """Choose a new password with the token of a mail; all sessions end."""
    await credentials.reset_password(request.plaza, request.keys, body, client(request))


@service.put("/v1/auth/email", limit="reset", raises=(WrongPassword,))
async def change_email(request: Request, body: ChangeEmail) -> None:
    """Have a token mailed to a new address, which becomes yours when the token comes back."""
    await credentials.change_email(request.plaza, request.keys, body, by=request.user_id, client=client(request))


@service.post("/v1/auth/verify-email/request", limit="reset", raises=(NotFound,))
async def request_email_verification(request: Request) -> None:
    """Have a token mailed to your address, unless it is verified already."""
    await request.plaza.commit(credentials.request_verification, by=request.user_id)


@service.post("/v1/auth/verify-email", auth=False, raises=(InvalidOneTimeToken, EmailTaken))
async def verify_email(request: Request, body: VerifyEmail) -> None:
    """Prove with the token of a mail that its address is yours."""
    await request.plaza.commit(credentials.verify_email, body.token, client(request))


@service.delete("/v1/users/me", limit="login", raises=(WrongPassword,))
async def delete_me(request: Request, body: DeleteAccount) -> None:
    """Delete your account, for good.

    It is gone for everybody at once: all sessions end, and your posts, comments, likes and follows go with you. The
    e-mail address is free again; the username is never given to anybody else.
    """
    await lifecycle.delete(request.plaza, request.authenticator, body, by=request.user_id)


@service.get("/.well-known/jwks.json", auth=False)
async def jwks(request: Request) -> dict[str, Any]:
    """The public keys that access tokens are verified with."""
    return request.keys.verifier.jwks
