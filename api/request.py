"""The request that a route's handler gets: its person and session, and the objects that the process holds."""

import asyncio
from typing import Annotated

from aiohttp import web
from pydantic import Field

from api import conditional
from api.proxies import client_ip
from social.accounts.login import Authenticator, TokenIssuer
from social.contracts.problems import Problem
from social.infra.process.admission import Admission, RefusalThrottle
from social.infra.process.plaza import IdempotencyKey, Plaza
from social.infra.security.tokens import Access
from social.infra.store import paging
from social.infra.store.revisions import Expected
from social.posts.media import PictureStore

Cursor = Annotated[
    str | None, Field(max_length=paging.LONGEST, description="a `next` or `prev` of an earlier page of this list")
]
Limit = Annotated[int, Field(ge=1, le=100, description="items on the page")]

ADMISSION = web.AppKey("admission", Admission)
REFUSAL_THROTTLE = web.AppKey("refusal_throttle", RefusalThrottle)
PLAZA = web.AppKey("plaza", Plaza)
AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
ISSUER = web.AppKey("issuer", TokenIssuer)
PICTURE_STORE = web.AppKey("picture_store", PictureStore)

REQUEST_ID = web.RequestKey("request_id", str)
ROUTE = web.RequestKey("route", str)
USER_ID = web.RequestKey("user_id", str)
PROBLEM = web.RequestKey("problem", Problem)
DEADLINE = web.RequestKey("deadline", asyncio.Timeout)


class Request:
    """A request as its handler sees it: Plaza, and the person and session behind the access token."""

    __slots__ = ("_access", "idempotency_key", "raw")

    def __init__(self, raw: web.Request, access: Access | None, idempotency_key: IdempotencyKey | None) -> None:
        self.raw = raw
        self._access = access
        self.idempotency_key = idempotency_key

    @property
    def plaza(self) -> Plaza:
        """The system that the verbs act on."""
        return self.raw.app[PLAZA]

    @property
    def authenticator(self) -> Authenticator:
        """The checks of tokens and passwords, which every service has."""
        return self.raw.app[AUTHENTICATOR]

    @property
    def issuer(self) -> TokenIssuer:
        """The keys that sign tokens; only a process that serves `auth` has them."""
        return self.raw.app[ISSUER]

    @property
    def picture_store(self) -> PictureStore:
        """The decoders and the storage of pictures; only a process that serves `media` has them."""
        return self.raw.app[PICTURE_STORE]

    @property
    def user_id(self) -> str:
        """The id of the person whose token it is, on a route that needs a token."""
        assert self._access is not None
        return self._access.user_id

    @property
    def session_id(self) -> str:
        """The id of the session whose token it is, on a route that needs a token."""
        assert self._access is not None
        return self._access.session_id

    @property
    def expected(self) -> Expected:
        """The revisions that the client is ready to edit, on a route that takes an If-Match."""
        return conditional.expected(self.raw)

    @property
    def client_ip(self) -> str:
        """The address the request comes from."""
        return client_ip(self.raw)
