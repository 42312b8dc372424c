"""REST requests, repeated until they are answered."""

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
from pydantic_core import from_json, to_json

from plaza_client.core.retrying import REFUSED_UNDONE, REPEATABLE, Retrying
from plaza_client.errors import Unreachable, refusal

ANSWER_WITHIN_S = 20.0

NoteRetry = Callable[[str], None]  # why a request is repeated


class _Answer(NamedTuple):
    status: int  # 0: none came
    body: Any
    retry_after_s: float | None = None
    undone: bool = False  # the server certainly did nothing

    @property
    def why(self) -> str:
        return str(self.status) if self.status else str(self.body)


class Rest:
    """Sends requests to one server."""

    def __init__(self, http: aiohttp.ClientSession, url: str, retrying: Retrying, note_retry: NoteRetry) -> None:
        self._http = http
        self._url = url
        self._retrying = retrying
        self._note_retry = note_retry

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        once: bool = False,
    ) -> Any:
        """Return the decoded answer; raises PlazaError.

        A request without an answer is sent again, with all of its headers. With `once`, only if nothing was done.
        """
        deadline = time.monotonic() + self._retrying.give_up_s
        for attempt in itertools.count():
            answer = await self._send(method, path, body, params or {}, headers or {})
            if 200 <= answer.status < 300:
                return answer.body
            wait_s = self._retrying.wait_s(attempt, answer.retry_after_s)
            repeat = answer.undone if once else answer.status in REPEATABLE
            if not repeat or time.monotonic() + wait_s > deadline:
                if not answer.status:
                    raise Unreachable(answer.why)
                raise refusal(answer.status, answer.body, answer.retry_after_s)
            self._note_retry(f"REST: {answer.why}")
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable")

    async def _send(
        self, method: str, path: str, body: Any, params: Mapping[str, str], headers: Mapping[str, str]
    ) -> _Answer:
        data, kind = (None, {}) if body is None else (to_json(body), {"Content-Type": "application/json"})
        timeout = aiohttp.ClientTimeout(ANSWER_WITHIN_S)
        try:
            async with self._http.request(
                method,
                self._url + path,
                params=params,
                data=data,
                headers={**headers, **kind},
                timeout=timeout,
                allow_redirects=False,  # a token is for this server alone
            ) as response:
                content = await response.read()
        except aiohttp.ClientConnectorError as error:
            return _Answer(0, type(error).__name__, undone=True)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return _Answer(0, type(error).__name__)
        retry_after_s = _seconds(response.headers.get("Retry-After"))
        return _Answer(response.status, _decoded(content), retry_after_s, response.status in REFUSED_UNDONE)


def segment(value: str) -> str:
    """Return a value as one segment of a path; raises ValueError where it could not be one."""
    if value in ("", ".", ".."):
        raise ValueError(f"{value!r} is no id and no name")
    return quote(value, safe="")


def _decoded(content: bytes) -> Any:
    """Return the decoded JSON; None where there is none, as in the error page of a proxy."""
    try:
        return from_json(content) if content else None
    except ValueError:
        return None


def _seconds(retry_after: str | None) -> float | None:
    try:
        return float(retry_after) if retry_after else None
    except ValueError:  # a date
        return None
