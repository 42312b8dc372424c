"""Mail that cannot be sent now is sent later, a mail that never can be sent is parked, and no token is left behind."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from support.eventually import eventually
from support.site import Site, system

from social.infra.files.mailer import Mail, MailRefused
from social.ops import parked


class Moody:
    """A mail server that is away for a while."""

    def __init__(self) -> None:
        self.fails = 0
        self.refuses = False
        self.tried: list[Mail] = []
        self.sent: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        self.tried.append(mail)
        if self.refuses:
            raise MailRefused("refused with 550")
        if self.fails:
            self.fails -= 1
            raise ConnectionRefusedError(f"no server for {mail.to}")
        self.sent.append(mail)


@pytest.fixture
def server() -> Moody:
    return Moody()


@pytest.fixture
async def site(
    mongo_url: str, mongo_database: str, broker_url: str | None, server: Moody, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    # Else the relay sends an event again that the publisher takes more than two seconds for, and both are tried.
    monkeypatch.setattr("workers.relay.LEFT_BEHIND", timedelta(minutes=10))
    async with system(mongo_url, mongo_database, broker_url=broker_url, mailer=server) as running:
        yield running


def token(mail: Mail) -> str:
    return mail.text.partition("#token=")[2].split()[0]


async def sent(server: Moody, count: int) -> list[Mail]:
    async def look() -> list[Mail]:
        assert len(server.sent) >= count, server.tried
        return server.sent

    return await eventually(look)


async def test_a_server_that_is_away_gets_the_mail_when_it_is_back(site: Site, server: Moody) -> None:
    server.fails = 2
    ada = await site.door.register("ada")
    (mail,) = await sent(server, 1)
    assert mail.to == "ada@example.org"
    assert len(server.tried) == 3
    answer = await site.door.ask("POST", "/v1/auth/verify-email", {"token": token(server.tried[0])})
    answer.refused(400, "invalid_one_time_token")  # what was not sent is of no use to anybody
    assert (await site.door.ask("POST", "/v1/auth/verify-email", {"token": token(mail)})).status == 204
    assert (await ada.me()).email_verified


async def test_what_fails_to_the_end_is_parked_without_a_token_and_can_be_sent_again(
    site: Site, server: Moody, quick_retries: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = len(quick_retries) + 1
    server.fails = tries
    await site.door.register("ada")
    mongo = site.plaza.mongo

    async def kept() -> str:
        (row,) = await parked.listed(mongo)
        return str(row["_id"])

    async def look() -> str:
        assert len(await parked.listed(mongo)) == 1
        return await kept()

    parked_id = await eventually(look)
    assert len(server.tried) == tries
    row = str(await parked.shown(mongo, parked_id))
    assert not any(token(mail) in row for mail in server.tried)
    assert await mongo.count("one_time_tokens", {}, limit=5) == 0
    monkeypatch.setattr("workers.relay.LEFT_BEHIND", timedelta(0))  # by which it is sent
    await parked.replay(mongo, parked_id)
    (mail,) = await sent(server, 1)
    assert (await site.door.ask("POST", "/v1/auth/verify-email", {"token": token(mail)})).status == 204


async def test_an_address_that_is_refused_for_good_holds_nobody_up(site: Site, server: Moody) -> None:
    server.refuses = True
    await site.door.register("ada")

    async def tried() -> None:
        assert len(server.tried) == 1

    await eventually(tried)
    server.refuses = False
    await site.door.register("bob")
    assert [mail.to for mail in await sent(server, 1)] == ["bob@example.org"]
    assert await parked.listed(site.plaza.mongo) == []
    assert len(server.tried) == 2
