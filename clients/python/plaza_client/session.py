"""The login of a person: tokens that are renewed before they expire, and requests that carry them."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal
from uuid import uuid4

from plaza_client.core.retrying import renew_after_s
from plaza_client.errors import NotAuthenticated, PlazaError, Unavailable, Unreachable
from plaza_client.models import Tokens
from plaza_client.rest import Rest

EXPIRED = "token_expired"

State = Literal["anonymous", "active", "ended"]
TokensChanged = Callable[[Tokens | None], None]


def new_key() -> str:
    """Return a new idempotency key."""
    return uuid4().hex


class Session:
    """A login; `reason` says why it ended, if it did.

    Tokens age by this process's own clock from when they came, so that a wrong time of day does not matter.
    """

    def __init__(self, rest: Rest, tokens: Tokens | None, changed: TokensChanged) -> None:
        """Begin logged out, or with `tokens` that were kept, which are renewed at once."""
        self._rest = rest
        self._changed = changed
        self._tokens = tokens
        self._due_at = 0.0
        self._renewing = asyncio.Lock()
        self.state: State = "active" if tokens else "anonymous"
        self.reason: str | None = None

    @property
    def tokens(self) -> Tokens | None:
        """The tokens, to be kept somewhere safe; None without a login."""
        return self._tokens

    def begin(self, tokens: Tokens) -> None:
        """Take the tokens of a new login."""
        self.state, self.reason = "active", None
        self._keep(tokens)

    def end(self, reason: str | None = None) -> None:
        """Forget the tokens: the person has logged out, or the server ended the session for a reason."""
        if self.state == "active":
            self.state, self.reason = ("ended", reason) if reason else ("anonymous", None)
            self._tokens = None
            self._changed(None)

    def due_in_s(self) -> float:
        """Return after how many seconds the access token is to be renewed."""
        return max(0.0, self._due_at - time.monotonic())

    def expire(self, access: str) -> None:
        """Note that the server takes this access token as expired."""
        if self._tokens and self._tokens.access_token == access:
            self._due_at = 0.0

    async def access(self) -> str:
        """Return an access token, renewed if that is due; raises PlazaError."""
        async with self._renewing:  # one renewal for all who wait
            if not self.due_in_s():
                await self._renew(self._open())
            return self._open().access_token

    def _open(self) -> Tokens:
        if self._tokens is None:
            raise NotAuthenticated(401, {"code": self.reason or "invalid_token", "title": "Nobody is logged in"})
        return self._tokens

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Any:
        """Return the decoded answer to a request of this login; raises PlazaError.

        A POST has an idempotency key: `key`, or a new one. A request is sent as the person who was logged in when it
        was made, or not at all.
        """
        headers = {"Idempotency-Key": key or new_key()} if method == "POST" else {}
        author = self._open().user.id
        for again in (False, True):
            access = await self.access()
            if self._open().user.id != author:
                raise NotAuthenticated(401, {"code": "session_changed", "title": "Another person is logged in by now"})
            headers["Authorization"] = f"Bearer {access}"
            try:
                return await self._rest.ask(method, path, body, params=params, headers=headers)
            except NotAuthenticated as error:
                if error.code != EXPIRED or again:
                    self._refused(access, error)
                    raise
                self.expire(access)
        raise AssertionError("unreachable")

    async def _renew(self, tokens: Tokens) -> None:
        try:
            renewed = await self._rest.ask(
                "POST", "/v1/auth/refresh-token", {"refresh_token": tokens.refresh_token}
            )  # repeated where the answer was lost: the server then answers alike
        except NotAuthenticated as error:
            if self._tokens is tokens:  # nobody logged out or in meanwhile, here as below
                self.end(error.code)
            raise
        except (Unreachable, Unavailable):
            if self._tokens is tokens:
                self._due_at = time.monotonic() + 1  # soon again; the old token may still be good
            return
        if self._tokens is tokens:
            self._keep(Tokens.model_validate(renewed))

    def _refused(self, access: str, error: PlazaError) -> None:
        if self._tokens and self._tokens.access_token == access and error.code in ("session_revoked", "invalid_token"):
            self.end(error.code)

    def _keep(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._due_at = time.monotonic() + renew_after_s(tokens.expires_in)
        self._changed(tokens)
