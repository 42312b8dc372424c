"""A form with a file (RFC 7578), read as it arrives: its bytes are counted and timed, and the first error ends it."""

import asyncio
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import NamedTuple

from aiohttp import BodyPartReader, ClientError, MultipartReader, StreamReader, http_exceptions, multipart, web
from pydantic import TypeAdapter, ValidationError

from api.request import DEADLINE
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
MOST_BODY = MOST_FILE + 64 * 1024  # the file, and the rest of the form around it
MOST_ALT = 8 * 1024  # bytes: more than an `Alt` can have
MOST_HELD = 64 * 1024 * 1024  # bytes of all uploads, and of pictures that become avatars, which this process holds
MOST_PER_PERSON = 4  # uploads at once
GRACE_S = 10.0  # before `SLOWEST` is enforced
SLOWEST = 32 * 1024  # bytes a second
DONE_WITHIN_S = 60.0  # after the last byte: for a free decoder, decoding and storing
PIECE = 64 * 1024
MOST_LINES = (
    64  # around the parts: two parts, each with a few headers; a line takes 10 µs, in which the loop does nothing else
)
LONGEST_LINE = 8_190  # bytes, as for the headers of a request
IDENTITY = ("", "7bit", "8bit", "binary")  # others are decoded byte by byte, and RFC 7578 deprecates them

ALT: TypeAdapter[str] = TypeAdapter(Alt)

# aiohttp warns of odd headers, and Python would keep the text of every warning in memory.
for _odd in (multipart.BadContentDispositionHeader, multipart.BadContentDispositionParam):
    warnings.filterwarnings("error", category=_odd)

# Exceptions that aiohttp raises for malformed forms.
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
    """The fields of an upload."""

    file: bytearray
    alt: str


class Intake:
    """The files that this process holds for decoding, bounded so that many at once cannot fill its memory."""

    def __init__(self) -> None:
        self._held = 0
        self._of: Counter[str] = Counter()

    @contextmanager
    def upload(self, user_id: str) -> Iterator["Share"]:
        """Open the share of a new upload; raises RateLimited when this person has too many under way."""
        if self._of[user_id] >= MOST_PER_PERSON:
            raise RateLimited(f"You can have at most {MOST_PER_PERSON} uploads at once")
        self._of[user_id] += 1
        metrics.UPLOADS_IN_FLIGHT.inc()
        share = Share(self)
        try:
            yield share
        finally:
            metrics.UPLOADS_IN_FLIGHT.dec()
            self.hold(-share.size)
            self._of[user_id] -= 1
            if not self._of[user_id]:
                del self._of[user_id]

    def hold(self, size: int) -> None:
        """Reserve `size` bytes, or release them where it is negative; raises RateLimited when there is no room."""
        if self._held + size > MOST_HELD:
            raise RateLimited("There are too many uploads at this moment", retry_after_s=2)
        self._held += size
        metrics.UPLOADS_IN_FLIGHT_BYTES.inc(size)


class Share:
    """The bytes that an upload holds."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.size = 0

    def add(self, size: int) -> None:
        """Reserve `size` more bytes; raises RateLimited when there is no room."""
        self._intake.hold(size)
        self.size += size


INTAKE = web.AppKey("intake", Intake)


@asynccontextmanager
async def received(raw: web.Request, user_id: str) -> AsyncIterator[Form]:
    """Read the form of a request, which is held until the end of this context.

    Raises UnsupportedMediaType, MalformedForm, TooLarge, BodyTimeout, RateLimited, and ValidationFailed for the first
    wrong field: reading on for a second one could mean 10 MiB.
    """
    if raw.content_type != "multipart/form-data":
        raise UnsupportedMediaType
    if raw.content_length is not None and raw.content_length > MOST_BODY:
        raise _too_large()
    now = asyncio.get_running_loop().time
    raw[DEADLINE].reschedule(now() + GRACE_S + MOST_BODY / SLOWEST + 1)
    with raw.app[INTAKE].upload(user_id) as share:
        try:
            form = await _read(MultipartReader(raw.headers, _Paced(raw.content)), share)  # type: ignore[arg-type]
        except BROKEN as error:
            raise MalformedForm from error
        raw[DEADLINE].reschedule(now() + DONE_WITHIN_S)
        yield form


class _Paced:
    """A body with a slowest pace, a largest size and a number of lines, which is what aiohttp reads.

    The lines are bounded because aiohttp looks for the first boundary line by line, and lines that have arrived already
    are read without a turn of the loop.
    """

    def __init__(self, body: StreamReader) -> None:
        self._body = body
        self._lines = 0
        self._started = asyncio.get_running_loop().time()
        self.at_eof = body.at_eof
        self.unread_data = body.unread_data

    async def read(self, size: int) -> bytes:
        """Read at most `size` bytes."""
        async with self._in_time():
            return await self._body.read(size)

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        """Read one line around the parts; raises ValueError beyond `MOST_LINES` of them."""
        self._lines += 1
        if self._lines > MOST_LINES:
            raise ValueError(f"more than {MOST_LINES} lines around the parts")
        async with self._in_time():
            return await self._body.readline(max_line_length=max_line_length or LONGEST_LINE)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(self._started + GRACE_S + self._body.total_bytes / SLOWEST):
                yield
        except TimeoutError:
            raise BodyTimeout from None
        if self._body.total_bytes > MOST_BODY + PIECE * 4:  # aiohttp reads up to 4 pieces ahead
            raise _too_large()


async def _read(reader: MultipartReader, share: Share) -> Form:
    file: bytearray | None = None
    alt: str | None = None
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise MalformedForm
        if part.headers.get("Content-Transfer-Encoding", "").strip().lower() not in IDENTITY:
            raise MalformedForm
        match part.name:
            case "file" if file is None:
                file = await _file(part, share)
            case "alt" if alt is None:
                alt = await _alt(part)
            case "file" | "alt" as name:
                raise _wrong(name, "duplicate", "is given twice")
            case name:
                raise _wrong((name or "")[:50], "extra_forbidden", "there is no such field")
    if file is None:
        raise _wrong("file", "missing", "is needed")
    return Form(file, alt or "")


async def _file(part: BodyPartReader, share: Share) -> bytearray:
    file, known = bytearray(), False
    while not part.at_eof():
        piece = await part.read_chunk(PIECE)
        await asyncio.sleep(0)  # pieces that have arrived already are read without a turn of the loop
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
