"""Runs the decoder: a process for each picture, so that no file can harm the next; few at once, few waiting."""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from social.contracts.codec import decode
from social.contracts.media import SIDES, Mime
from social.contracts.problems import FieldProblem, RateLimited, Unavailable, ValidationFailed
from social.infra.observe import logs

log = logs.get("decoding")

CORES = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 2
AT_ONCE = max(2, min(4, CORES - 1))  # a container may see more cores than it may use, and have memory for fewer
MOST_WAITING = 16
WAITS_S = 20.0  # for a free decoder
WITHIN_S = 30.0  # for a picture, wall-clock time
MOST_OUT = 32 * 1024 * 1024  # bytes of a decoder's output
PIECE = 65_536
BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}

PROGRAM = Path(__file__).with_name("decoder.py")

SAYS = {
    "not_a_picture": "is not a JPEG, PNG, WebP, GIF, HEIC or AVIF",
    "more_than_a_picture": "is followed by a page, a document or an archive",
    "too_many_pixels": "has more than 60 megapixels (a WebP 32, what moves 25 in all), or a side of more than 16,383",
    "too_many_frames": "has more than 250 frames",
    "broken": "cannot be read as a picture",
    "too_much_work": "takes too long to read, as a JPEG of more than 100 scans does",
}


class Picture(NamedTuple):
    """A decoded picture."""

    mime: Mime
    width: int
    height: int
    blurhash: str
    content: bytes
    thumbnail: bytes
    truncated: bool  # the file was cut off or damaged: not all of it could be read


class _Waiting(NamedTuple):
    """A picture that waits for a decoder, and its owner."""

    by: str | None
    size: int
    turn: asyncio.Future[None]


class Decoders:
    """The processes that decode pictures; a person has no more than a share of them while others wait."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self.share = max(1, at_once // 2)  # decoders of a person: others wait for the end of a picture at most
        self._waiting: list[_Waiting] = []
        self._at_work: Counter[str | None] = Counter()  # running decoders by person
        self._running: set[asyncio.subprocess.Process] = set()

    @property
    def pids(self) -> list[int]:
        """Return the process ids of the running decoders."""
        return [each.pid for each in self._running]

    async def decode(self, data: bytes | bytearray, by: str | None = None) -> Picture:
        """Return the picture in a file, encoded anew; it counts towards the share of `by`, or of no person for None.

        Raises ValidationFailed for a file that is no picture, RateLimited when too many wait, Unavailable when the
        decoder was killed or the machine is too busy for it.
        """
        return _read(await self._in_turn(data, by))

    async def squares(self, data: bytes | bytearray, by: str | None = None) -> list[bytes]:
        """Return the middle of a picture as WebP squares, one for each of `SIDES`; raises as `decode` does."""
        said = await self._in_turn(data, by, *map(str, SIDES))
        squares = _parts(said)[1]
        if len(squares) != len(SIDES):
            raise refused("broken")
        return squares

    async def _in_turn(self, data: bytes | bytearray, by: str | None, *arguments: str) -> bytearray:
        await self._place(by, len(data))
        try:
            return await self._decode(data, *arguments)
        finally:
            self._at_work[by] -= 1
            if not self._at_work[by]:
                del self._at_work[by]
            self._next()

    async def _place(self, by: str | None, size: int) -> None:
        waiting = _Waiting(by, size, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._next()
        if len(self._waiting) > MOST_WAITING:
            self._turn_away()
        try:
            async with asyncio.timeout(WAITS_S):
                await waiting.turn
        except BaseException as error:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif waiting.turn.done() and not waiting.turn.cancelled() and waiting.turn.exception() is None:
                self._at_work[by] -= 1  # a decoder became free at the same time
                self._next()
            if isinstance(error, TimeoutError):
                raise RateLimited("Too many pictures at this moment", retry_after_s=5) from None
            raise

    def _next(self) -> None:
        """Give free decoders to the people with the fewest, and to the smallest of their pictures."""
        while self._waiting and self._at_work.total() < self._at_once:
            may = [each for each in self._waiting if each.by is None or self._at_work[each.by] < self.share]
            if not may:
                return
            first = min(may, key=lambda each: (self._at_work[each.by], each.size))
            self._waiting.remove(first)
            if not first.turn.done():
                self._at_work[first.by] += 1
                first.turn.set_result(None)

    def _turn_away(self) -> None:
        """Refuse the last picture of the person with the most waiting."""
        of = Counter(each.by for each in self._waiting)
        most = max(of.values())
        last = [each for each in self._waiting if of[each.by] == most][-1]
        self._waiting.remove(last)
        if not last.turn.done():
            last.turn.set_exception(RateLimited("Too many pictures at this moment", retry_after_s=2))

    async def _decode(self, data: bytes | bytearray, *arguments: str) -> bytearray:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",  # ignore the working directory and the environment
            *_compiled(),
            PROGRAM,
            *arguments,
            env={},  # no secrets
            cwd="/",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        self._running.add(process)
        try:
            async with asyncio.timeout(WITHIN_S):
                said = await _converse(process, data)
                code = await process.wait()
        except TimeoutError as error:
            raise Unavailable("The picture could not be read in time") from error
        finally:
            await asyncio.shield(self._end(process))
        if code == -signal.SIGXCPU:
            raise refused("too_much_work")
        if code == -signal.SIGKILL:  # by the machine or an operator, not because of the file
            raise Unavailable("Reading the picture was cut short")
        if code != 0:
            log.warning("decoder ended", code=code)
            raise refused("broken")
        return said

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        process._transport.close()  # type: ignore[attr-defined]  # otherwise it waits for a pipe that was not read to its end
        await process.wait()
        self._running.discard(process)


def _compiled() -> list[str]:
    """Return the folder of the decoder's compiled modules, if this process has one set."""
    if sys.dont_write_bytecode:
        return ["-B"]
    return ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else []


async def _converse(process: asyncio.subprocess.Process, data: bytes | bytearray) -> bytearray:
    """Write the file to the decoder and read its output, up to a limit."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it died: its exit code says why
        with memoryview(data) as view:
            for at in range(0, len(view), PIECE):
                if process.stdin.is_closing():  # uvloop raises RuntimeError for writes to a lost pipe
                    break
                process.stdin.write(bytes(view[at : at + PIECE]))
                await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()
    said = bytearray()
    while piece := await process.stdout.read(PIECE):
        said += piece
        if len(said) > MOST_OUT:
            raise refused("broken")
    return said


def _read(said: bytearray) -> Picture:
    """Parse the output of the decoder, without trust: a file may have taken it over."""
    header, parts = _parts(said)
    try:
        content, thumbnail = parts
        if header["mime"] not in ("image/jpeg", "image/png", "image/webp"):
            raise refused("broken")
        return Picture(
            header["mime"],
            int(header["width"]),
            int(header["height"]),
            str(header["blurhash"])[:100],
            content,
            thumbnail,
            header.get("truncated") is True,
        )
    except (ValueError, KeyError, TypeError):
        raise refused("broken") from None


def _parts(said: bytearray) -> tuple[dict[str, Any], list[bytes]]:
    """Return the header of a decoder's output and the parts after it, as long as it says; raises ValidationFailed."""
    start = 4 + int.from_bytes(said[:4], "big")
    try:
        header = decode(bytes(said[4:start]))
        if code := header.get("refused"):
            raise refused(code if code in SAYS else "broken")
        ends = list(itertools.accumulate(header["sizes"], initial=start))
        if min(header["sizes"]) < 0 or ends[-1] != len(said):
            raise refused("broken")
        return header, [bytes(said[each:end]) for each, end in itertools.pairwise(ends)]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise refused("broken") from None


def refused(code: str) -> ValidationFailed:
    """Return the error that a refusal of the decoder means for the client."""
    return ValidationFailed(errors=[FieldProblem(pointer="/file", code=code, detail=SAYS[code])])


def is_picture(data: bytes | bytearray) -> bool:
    """Return whether a file begins like one of the formats; others are not even decoded."""
    if data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")):
        return True
    if data[4:8] == b"ftyp":  # videos begin like that too
        return bytes(data[8:12]) in BRANDS
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"
