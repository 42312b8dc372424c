"""Sign-up, login, refresh, logout, open sessions, passwords, e-mail addresses and deletion of accounts."""

from typing import Any

from api.clients import client
from api.request import Cursor, Limit, Request
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
    return await auth.register(request.plaza, request.issuer, body, client(request, body.device))


@service.post("/v1/auth/login", auth=False, limit="login", raises=(InvalidCredentials, AccountSuspended))
async def login(request: Request, body: Login) -> Tokens:
    """Open a session by username or e-mail."""
    return await auth.login(request.plaza, request.issuer, body, client(request, body.device))


@service.post(
    "/v1/auth/refresh-token",
    auth=False,
    raises=(InvalidRefreshToken, RefreshTokenReused, SessionRevoked, AccountSuspended),
)
async def refresh_token(request: Request, body: Refresh) -> Tokens:
    """Trade a refresh token for the next pair of tokens; a token whose successor was used ends its session.

    If the answer is lost, retry with the token you have: while its successor is unused you get the successor again, for
    24 hours. More than ten seconds later that holds for one refresh in 24 hours, with any number of retries.
    """
    return await auth.refresh(request.plaza, request.issuer, body.refresh_token, client(request))


@service.post("/v1/auth/logout", auth=False)
async def logout(request: Request, body: Refresh) -> None:
    """End a session; its access tokens and sockets are refused within two seconds."""
    await auth.logout(request.plaza, request.issuer, body.refresh_token, client(request))


@service.post("/v1/auth/logout-all")
async def logout_all(request: Request) -> None:
    """End all of your sessions, also the one that makes this request."""
    await auth.logout_all(request.plaza, request.user_id, client(request))


@service.get("/v1/auth/sessions")
async def get_sessions(request: Request, cursor: Cursor = None, limit: Limit = 20) -> Sessions:
    """List your open sessions, newest first."""
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
        request.issuer,
        body,
        by=request.user_id,
        session_id=request.session_id,
        client=client(request),
    )


@service.post("/v1/auth/password-reset/request", auth=False, limit="reset")
async def request_password_reset(request: Request, body: RequestPasswordReset) -> None:
    """Mail a token to an address; the answer does not show whether an account has this address."""
    await request.plaza.commit(credentials.request_reset, body.email)


@service.post("/v1/auth/password-reset", auth=False, limit="login", raises=(InvalidOneTimeToken,))
async def reset_password(request: Request, body: ResetPassword) -> None:
    """Set a new password with the token of a mail; all sessions end."""
    await credentials.reset_password(request.plaza, request.issuer, body, client(request))


@service.put("/v1/auth/email", limit="reset", raises=(WrongPassword,))
async def change_email(request: Request, body: ChangeEmail) -> None:
    """Mail a token to a new address, which becomes yours once you verify it with the token."""
    await credentials.change_email(request.plaza, request.issuer, body, by=request.user_id, client=client(request))


@service.post("/v1/auth/verify-email/request", limit="reset", raises=(NotFound,))
async def request_email_verification(request: Request) -> None:
    """Mail a token to your address, unless it is verified already."""
    await request.plaza.commit(credentials.request_verification, by=request.user_id)


@service.post("/v1/auth/verify-email", auth=False, raises=(InvalidOneTimeToken, EmailTaken))
async def verify_email(request: Request, body: VerifyEmail) -> None:
    """Verify an e-mail address with the token of a mail."""
    await request.plaza.commit(credentials.verify_email, body.token, client(request))


@service.delete("/v1/users/me", limit="login", raises=(WrongPassword,))
async def delete_me(request: Request, body: DeleteAccount) -> None:
    """Delete your account for good.

    All your sessions end, and your posts, comments, likes and follows disappear for everybody at once. The e-mail
    address is free again; the username is never given to another person.
    """
    await lifecycle.delete(request.plaza, request.authenticator, body, by=request.user_id)


@service.get("/.well-known/jwks.json", auth=False)
async def jwks(request: Request) -> dict[str, Any]:
    """Return the public keys that access tokens are verified with."""
    return request.issuer.verifier.jwks
