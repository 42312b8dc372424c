"""Avatars: a picture of one's own, as squares, wherever its owner is named."""

from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from support.eventually import eventually
from support.one_site import new_person, one_door, one_loop, one_site
from support.people import Door, Person
from support.pictures import exif, kept, opened, picture, saved, uploaded, webp, worn
from support.site import Site

from api import forms
from social.contracts.people import Me
from social.infra import clock
from social.infra.files.blobs import Folder
from social.infra.files.pictures import decoding
from social.posts import media_sweep

pytestmark = one_loop
site, door = one_site(), one_door()
ada, bob = new_person("ada"), new_person("bob")

AVATAR = "/v1/users/me/avatar"


async def square(door: Door, url: str) -> Image.Image:
    answer = await door.ask("GET", url)
    assert answer.status == 200, answer
    return opened(answer.raw)


async def test_an_avatar_is_shown_wherever_its_owner_is_named(ada: Person, bob: Person) -> None:
    post = await ada.publish("hello")
    comment = await ada.comment(post, "first")
    url = await worn(ada)
    for author in ((await bob.see(post)).author, (await bob.comments(post)).items[0].author, await bob.profile(ada)):
        assert author.avatar_url == url
    theirs = await bob.publish("hello too")
    await ada.like(theirs)

    async def notified() -> None:
        groups = await bob.notifications()
        assert [actor.avatar_url for group in groups for actor in group.actors] == [url]

    assert comment.author.avatar_url is None
    await eventually(notified)


async def test_the_middle_of_a_picture_becomes_squares_upright_and_without_its_metadata(
    door: Door, ada: Person
) -> None:
    image = Image.new("RGB", (900, 600), "white")
    image.paste("red", (150, 0, 450, 300))
    url = await worn(ada, saved(image, "JPEG", quality=95, exif=b"Exif\0\0" + exif(6)))
    for query, side in (("", 192), ("&size=96", 96), ("&size=512", 512)):
        seen = await square(door, url + query)
        assert (seen.size, seen.format, dict(seen.getexif())) == ((side, side), "WEBP", {})
        rgb = seen.convert("RGB")
        assert rgb.getpixel((side * 3 // 4, side // 4)) == pytest.approx((254, 0, 0), abs=30)
        assert rgb.getpixel((side // 4, side // 4)) == pytest.approx((255, 255, 255), abs=30)
    (await door.ask("GET", url + "&size=64")).refused(422, "validation_failed")


async def test_a_small_picture_is_not_enlarged_and_a_moving_one_stands(door: Door, ada: Person) -> None:
    assert (await square(door, await worn(ada, picture(size=(40, 30))))).size == (30, 30)
    seen = await square(door, await worn(ada, webp("red", "blue")))
    assert (seen.size, getattr(seen, "n_frames", 1)) == ((30, 30), 1)
    assert seen.convert("RGB").getpixel((15, 15)) == pytest.approx((255, 0, 0), abs=5)


async def test_the_url_of_an_avatar_opens_it_and_nothing_else(door: Door, ada: Person, bob: Person) -> None:
    url = await worn(ada)
    answer = await door.ask("GET", url)
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert (await door.ask("GET", url, headers={"If-None-Match": answer.headers["ETag"]})).status == 304
    path, _, signature = url.partition("?signature=")
    for wrong in (f"{path}?signature=x", f"{path}?signature={signature[::-1]}", url.replace(path[10:34], "0" * 24)):
        (await door.ask("GET", wrong)).refused(404, "not_found")
    original = path.removesuffix("/avatar")
    (await bob.ask("GET", original)).refused(404, "not_found")
    (await door.ask("GET", f"{original}?until=9999999999&signature={signature}")).refused(404, "not_found")
    other = await uploaded(ada)
    (await door.ask("GET", f"/v1/media/{other.id}/avatar?signature={signature}")).refused(404, "not_found")


async def test_another_avatar_releases_the_one_before(site: Site, door: Door, ada: Person) -> None:
    first = await worn(ada)
    second = await worn(ada)
    assert first != second
    (await door.ask("GET", first)).refused(404, "not_found")
    assert (await square(door, second)).size == (60, 60)
    third = (await ada.edit(avatar_url="https://example.org/a.png")).avatar_url
    assert third == "https://example.org/a.png"
    (await door.ask("GET", second)).refused(404, "not_found")
    url = await worn(ada)
    removed = (await ada.ask("DELETE", AVATAR)).ok(Me)
    assert (removed.avatar_url, removed.rev) == (None, (await ada.me()).rev)
    assert (await ada.ask("DELETE", AVATAR)).ok(Me) == removed
    (await door.ask("GET", url)).refused(404, "not_found")
    while await media_sweep.sweep(site.plaza.mongo, Folder(site.pictures)):
        pass
    mine = {row["_id"] for row in await site.plaza.mongo.many("media", {"owner": ada.id})}
    assert mine == set()
    assert not [path for path in kept(site.pictures) if path.name.partition(".")[0] in first + second + url]


async def test_only_an_unused_picture_of_ones_own_becomes_an_avatar(ada: Person, bob: Person) -> None:
    theirs = await uploaded(bob)
    shown = await uploaded(ada)
    await ada.ask("POST", "/v1/posts", {"text": "look", "media": [shown.id]})
    for media_id in (theirs.id, shown.id, "0" * 24):
        answer = await ada.ask("PUT", AVATAR, {"media_id": media_id})
        assert answer.wrong_fields() == {"/media_id": "not_attachable"}
    assert (await ada.me()).avatar_url is None


async def test_choosing_an_avatar_again_changes_nothing_and_a_stale_choice_is_refused(ada: Person) -> None:
    ref = await uploaded(ada)
    first = await ada.ask("PUT", AVATAR, {"media_id": ref.id})
    again = await ada.ask("PUT", AVATAR, {"media_id": ref.id})
    assert first.ok(Me) == again.ok(Me)
    await ada.edit(bio="hello")
    stale = {"If-Match": first.headers["ETag"]}
    other = await uploaded(ada)
    (await ada.ask("PUT", AVATAR, {"media_id": other.id}, headers=stale)).refused(412, "precondition_failed")
    (await ada.ask("DELETE", AVATAR, headers=stale)).refused(412, "precondition_failed")
    (await ada.ask("DELETE", f"/v1/media/{ref.id}")).refused(409, "media_in_use")


async def test_a_choice_that_changes_nothing_or_is_stale_is_answered_without_a_decoder(
    ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, other = await uploaded(ada), await uploaded(ada)
    first = await ada.ask("PUT", AVATAR, {"media_id": ref.id})
    now = await ada.edit(bio="hello")
    monkeypatch.setattr(decoding, "PROGRAM", Path("/no/such/program"))
    stale = {"If-Match": first.headers["ETag"]}
    (await ada.ask("PUT", AVATAR, {"media_id": other.id}, headers=stale)).refused(412, "precondition_failed")
    assert (await ada.ask("PUT", AVATAR, {"media_id": ref.id})).ok(Me).rev == now.rev
    assert (await ada.ask("PUT", AVATAR, {"media_id": other.id})).wrong_fields() == {"/file": "broken"}


async def test_a_choice_counts_as_an_upload_and_holds_memory_as_one(
    ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = await uploaded(ada)
    monkeypatch.setattr(forms, "MOST_HELD", 50)
    answer = await ada.ask("PUT", AVATAR, {"media_id": ref.id})
    answer.refused(429, "rate_limited")
    assert '"upload"' in answer.headers["RateLimit"]
    monkeypatch.undo()
    (await ada.ask("PUT", AVATAR, {"media_id": ref.id})).ok(Me)


async def test_an_avatar_is_kept_by_the_sweep_and_goes_with_its_owner(
    site: Site, door: Door, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, mongo = await worn(ada), site.plaza.mongo
    await mongo.update_all("media", {"owner": ada.id}, {"$set": {"at": clock.now() - timedelta(days=9)}})
    while await media_sweep.sweep(mongo, Folder(site.pictures)):
        pass
    assert (await square(door, url)).size == (60, 60)
    assert (await ada.ask("DELETE", "/v1/users/me", {"password": ada.password})).status == 204

    async def gone() -> None:
        (await door.ask("GET", url)).refused(404, "not_found")

    await eventually(gone)
