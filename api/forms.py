"""A form with a file in it (RFC 7578), read as it arrives: counted, paced, and given up at the first thing wrong."""

import asyncio
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

from aiohttp import BodyPartReader, ClientError, MultipartReader, StreamReader, http_exceptions, multipart, web
from pydantic import TypeAdapter, ValidationError

from api.http import DEADLINE
from social.contracts.media import Alt
from social.contracts.problems import (
    BodyTimeout,
    FieldProblem,
    MalformedForm,
    RateLimited,
    TooLarge,
    UnsupportedMediaType,
    ValidationFailed,
    wrong_fields,
)
from social.infra.files.pictures.decoding import is_picture, refused
from social.infra.observe import metrics

MOST_FILE = 10 * 1024 * 1024
MOST_BODY = MOST_FILE + 64 * 1024  # with what is around the file
MOST_ALT = 8 * 1024  # bytes: more than an `Alt` can have
MOST_HELD = 64 * 1024 * 1024  # bytes of all files that this process has in its hands
MOST_OF_ONE = 4  # files of one person at once
GRACE_S = 10.0  # before the pace is looked at
SLOWEST = 32 * 1024  # bytes a second
DONE_WITHIN_S = 60.0  # after the last byte: a place, a decoder, a store
PIECE = 64 * 1024
MOST_LINES = (
    64  # around the parts: two of them, each with a few headers; every line costs 10 µs and gives way to nobody
)
LONGEST_LINE = 8_190  # as of the headers of a request
AS_IT_IS = ("", "7bit", "8bit", "binary")  # all else is walked through byte by byte, and RFC 7578 gave it up

ALT: TypeAdapter[str] = TypeAdapter(Alt)

# Of odd headers aiohttp warns, and Python would remember every text it ever warned with.
for _odd in (multipart.BadContentDispositionHeader, multipart.BadContentDispositionParam):
    warnings.filterwarnings("error", category=_odd)

# What aiohttp raises for forms that are none.
BROKEN = (
    ValueError,
    RuntimeError,
    AssertionError,
    LookupError,
    Warning,
    http_exceptions.HttpProcessingError,
    web.RequestPayloadError,
    ClientError,
    ConnectionError,
)


class Form(NamedTuple):
    """What was sent."""

    file: bytearray
    alt: str


class Intake:
    """What this process has in its hands, so that many uploads at once cannot fill its memory."""

    def __init__(self) -> None:
        self._held = 0
        self._of: Counter[str] = Counter()

    @contextmanager
    def one(self, user_id: str) -> Iterator["Share"]:
        """The share of one upload; raises RateLimited when this person has too many under way."""
        if self._of[user_id] >= MOST_OF_ONE:
            raise RateLimited(f"At most {MOST_OF_ONE} uploads of yours at once")
        self._of[user_id] += 1
        metrics.UPLOADS.inc()
        share = Share(self)
        try:
            yield share
        finally:
            metrics.UPLOADS.dec()
            self.hold(-share.size)
            self._of[user_id] -= 1
            if not self._of[user_id]:
                del self._of[user_id]

    def hold(self, size: int) -> None:
        """So many bytes more; raises RateLimited when there is no room for them."""
        if self._held + size > MOST_HELD:
            raise RateLimited("Too many uploads at this moment", retry_after_s=2)
        self._held += size
        metrics.UPLOADS_BYTES.inc(size)


class Share:
    """What one upload holds."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.size = 0

    def add(self, size: int) -> None:
        """So many bytes more; raises RateLimited."""
        self._intake.hold(size)
        self.size += size


INTAKE = web.AppKey("intake", Intake)


@asynccontextmanager
async def received(raw: web.Request, user_id: str) -> AsyncIterator[Form]:
    """The form of a request, held until the end of this context.

    Raises UnsupportedMediaType, MalformedForm, TooLarge, BodyTimeout, RateLimited, and ValidationFailed for the first
    field that is wrong: nobody reads 10 MiB to tell of a second one.
    """
    if raw.content_type != "multipart/form-data":
        raise UnsupportedMediaType
    if raw.content_length is not None and raw.content_length > MOST_BODY:
        raise _too_large()
    now = asyncio.get_running_loop().time
    raw[DEADLINE].reschedule(now() + GRACE_S + MOST_BODY / SLOWEST + 1)
    with raw.app[INTAKE].one(user_id) as share:
        try:
            form = await _read(MultipartReader(raw.headers, _Paced(raw.content)), share)  # type: ignore[arg-type]
        except BROKEN as error:
            raise MalformedForm from error
        raw[DEADLINE].reschedule(now() + DONE_WITHIN_S)
        yield form


class _Paced:
    """A body that may take as long as a slow line takes, and no longer, and may be so large, and no larger.

    It has few lines: aiohttp looks for the first boundary line by line, and lines that are there already come without
    a turn of the loop.
    """

    def __init__(self, body: StreamReader) -> None:
        self._body = body
        self._lines = 0
        self._started = asyncio.get_running_loop().time()
        self.at_eof = body.at_eof
        self.unread_data = body.unread_data

    async def read(self, size: int) -> bytes:
        """At most so many bytes."""
        async with self._in_time():
            return await self._body.read(size)

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        """Read one line around the parts; raises ValueError beyond `MOST_LINES` of them."""
        self._lines += 1
        if self._lines > MOST_LINES:
            raise ValueError(f"more than {MOST_LINES} lines around its parts")
        async with self._in_time():
            return await self._body.readline(max_line_length=max_line_length or LONGEST_LINE)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(self._started + GRACE_S + self._body.total_bytes / SLOWEST):
                yield
        except TimeoutError:
            raise BodyTimeout from None
        if self._body.total_bytes > MOST_BODY + PIECE * 4:  # what aiohttp has read ahead
            raise _too_large()


async def _read(reader: MultipartReader, share: Share) -> Form:
    file: bytearray | None = None
    alt: str | None = None
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise MalformedForm
        if part.headers.get("Content-Transfer-Encoding", "").strip().lower() not in AS_IT_IS:
            raise MalformedForm
        match part.name:
            case "file" if file is None:
                file = await _file(part, share)
            case "alt" if alt is None:
                alt = await _alt(part)
            case "file" | "alt" as name:
                raise _wrong(name, "duplicate", "is there twice")
            case name:
                raise _wrong((name or "")[:50], "extra_forbidden", "no such field")
    if file is None:
        raise _wrong("file", "missing", "is needed")
    return Form(file, alt or "")


async def _file(part: BodyPartReader, share: Share) -> bytearray:
    file, known = bytearray(), False
    while not part.at_eof():
        piece = await part.read_chunk(PIECE)
        await asyncio.sleep(0)  # what is there already comes without a turn of the loop
        if len(file) + len(piece) > MOST_FILE:
            raise _too_large()
        share.add(len(piece))
        file += piece
        if not known and (len(file) >= 12 or part.at_eof()):
            if not is_picture(file):
                raise refused("not_a_picture")
            known = True
    return file


async def _alt(part: BodyPartReader) -> str:
    text = bytearray()
    while not part.at_eof():
        text += await part.read_chunk(PIECE)
        if len(text) > MOST_ALT:
            raise _wrong("alt", "string_too_long", f"has more than {MOST_ALT:,} bytes")
    try:
        return ALT.validate_python(text.decode())
    except UnicodeDecodeError:
        raise _wrong("alt", "string_unicode", "is not UTF-8") from None
    except ValidationError as error:
        raise wrong_fields(error, where="/alt") from None


def _wrong(name: str, code: str, detail: str) -> ValidationFailed:
    return ValidationFailed(errors=[FieldProblem(pointer=f"/{name}", code=code, detail=detail)])


def _too_large() -> TooLarge:
    return TooLarge(f"A picture can have {MOST_FILE} bytes")
