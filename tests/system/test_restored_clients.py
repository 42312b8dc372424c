"""Clients that stay, while the system behind their addresses goes back to a backup that was made as it served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support import restores
from support.eventually import LONG_S, eventually
from support.ports import free_ports
from support.system import Embedded

from plaza_client import NotAuthenticated, Plaza, Retrying
from plaza_client.core.stream import Position
from social.infra import clock

PASSWORD = "correct horse battery"


@asynccontextmanager
async def people(*names: str, of: Embedded) -> AsyncIterator[list[Plaza]]:
    """Yield clients of new accounts, connected."""
    async with AsyncExitStack() as stack:
        found = []
        for name in names:
            client = Plaza(of.api_url, realtime=of.realtime_url, retrying=Retrying(0.05, 0.2))
            found.append(await stack.enter_async_context(client))
            await client.register(name, f"{name}@example.org", PASSWORD)
            await client.connect()
        yield found


async def notified(person: Plaza, count: int) -> Position:
    """Wait until so many notifications are in a person's inbox; return the offset."""

    async def look() -> Position:
        inbox = await person.rest("GET", "/v1/notifications")
        offset = Position.parse(inbox["offset"])
        assert (len(inbox["items"]), offset.seq >= count) == (count, True)
        return offset

    return await eventually(look)


async def shows(person: Plaza, *texts: str) -> None:
    """Wait until the timeline of a client, which it keeps current by itself, shows these posts."""
    async with asyncio.timeout(LONG_S):
        await person.feed.until(lambda each: [post.text for post in each.items] == list(texts))


async def test_clients_of_before_a_restore_log_in_again_and_miss_nothing(tmp_path: Path) -> None:
    old, new, archive = tmp_path / "old/var", tmp_path / "new/var", tmp_path / "plaza.tar.gz"
    old.mkdir(parents=True)
    new.mkdir(parents=True)
    api_port, realtime_port = free_ports(2)
    ports = {"api_port": api_port, "realtime_port": realtime_port}
    began = clock.now()
    async with AsyncExitStack() as stack:
        async with Embedded(old, **ports) as before:
            ada, bob = await stack.enter_async_context(people("ada", "bob", of=before))
            kept = await ada.publish("kept")
            await bob.like(kept.id)
            await notified(ada, 1)
            assert "plaza.tar.gz" in await restores.back_up(old, archive)
            assert archive.stat().st_mode & 0o077 == 0, "it holds hashes of passwords"
            assert list(tmp_path.glob(".*")) == []
            (late,) = await stack.enter_async_context(people("late", of=before))
            await ada.publish("lost")
            await bob.comment(kept.id, "lost")
            await late.like(kept.id)
            seen = await notified(ada, 2)
            await shows(ada, "lost", "kept")
        said = await restores.restore(archive, old, new, began)
        assert "sessions: 2 ended" in said
        async with Embedded(new, **ports):
            await asyncio.gather(*(ended(each) for each in (ada, bob, late)))
            with pytest.raises(NotAuthenticated):
                await late.login("late", PASSWORD)  # whose account is younger than the backup
            for person, name in ((ada, "ada"), (bob, "bob")):
                await person.login(name, PASSWORD)
                await person.connect()
            await shows(ada, "kept")
            assert (await ada.rest("GET", f"/v1/posts/{kept.id}"))["likes"] == 1
            other = await ada.publish("new")
            await shows(ada, "new", "kept")
            await goes_beyond(ada, bob, kept.id, other.id, seen)


async def ended(client: Plaza) -> None:
    """Wait until a client knows that its session is over."""

    async def look() -> None:
        assert (client.state, client.user) == ("ended", None)

    await eventually(look)


async def goes_beyond(ada: Plaza, bob: Plaza, kept: str, other: str, seen: Position) -> None:
    """Let the restored stream pass the place that a client had seen: other items stand there, and none is skipped."""
    pushed: list[Any] = []
    ada.listen(lambda event: pushed.append(event) if event.name.startswith("notification") else None)
    await bob.comment(kept, "one")
    await bob.like(other)
    await bob.comment(other, "two")
    await bob.follow("ada")
    now = await notified(ada, 5)
    assert now.seq > seen.seq
    assert now.epoch != seen.epoch
    missed = await ada.rest("GET", "/v1/sync", params={"after": str(seen)})
    assert (missed["recovered"], missed["events"]) == (False, [])

    async def all_pushed() -> None:
        assert len({event.data["id"] for event in pushed}) == 4

    await eventually(all_pushed)
    assert ada.disorder == (0, 0)
