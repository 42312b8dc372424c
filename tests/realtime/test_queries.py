"""A gateway's queries of the document store never walk through a collection."""

import pytest
from support.commands import recording, unindexed
from support.sockets import World, until

from social.contracts.messages import CLIENT_MESSAGES
from social.people import blocks
from social.posts import comments


@pytest.fixture
def commands():
    with recording() as commands:
        yield commands


@pytest.fixture
async def world(commands, mongo_url, mongo_database, redis_url, http):
    async with World(mongo_url, mongo_database, redis_url, http) as world:
        yield world


def polls(commands, collection):
    return sum(each.collection == collection for _, each in commands.sent if each.filters())


async def test_a_socket_looks_for_nothing_without_an_index(world, commands, gateway, ada, bob):
    post, own = await ada.publish(), await bob.publish()
    mine, other = [await world.plaza.commit(comments.add, post, text, by=bob.id) for text in ("mine", "other")]
    hers, his = await ada.connect(gateway), await bob.connect(gateway)
    said = {
        "post.watch": {"post_id": post},
        "post.like": {"post_id": post, "idempotency_key": "a-key-of-a-like"},
        "post.unlike": {"post_id": post},
        "comment.create": {"post_id": post, "text": "hello"},
        "comment.edit": {"comment_id": mine.id, "text": "hello again", "rev": 0, "idempotency_key": "a-key-of-an-edit"},
        "comment.like": {"comment_id": mine.id},
        "comment.unlike": {"comment_id": mine.id},
        "comment.delete": {"comment_id": other.id, "idempotency_key": "a-key-of-a-deletion"},
        "typing": {"post_id": post},
        "post.create": {"text": "hello @ada #plaza"},
        "post.edit": {"post_id": own, "text": "hello @ada"},
        "post.repost": {"post_id": post},
        "post.unrepost": {"post_id": post, "idempotency_key": "a-key-of-a-repost"},
        "post.bookmark": {"post_id": post},
        "post.unbookmark": {"post_id": post},
        "post.delete": {"post_id": own},
        "user.follow": {"username": ada.username},
        "user.unfollow": {"username": ada.username},
        "presence.watch": {"user_ids": [ada.id]},
        "presence.unwatch": {"user_ids": [ada.id]},
        "notifications.read": {"ids": ["0" * 24]},
        "sync": {"after": f"{(his.offset or '0.0').partition('.')[0]}.0"},
        "session.renew": {"token": bob.token},
        "post.unwatch": {"post_id": post},
    }
    assert set(said) == set(CLIENT_MESSAGES)
    for event, data in said.items():
        assert (await his.ask(event, data))["ok"], event

    await hers.close()
    await world.record(post, by=bob, author=ada)
    again = await ada.back(hers, gateway)
    await again.event("notification")
    await world.record(post, by=await world.person("eve"), author=ada)  # Redis loses the push: found by its position
    await again.event("notification.updated")
    await again.ask("post.watch", {"post_id": post})
    assert (await his.ask("post.watch", {"post_id": post}))["ok"]
    await world.plaza.commit(blocks.block, bob.username, by=ada.id)
    socket = gateway.sockets.get(his.sid)
    await until(lambda: socket.hides(ada.id) and not socket.rooms)

    await until(lambda: polls(commands, "sessions") > 1 and polls(commands, "visibility_changes") > 1)
    asked = [command for _, command in commands.sent]
    assert len({command.collection for command in asked if command.filters()}) > 8
    assert unindexed(asked) == []
