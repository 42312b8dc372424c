"""Blobs by name: in a folder, or in anything that speaks S3, behind one interface."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, StringConstraints

from social.contracts.problems import NotFound, Unavailable
from social.infra import clock
from social.infra.settings import PlazaSettings, StartError, check_folder

T = TypeVar("T")

PIECE = 256 * 1024
MOST_NAMES = 1_000  # in a list
TEMPORARY = ".part"
ABANDONED = timedelta(hours=1)  # after which a write is not under way any more

MediaUrl = Annotated[
    str, StringConstraints(pattern=r"^(file:.+|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\?[A-Za-z0-9=&:/._%-]*)?)$")
]


class MediaSettings(PlazaSettings):
    """Settings of where pictures are stored."""

    media_url: MediaUrl = Field(
        default="file:var/media",
        description="file:FOLDER, or s3://BUCKET?endpoint=URL&region=NAME with AWS_ACCESS_KEY_ID and its like",
    )


class Blobs(Protocol):
    """A store of bytes by name; names are `a/b`, of small letters, digits and dots."""

    async def put(self, name: str, content: bytes, mime: str) -> None:
        """Store these bytes whole, or raise Unavailable; repeating it changes nothing."""

    def read(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` up to `end`, piece by piece; raises NotFound, Unavailable."""

    async def delete(self, *names: str) -> None:
        """Delete these blobs; a missing one counts as deleted. Raises Unavailable."""

    async def names(self, prefix: str, after: str = "") -> list[str]:
        """Return the next 1,000 names with this prefix, in order. Raises Unavailable."""

    async def tidy(self) -> int:
        """Delete what interrupted writes left behind; return how many files that were."""

    async def close(self) -> None:
        """Close the connections."""


class Folder:
    """Blobs as files: written beside their place, synced and moved, so a crash leaves only what `tidy` deletes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, content: bytes, mime: str) -> None:
        """Store these bytes; a file does not keep their MIME type."""
        await _disk(lambda: self._put(self._folder / name, content))

    def _put(self, path: Path, content: bytes) -> None:
        new = path.with_name(f"{path.name}.{clock.new_id()}{TEMPORARY}")
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            new.rename(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    async def read(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes of a file."""
        try:
            file = await _disk(lambda: (self._folder / name).open("rb"))
        except FileNotFoundError:
            raise NotFound from None
        try:
            await _disk(lambda: file.seek(start))
            while start < end:
                length = min(PIECE, end - start)
                if not (piece := await _disk(lambda: file.read(length))):  # noqa: B023 - awaited at once
                    raise Unavailable
                start += len(piece)
                yield piece
        finally:
            file.close()

    async def delete(self, *names: str) -> None:
        """Delete files."""

        def remove() -> None:
            for name in names:
                (self._folder / name).unlink(missing_ok=True)

        await _disk(remove)

    async def names(self, prefix: str, after: str = "") -> list[str]:
        """Return the names of files with this prefix in a folder."""
        folder = self._folder / prefix.rpartition("/")[0]

        def look() -> list[str]:
            there = sorted(path.relative_to(self._folder).as_posix() for path in folder.glob("*") if path.is_file())
            found = [name for name in there if name.startswith(prefix) and not name.endswith(TEMPORARY)]
            return [name for name in found if name > after][:MOST_NAMES]

        return await _disk(look)

    async def tidy(self) -> int:
        """Delete half-written files that nothing is writing any more."""
        oldest = (clock.now() - ABANDONED).timestamp()

        def remove() -> int:
            old = [path for path in self._folder.glob(f"*/*{TEMPORARY}") if path.stat().st_mtime < oldest]
            for path in old:
                path.unlink(missing_ok=True)
            return len(old)

        return await _disk(remove)

    async def close(self) -> None:
        """Do nothing: a folder holds no connection."""


async def _disk(work: Callable[[], T]) -> T:
    """Run file work in a thread; a full or missing disk becomes a 503."""
    try:
        return await asyncio.to_thread(work)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable from error


class S3:
    """Blobs in a bucket. Credentials come from where the AWS tools find them: environment, profile, instance role."""

    def __init__(self, bucket: str, endpoint: str | None, region: str | None) -> None:
        self._bucket = bucket
        self._place = {"endpoint_url": endpoint, "region_name": region or "us-east-1"}
        self._held = AsyncExitStack()
        self._client: Any = None
        self._connecting = asyncio.Lock()

    async def put(self, name: str, content: bytes, mime: str) -> None:
        """Store these bytes; S3 shows an object whole or not at all."""
        await self._ask("put_object", Key=name, Body=content, ContentType=mime)

    async def read(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes of an object."""
        found = await self._ask("get_object", Key=name, Range=f"bytes={start}-{end - 1}")
        async with found["Body"] as body:
            while True:
                async with _s3():
                    piece = await body.read(PIECE)
                if not piece:
                    return
                yield piece

    async def delete(self, *names: str) -> None:
        """Delete objects."""
        for name in names:
            await self._ask("delete_object", Key=name)

    async def names(self, prefix: str, after: str = "") -> list[str]:
        """Return the names of objects with this prefix."""
        found = await self._ask("list_objects_v2", Prefix=prefix, StartAfter=after, MaxKeys=MOST_NAMES)
        return [each["Key"] for each in found.get("Contents", [])]

    async def tidy(self) -> int:
        """Do nothing: S3 keeps no half-written object."""
        return 0

    async def close(self) -> None:
        """Close the connections."""
        await self._held.aclose()

    async def _ask(self, what: str, **how: Any) -> Any:
        async with _s3():
            client = await self._connected()
            return await getattr(client, what)(Bucket=self._bucket, **how)

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._client is None:
                from aiobotocore.config import AioConfig
                from aiobotocore.session import get_session

                config = AioConfig(
                    connect_timeout=2,
                    read_timeout=8,
                    retries={"total_max_attempts": 2},
                    s3={"addressing_style": "path"} if self._place["endpoint_url"] else None,
                    request_checksum_calculation="when_required",  # other stores than Amazon's support nothing else
                    response_checksum_validation="when_required",
                )
                client = get_session().create_client("s3", config=config, **self._place)
                self._client = await self._held.enter_async_context(client)
            return self._client


@contextlib.asynccontextmanager
async def _s3() -> AsyncIterator[None]:
    """Turn a missing object into NotFound, and every other failure into a 503."""
    from aiohttp import ClientError as HttpError
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            raise NotFound from None
        raise Unavailable from error
    except (BotoCoreError, HttpError, OSError, TimeoutError) as error:
        raise Unavailable from error


def check_store(url: str) -> None:
    """Raise StartError where MEDIA_URL names a folder that cannot be written to, or a package is missing."""
    check_folder("MEDIA_URL", url)
    blobs(url)


def blobs(url: str) -> Blobs:
    """Return the store that a setting names; raises StartError where a package that it needs is missing."""
    if url.startswith("file:"):
        return Folder(Path(url.removeprefix("file:")))
    if find_spec("aiobotocore") is None:
        raise StartError("MEDIA_URL is wrong: s3:// needs aiobotocore, which the extra `s3` installs")
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return S3(parts.netloc, options.get("endpoint"), options.get("region"))
