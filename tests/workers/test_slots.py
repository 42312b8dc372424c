"""Groups of notifications that a process of the release before wrote or closed, which knows of no slots."""

from typing import Any

import pytest
from support.eventually import eventually
from support.people import Person
from support.site import Site

from social.contracts.posts import Post
from social.infra.store.schema import migrate

FORMER = {  # the index by which the release before keeps one open group
    "keys": [("recipient", 1), ("type", 1), ("target.id", 1)],
    "name": "open_group",
    "unique": True,
    "partialFilterExpression": {"open": True},
}


async def group_of(site: Site, post: Post, **where: Any) -> dict[str, Any]:
    (row,) = await site.plaza.mongo.many("notifications", {"post_id": post.id, **where})
    return row


async def counts(person: Person, *wanted: int) -> None:
    async def look() -> None:
        assert tuple(each.count for each in (await person.inbox()).items) == wanted

    await eventually(look)


async def test_a_group_that_an_older_process_closed_stays_closed(
    site: Site, ada: Person, bob: Person, eve: Person
) -> None:
    post = await ada.publish("hello")
    await bob.like(post)
    await counts(ada, 1)
    row = await group_of(site, post)
    assert await site.plaza.mongo.update("notifications", {"_id": row["_id"]}, {"$unset": {"open": ""}})
    assert (await ada.inbox()).unread == 0
    await eve.like(post)
    await counts(ada, 1, 1)
    assert (await ada.inbox()).unread == 1
    assert (await group_of(site, post, open=True))["slot"] == row["slot"]


@pytest.mark.parametrize("migrated", [False, True])
async def test_a_group_that_an_older_process_opened_is_joined(
    site: Site, ada: Person, bob: Person, eve: Person, *, migrated: bool
) -> None:
    mongo, post = site.plaza.mongo, await ada.publish("hello")
    await mongo.database["notifications"].create_index(**FORMER)
    await bob.like(post)
    await counts(ada, 1)
    row = await group_of(site, post)
    assert await mongo.update("notifications", {"_id": row["_id"]}, {"$unset": {"slot": ""}})
    if migrated:
        for _ in range(2):
            await migrate(mongo, last=True)
        assert (await ada.inbox()).unread == 1
        assert await group_of(site, post) == row
        assert "open_group" not in await mongo.database["notifications"].index_information()
    await eve.like(post)
    await counts(ada, 2)
    assert (await group_of(site, post))["slot"] == row["slot"]
