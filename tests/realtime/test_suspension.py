"""Accounts that end while their sockets are open."""

from support.sockets import World, until

from realtime.app import Gateway
from social.accounts import lifecycle
from social.contracts.people import DeleteAccount
from social.contracts.pushes import post_room


async def test_the_sockets_of_a_suspended_person_close_within_two_seconds(world: World, gateway: Gateway) -> None:
    ada = await world.person("ada")
    wire = await ada.connect(gateway)
    await lifecycle.suspend(world.plaza.mongo, ada.username, "spam")  # as the command does it: no word to a gateway
    await world.within(2, wire.disconnected_for_good())
    assert wire.named("session.revoked") == [{"reason": "account_suspended"}]
    refused = await ada.connect(gateway)
    assert refused.refused is not None


async def test_the_sockets_of_a_deleted_account_close_at_once(world: World, gateway: Gateway) -> None:
    ada = await world.person("ada")
    wires = [await ada.connect(gateway) for _ in range(2)]
    ask = DeleteAccount(password="a word, and another")
    await lifecycle.delete(world.plaza, world.keys, ask, by=ada.id)
    for wire in wires:
        await world.within(2, wire.disconnected_for_good())
        assert wire.named("session.revoked") == [{"reason": "account_deleted"}]


async def test_nobody_hears_any_more_of_a_post_whose_author_was_suspended(world: World, gateway: Gateway) -> None:
    ada, bob = await world.person("ada"), await world.person("bob")
    his, post, meeting = await bob.connect(gateway), await ada.publish(), await bob.publish()
    for each in (post, meeting):
        assert (await his.ask("post.watch", {"post_id": each}))["ok"]
    await lifecycle.suspend(world.plaza.mongo, ada.username, "spam")
    await until(lambda: gateway.sockets.get(his.sid).rooms == {post_room(meeting)})
