"""Texts of a third person do not show two people between whom a block stands who the other is."""

import pytest
from support.people import Door, Person
from support.site import Site

from social.contracts.comments import Comment
from social.contracts.posts import Post
from social.posts import comments, publishing

TEXT = "@bob and @zoe and @eve: #plaza"


class Written:
    """Texts of Eve that mention Bob, in every place where a text has entities."""

    def __init__(self, post: Post, comment: Comment, reply: Comment) -> None:
        self.post, self.comment, self.reply = post, comment, reply
        self.paths = (
            f"/v1/posts/{post.id}",
            "/v1/users/eve/posts",
            "/v1/feed",
            "/v1/bookmarks",
            "/v1/search?q=%23plaza",
            "/v1/hashtags/plaza/posts",
            f"/v1/posts/{post.id}/comments",
            f"/v1/comments/{comment.id}/replies",
        )


@pytest.fixture
async def written(ada: Person, bob: Person, eve: Person, zoe: Person) -> Written:
    await ada.follow(eve)
    post = await eve.publish(TEXT)
    comment = await eve.comment(post, TEXT)
    reply = await eve.reply(comment, TEXT)
    await ada.ask("PUT", f"/v1/posts/{post.id}/bookmark")
    return Written(post, comment, reply)


@pytest.fixture
async def zoe(door: Door) -> Person:
    return await door.register("zoe")


async def named(reader: Person, path: str) -> tuple[set[str], bytes]:
    """Return the people whom the texts of an answer mention, and the answer."""
    answer = await reader.ask("GET", path)
    assert answer.status == 200, (path, answer.body)
    items = answer.body.get("items", [answer.body])
    assert items, path
    return {each["key"] for item in items for each in item["entities"] if each["kind"] == "mention"}, answer.raw


@pytest.mark.parametrize("blocker", ["bob", "ada"])
async def test_who_is_apart_from_the_reader_is_only_text(
    ada: Person, bob: Person, zoe: Person, written: Written, blocker: str
) -> None:
    one, other = (bob, ada) if blocker == "bob" else (ada, bob)
    for path in written.paths:
        assert (await named(ada, path))[0] == {"bob", "zoe", "eve"}, path
    await one.block(other)
    for path in written.paths:
        keys, raw = await named(ada, path)
        assert keys == {"zoe", "eve"}, path
        assert bob.id.encode() not in raw, path
        assert zoe.id.encode() in raw, path
    for path in (f"/v1/posts/{written.post.id}", f"/v1/posts/{written.post.id}/comments"):
        assert (await named(zoe, path))[0] == {"bob", "zoe", "eve"}, path
    await one.unblock(other)
    for path in written.paths:
        assert (await named(ada, path))[0] == {"bob", "zoe", "eve"}, path


async def test_what_is_pushed_to_many_names_people_without_their_ids(site: Site, bob: Person, written: Written) -> None:
    pushed_post = await publishing.public(site.plaza.mongo, written.post.id)
    assert pushed_post is not None
    pushed = [pushed_post, *await comments.public(site.plaza.mongo, [written.comment.id, written.reply.id])]
    assert len(pushed) == 3
    for each in pushed:
        mentions = [entity for entity in each.entities if entity.kind == "mention"]
        assert [(entity.key, entity.user_id) for entity in mentions] == [("bob", None), ("zoe", None), ("eve", None)]
        assert [entity.key for entity in each.entities if entity.kind == "hashtag"] == ["plaza"]
