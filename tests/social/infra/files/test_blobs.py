"""Bytes by name, in a folder and in a bucket, with equal promises."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.moto import BUCKET, Moto
from support.ports import free_ports

from social.contracts.problems import NotFound, Unavailable
from social.infra.files.blobs import ABANDONED, TEMPORARY, Blobs, Folder, blobs


@pytest.fixture(params=["file", "s3"])
async def store(request: pytest.FixtureRequest, moto: Moto, tmp_path: Path) -> AsyncIterator[Blobs]:
    url = f"file:{tmp_path / 'media'}"
    if request.param == "s3":
        url = f"{moto.bucket_url}&region=eu-central-1"
    kept = blobs(url)
    yield kept
    for name in await kept.names("ab/"):
        await kept.delete(name)
    await kept.close()


async def read(store: Blobs, name: str, start: int = 0, end: int = 2**40) -> bytes:
    return b"".join([piece async for piece in store.read(name, start, end)])


async def test_what_was_put_is_read_whole_and_in_part(store: Blobs) -> None:
    content = os.urandom(700_000)
    await store.put("ab/one", content, "image/png")
    assert await read(store, "ab/one", 0, len(content)) == content
    assert await read(store, "ab/one", 300_000, 300_001) == content[300_000:300_001]
    assert await read(store, "ab/one", 699_990, 700_000) == content[-10:]
    await store.put("ab/one", b"other", "image/png")
    assert await read(store, "ab/one", 0, 5) == b"other"


async def test_what_is_not_there_is_not_found_and_may_be_deleted(store: Blobs) -> None:
    with pytest.raises(NotFound):
        await read(store, "ab/nothing", 0, 5)
    await store.delete("ab/nothing", "ab/nothing.thumbnail")
    await store.put("ab/one", b"x", "image/png")
    await store.delete("ab/one")
    with pytest.raises(NotFound):
        await read(store, "ab/one", 0, 1)


async def test_names_are_listed_in_order_by_how_they_begin(store: Blobs) -> None:
    assert await store.names("ab/") == []
    for name in ("ab/2", "ab/1", "ab/1.thumbnail", "cd/3"):
        await store.put(name, b"x", "image/png")
    assert await store.names("ab/") == ["ab/1", "ab/1.thumbnail", "ab/2"]
    assert await store.names("ab/", "ab/1") == ["ab/1.thumbnail", "ab/2"]
    assert await store.names("ab/", "ab/2") == []
    assert await store.names("ab/1") == ["ab/1", "ab/1.thumbnail"]
    await store.delete("cd/3")


async def test_many_at_once_all_arrive(store: Blobs) -> None:
    await asyncio.gather(*(store.put(f"ab/{n:03d}", b"%d" % n, "image/png") for n in range(50)))
    for n in (0, 25, 49):
        assert await read(store, f"ab/{n:03d}", 0, len(b"%d" % n)) == b"%d" % n


async def test_a_bucket_that_is_away_is_unavailable_and_then_there_again(moto: Moto) -> None:
    (port,) = free_ports(1)
    nowhere = blobs(f"s3://{BUCKET}?endpoint=http://127.0.0.1:{port}")
    with pytest.raises(Unavailable):
        await nowhere.put("ab/one", b"x", "image/png")
    with pytest.raises(Unavailable):
        await read(nowhere, "ab/one", 0, 1)
    await nowhere.close()
    no_bucket = blobs(f"s3://not-there?endpoint={moto.url}")
    with pytest.raises(Unavailable):
        await no_bucket.put("ab/one", b"x", "image/png")
    await no_bucket.close()


async def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("a file is in the way")
    with pytest.raises(Unavailable):
        await Folder(tmp_path / "media").put("ab/one", b"x", "image/png")


async def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("social.infra.files.blobs.os.fsync", full)
    with pytest.raises(Unavailable):
        await Folder(tmp_path).put("ab/one", b"x", "image/png")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from social.infra.files import blobs

blobs.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(blobs.Folder(Path(sys.argv[1])).put("ab/one", b"half", "image/png"))
"""


async def test_a_process_killed_while_it_writes_leaves_only_what_is_tidied_up(tmp_path: Path) -> None:
    root = Path(__file__).parents[4]
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left.name.endswith(TEMPORARY)
    folder = Folder(tmp_path)
    assert await folder.names("ab/") == []
    assert await folder.tidy() == 0, "somebody may be writing it"
    age = left.stat().st_mtime - ABANDONED.total_seconds() - 1
    os.utime(left, (age, age))
    assert await folder.tidy() == 1
    assert not left.exists()
