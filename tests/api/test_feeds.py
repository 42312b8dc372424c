"""Home timelines."""

from support.eventually import eventually
from support.people import Person, texts


async def holds(person: Person, *expected: str) -> None:
    async def look() -> None:
        assert texts(await person.feed()) == list(expected)

    await eventually(look)


async def test_ones_own_posts_are_there_at_once(ada: Person) -> None:
    for text in ("one", "two"):
        await ada.publish(text)
    assert texts(await ada.feed()) == ["two", "one"]


async def test_posts_of_those_one_follows_arrive_newest_first(ada: Person, bob: Person, eve: Person) -> None:
    await ada.follow(bob)
    await bob.publish("bob's")
    await ada.publish("mine")
    await eve.publish("nobody asked")
    await bob.publish("bob's second")
    await holds(ada, "bob's second", "mine", "bob's")
    assert texts(await bob.feed()) == ["bob's second", "bob's"]


async def test_a_follow_brings_earlier_posts_and_an_unfollow_takes_all_away(ada: Person, bob: Person) -> None:
    await bob.publish("before")
    await ada.follow(bob)
    await holds(ada, "before")
    await bob.publish("after")
    await holds(ada, "after", "before")
    await ada.unfollow(bob)
    await holds(ada)
    await bob.publish("unheard")
    await ada.publish("mine")
    await holds(ada, "mine")


async def test_posts_in_a_timeline_show_whether_i_like_them(ada: Person, bob: Person) -> None:
    await ada.follow(bob)
    post = await bob.publish("hello")
    await holds(ada, "hello")
    await ada.like(post)
    assert [each.liked for each in (await ada.feed()).items] == [True]
    assert [each.liked for each in (await bob.feed()).items] == [False]


async def test_a_page_that_is_read_again_and_again_shows_at_once_what_its_reader_does(ada: Person, bob: Person) -> None:
    await ada.follow(bob)
    theirs = await bob.publish("bob's")
    await holds(ada, "bob's")
    for number in range(3):
        mine = await ada.publish(f"mine {number}")
        for _ in range(3):
            assert texts(await ada.feed()) == [f"mine {number}", "bob's"]
        await ada.delete(mine)
        assert texts(await ada.feed()) == ["bob's"]
    await ada.like(theirs)
    assert [each.liked for each in (await ada.feed()).items] == [True]
    await ada.to("PUT", bob, "mute")
    assert texts(await ada.feed()) == []
    await ada.to("DELETE", bob, "mute")
    await holds(ada, "bob's")
    await bob.block(ada)
    assert texts(await ada.feed()) == []
