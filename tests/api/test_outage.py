"""The document store goes away and comes back: refusals meanwhile, and nothing that was acknowledged is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymongo.monitoring import CommandStartedEvent
from support.commands import Commands, recording
from support.eventually import eventually
from support.people import Person, texts
from support.servers import DocumentStore
from support.site import Site, system


@pytest.fixture
async def store(tmp_path: Path, document_store: DocumentStore) -> AsyncIterator[DocumentStore]:
    """A document store that the test may kill."""
    server = DocumentStore(tmp_path / "documents")
    await server.start()
    yield server
    await server.kill()
    await server.stop()


@pytest.fixture
async def site(store: DocumentStore) -> AsyncIterator[Site]:
    async with system(store.url, "plaza", timeout_s=5) as running:
        yield running


async def test_while_the_store_is_away_requests_are_refused_and_then_served_again(
    store: DocumentStore, site: Site, ada: Person, bob: Person
) -> None:
    post = await ada.publish("before")
    await store.kill()
    asks = [
        ("GET", "/v1/users/me", None),
        ("GET", "/v1/feed", None),
        ("GET", "/v1/notifications", None),
        ("POST", "/v1/posts", {"text": "during"}),
        ("PUT", f"/v1/posts/{post.id}/like", None),
        ("POST", "/v1/auth/login", {"username": "ada", "password": ada.password}),
        ("POST", "/v1/auth/refresh-token", {"refresh_token": ada.tokens.refresh_token}),
    ]
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(bob.ask(*ask) for ask in asks))
    for answer in answers:
        answer.refused(503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert (await bob.ask("GET", "/livez")).status == 200
    ready = await bob.ask("GET", "/readyz")
    assert (ready.status, ready.body["status"]) == (503, "not ready")

    await store.start()

    async def served() -> None:
        assert (await bob.ask("GET", "/readyz")).status == 200
        assert texts(await ada.posts(ada)) == ["before"]

    await eventually(served)
    await bob.like(post)

    async def notified() -> None:
        assert [each.count for each in await ada.notifications()] == [1]

    await eventually(notified)


class FreezeAtCommit(Commands):
    """Freezes the store the next time a transaction is about to commit."""

    def __init__(self, store: DocumentStore) -> None:
        super().__init__()
        self._store = store
        self.armed = False

    def started(self, event: CommandStartedEvent) -> None:
        if self.armed and event.command_name == "commitTransaction":
            self._store.freeze()
            self.armed = False  # only now: else another thread's commit would find neither


async def test_a_deadline_in_the_middle_of_a_commit_leaves_one_answer_under_a_key(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether that commit took effect, nobody knows then; a retry finds out, and all of it is there once."""
    freezer = FreezeAtCommit(store)
    with recording(freezer):
        async with system(store.url, "plaza", timeout_s=20) as site:
            ada, bob = await site.door.register("ada"), await site.door.register("bob")
            await bob.follow(ada)
            monkeypatch.setattr("api.http.DEADLINE_S", 0.5)
            for text in ("one", "two", "three"):
                freezer.armed = True
                while freezer.armed:  # a busy machine may reach the deadline before the commit
                    (await ada.ask("POST", "/v1/posts", {"text": text}, key=text)).refused(503, "unavailable")
                store.thaw()

                async def again(text: str = text) -> None:
                    answer = await ada.ask("POST", "/v1/posts", {"text": text}, key=text)

                    assert answer.status == 201, answer

                await eventually(again)
            assert texts(await ada.posts(ada)) == ["three", "two", "one"]

            async def notified() -> None:
                assert texts(await bob.feed()) == ["three", "two", "one"]

            await eventually(notified)


async def test_nothing_acknowledged_is_lost_while_the_store_comes_and_goes(
    store: DocumentStore, site: Site, ada: Person, bob: Person
) -> None:
    """A client that retries under its key, as ours do, ends with each post once."""
    acknowledged: list[str] = []
    stop = asyncio.Event()

    async def write(writer: int) -> None:
        n = 0
        while not stop.is_set():
            text = f"{writer}.{n}"
            answer = await ada.ask("POST", "/v1/posts", {"text": text}, key=text)
            if answer.status == 201:
                acknowledged.append(text)
                n += 1
            else:
                answer.refused(503, "unavailable")
                await asyncio.sleep(0.05)

    writers = [asyncio.create_task(write(n)) for n in range(4)]
    for _ in range(2):
        before = len(acknowledged)
        while len(acknowledged) < before + 20:
            await asyncio.sleep(0.01)
        await store.kill()
        await store.start()
    stop.set()
    await asyncio.gather(*writers)

    found: list[str] = []
    page = await ada.posts(ada, "?limit=100")
    found += texts(page)
    while page.next:
        page = await ada.posts(ada, f"?limit=100&cursor={page.next}")
        found += texts(page)
    assert sorted(found) == sorted(acknowledged)

    async def counted() -> None:
        assert (await bob.profile(ada)).posts == len(acknowledged)

    await eventually(counted)


async def test_writes_are_refused_while_too_many_events_wait(
    site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = await ada.publish("hello")
    monkeypatch.setattr(site.plaza.outbox, "_overloaded", True)
    answer = await ada.ask("POST", "/v1/posts", {"text": "more"})
    answer.refused(503, "unavailable")
    assert "Retry-After" in answer.headers
    assert (await ada.see(post)).text == "hello"
