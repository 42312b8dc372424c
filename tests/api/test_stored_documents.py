"""Stored documents are what `social/infra/store/rows/` says of them: the type checker believes it."""

from support.eventually import eventually
from support.people import Person
from support.pictures import uploaded
from support.site import Site
from support.typed_rows import KINDS, wrong

from social.accounts import lifecycle
from social.contracts.posts import Post

# Of work that is under way, of what went wrong, or of what an older release left: other tests come by those.
PERHAPS = {"outbox", "parked", "migrations", "workers", "leases", "inbox"}


async def test_what_people_leave_in_the_store_is_of_the_types_of_its_collections(
    site: Site, ada: Person, bob: Person, eve: Person
) -> None:
    await ada.edit(bio="Notes", links=[{"title": "Notes", "url": "https://example.org/notes"}])
    picture = await uploaded(ada)
    said = {"text": "hello @bob #day", "media": [picture.id]}
    post = (await ada.ask("POST", "/v1/posts", said, key="k1")).ok(Post, 201)
    await ada.ask("PATCH", f"/v1/posts/{post.id}", {"text": "hello @bob, good #day"})
    await bob.follow(ada)
    await bob.like(post)
    await bob.ask("PUT", f"/v1/posts/{post.id}/repost")
    await bob.ask("PUT", f"/v1/posts/{post.id}/bookmark")
    comment = await bob.comment(post, "nice, @ada")
    await ada.like_comment(comment)
    reply = await ada.reply(comment, "thanks")
    await eve.edit(private=True)
    await bob.follow(eve)
    await eve.block(ada)
    await eve.mute(bob)
    await bob.ask("PATCH", "/v1/notifications/preferences", {"like": False})
    await bob.ask("POST", "/v1/reports", {"target": {"kind": "post", "id": post.id}, "reason": "spam"})
    await ada.delete_comment(reply)
    await bob.feed()
    passwords = {"current_password": bob.password, "new_password": "another good word"}
    assert (await bob.ask("POST", "/v1/auth/password", passwords)).status < 300
    await lifecycle.suspend(site.plaza.mongo, "eve", "spam")

    async def left() -> None:
        for name, types in KINDS.items():
            documents = await site.plaza.mongo.database[name].find({}).to_list(None)
            assert documents or name in PERHAPS, f"nothing is in {name}, of {types}"
            assert [said for each in documents for said in wrong(name, each)] == []

    await eventually(left)
