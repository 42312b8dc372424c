"""Pictures: uploaded, encoded anew, shown to people who may see their post, swept when no post shows them."""

import time
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image, ImageCms
from support.eventually import eventually
from support.moto import Moto
from support.people import Door, Person
from support.pictures import form, gif, kept, noise, opened, picture, saved, upload, uploaded
from support.site import Site, serving, system

from social.contracts.media import MediaRef
from social.contracts.posts import Post
from social.infra import clock
from social.infra.files.blobs import Folder, blobs
from social.posts import media, media_sweep, media_urls, publishing


async def attach(site: Site, ref: MediaRef, post: Post, by: Person) -> None:
    """Have a post show a picture."""
    await site.plaza.commit(media.attach, [ref.id], post.id, by=by.id)


async def seen(door: Door, url: str, **more: Any) -> Image.Image:
    """Return the answer that an `<img>` gets."""
    answer = await door.ask("GET", url, **more)
    assert answer.status == 200, answer
    return opened(answer.raw)


@pytest.mark.parametrize(
    ("kind", "becomes", "suffix"),
    [
        ("JPEG", "image/jpeg", "jpg"),
        ("PNG", "image/png", "png"),
        ("WEBP", "image/webp", "webp"),
        ("GIF", "image/png", "png"),
    ],
)
async def test_a_picture_is_uploaded_and_shown(door: Door, ada: Person, kind: str, becomes: str, suffix: str) -> None:
    answer = await upload(ada, picture(kind, (800, 600)), "a teal wall")
    ref = answer.ok(MediaRef, 201)
    assert answer.headers["Location"] == f"/v1/media/{ref.id}"
    assert (ref.width, ref.height, ref.mime, ref.alt) == (800, 600, becomes, "a teal wall")
    assert len(ref.blurhash) == 28
    got = await door.ask("GET", ref.url)
    assert got.headers["Content-Type"] == becomes
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Disposition"] == f'inline; filename="{ref.id}.{suffix}"'
    assert got.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "Content-Encoding" not in got.headers
    assert opened(got.raw).size == (800, 600)
    assert opened(got.raw).convert("RGB").getpixel((400, 300)) == pytest.approx((0, 128, 128), abs=3)
    assert (await seen(door, ref.thumbnail_url)).size == (400, 300)
    assert (await ada.ask("GET", f"/v1/media/{ref.id}")).raw == got.raw


async def test_the_content_decides_and_neither_the_name_nor_the_declared_kind(ada: Person) -> None:
    file = form(picture("JPEG"), name="../../etc/passwd.svg", mime="text/html")
    assert (await ada.ask("POST", "/v1/media", data=file)).ok(MediaRef, 201).mime == "image/jpeg"


async def test_of_what_a_camera_knew_nothing_is_kept(site: Site, ada: Person) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x9286] = "Spy Cameras", "Model 7", "at home"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "PNG", "WEBP"):
        file = picture(kind, (80, 60), exif=exif, icc_profile=profile)
        before = opened(file)
        assert before.getexif().get_ifd(0x8825)
        await uploaded(ada, file)
    files = [path.read_bytes() for path in kept(site.pictures)]
    assert len(files) == 6
    for content in files:
        after = opened(content)
        assert dict(after.getexif()) == {}
        assert dict(after.getexif().get_ifd(0x8825)) == {}
        assert "icc_profile" not in after.info
        for secret in (b"Spy", b"Model 7", b"at home", b"Exif", b"acsp"):
            assert secret not in content


async def test_a_picture_is_the_right_way_up(door: Door, ada: Person) -> None:
    image = Image.new("RGB", (80, 40), "white")
    image.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn it by 90 degrees
    ref = await uploaded(ada, saved(image, "JPEG", exif=exif, quality=95))
    assert (ref.width, ref.height) == (40, 80)
    shown = (await seen(door, ref.url)).convert("RGB")
    assert shown.size == (40, 80)
    assert shown.getpixel((35, 5)) == pytest.approx((255, 0, 0), abs=12)
    assert shown.getpixel((5, 5)) == pytest.approx((255, 255, 255), abs=12)


async def test_colours_of_another_space_become_those_every_screen_has(door: Door, ada: Person) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (lab, b"no profile at all", b""):
        ref = await uploaded(ada, picture("PNG", icc_profile=profile))
        assert (await seen(door, ref.url)).getpixel((5, 5)) == (0, 128, 128)
    inks = await uploaded(ada, saved(Image.new("CMYK", (40, 40), (255, 0, 0, 0)), "JPEG"))
    assert (await seen(door, inks.url)).mode == "RGB"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
async def test_every_kind_of_pixel_is_taken(door: Door, ada: Person, mode: str) -> None:
    image = Image.new("L", (40, 30), 255).convert(mode) if mode != "I;16" else Image.new(mode, (40, 30), 0xFFFF)
    shown = await seen(door, (await uploaded(ada, saved(image))).url)
    assert shown.size == (40, 30)
    assert shown.convert("RGB").getpixel((3, 3)) == (255, 255, 255)


async def test_what_is_clear_stays_clear(door: Door, ada: Person) -> None:
    for kind in ("PNG", "WEBP"):
        ref = await uploaded(ada, saved(Image.new("RGBA", (40, 30), (255, 0, 0, 0)), kind))
        for url in (ref.url, ref.thumbnail_url):
            assert (await seen(door, url)).convert("RGBA").getpixel((3, 3))[3] == 0


async def test_what_moves_goes_on_moving(door: Door, ada: Person) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue")]
    options = {"save_all": True, "append_images": frames[1:], "duration": 120, "loop": 0}
    for file in (saved(frames[0], "GIF", **options), saved(frames[0], "WEBP", **options), saved(frames[0], **options)):
        ref = await uploaded(ada, file)
        assert (ref.width, ref.height, ref.mime) == (40, 30, "image/webp")
        shown = await seen(door, ref.url)
        assert (shown.n_frames, shown.info["loop"]) == (3, 0)
        shown.seek(2)
        assert shown.convert("RGB").getpixel((9, 9)) == pytest.approx((0, 0, 255), abs=25)
        assert getattr(await seen(door, ref.thumbnail_url), "n_frames", 1) == 1
    assert (await uploaded(ada, gif(250))).mime == "image/webp"


async def test_a_picture_may_have_25_megapixels(door: Door, ada: Person) -> None:
    ref = await uploaded(ada, picture("JPEG", (5_000, 5_000)))
    assert (ref.width, ref.height) == (5_000, 5_000)


async def test_a_range_of_a_picture_is_answered(door: Door, ada: Person) -> None:
    ref = await uploaded(ada, noise((700, 500), "JPEG"))
    whole = await door.ask("GET", ref.url)
    size, tag = len(whole.raw), whole.headers["ETag"]
    assert (whole.headers["Accept-Ranges"], whole.headers["Content-Length"]) == ("bytes", str(size))
    assert not tag.startswith("W/")

    async def part(said: str, **more: str) -> tuple[int, bytes, str | None]:
        answer = await door.ask(
            "GET", ref.url, headers={"Range": said, **{n.replace("_", "-"): v for n, v in more.items()}}
        )
        return answer.status, answer.raw, answer.headers.get("Content-Range")

    assert await part("bytes=0-99") == (206, whole.raw[:100], f"bytes 0-99/{size}")
    assert await part("bytes=100-") == (206, whole.raw[100:], f"bytes 100-{size - 1}/{size}")
    assert await part("bytes=-10") == (206, whole.raw[-10:], f"bytes {size - 10}-{size - 1}/{size}")
    assert await part("bytes=5-999999999") == (206, whole.raw[5:], f"bytes 5-{size - 1}/{size}")
    assert await part("bytes=0-9", If_Range=tag) == (206, whole.raw[:10], f"bytes 0-9/{size}")
    for ignored in ("bytes=9-5", "bytes=0-1,3-4", "lines=0-9", "bytes=x", "bytes=-", "bytes=٣-٤"):
        assert await part(ignored) == (200, whole.raw, None), ignored
    assert await part("bytes=0-9", If_Range='"another"') == (200, whole.raw, None)
    assert await part("bytes=0-9", If_Range="Sun, 06 Nov 1994 08:49:37 GMT") == (200, whole.raw, None)
    for nothing in (f"bytes={size}-", "bytes=-0"):
        answer = await door.ask("GET", ref.url, headers={"Range": nothing})
        answer.refused(416, "range_not_satisfiable")
        assert answer.headers["Content-Range"] == f"bytes */{size}"
    unchanged = await door.ask("GET", ref.url, headers={"If-None-Match": tag, "Range": "bytes=0-9"})
    assert (unchanged.status, unchanged.raw) == (304, b"")
    head = await door.ask("HEAD", ref.url, headers={"Range": "bytes=0-9"})
    assert (head.status, head.raw, head.headers["Content-Length"]) == (200, b"", str(size))
    assert (await door.ask("GET", ref.thumbnail_url)).headers["ETag"] != tag


async def test_a_picture_of_no_post_is_its_owners_alone(ada: Person, bob: Person) -> None:
    ref = await uploaded(ada)
    for path in (f"/v1/media/{ref.id}", f"/v1/media/{ref.id}/thumbnail"):
        assert (await ada.ask("GET", path)).status == 200
        (await bob.ask("GET", path)).refused(404, "not_found")
        (await bob.door.ask("GET", path)).refused(401, "invalid_token")
    for method, body in (("PATCH", {"alt": "mine"}), ("DELETE", None)):
        (await bob.ask(method, f"/v1/media/{ref.id}", body)).refused(404, "not_found")


async def test_who_may_see_the_post_may_see_the_picture(site: Site, ada: Person, bob: Person, eve: Person) -> None:
    ref, post = await uploaded(ada), await ada.publish("look")
    await attach(site, ref, post, ada)
    path = f"/v1/media/{ref.id}"
    answer = await bob.ask("GET", path)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "private, no-cache")
    assert "Authorization" in answer.headers["Vary"]
    (await bob.ask("PATCH", path, {"alt": "mine"})).refused(403, "forbidden")
    (await bob.ask("DELETE", path)).refused(403, "forbidden")
    await ada.block(eve)
    (await eve.ask("GET", path)).refused(404, "not_found")
    await bob.follow(ada)
    await ada.edit(private=True)
    carol = await site.door.register("carol")
    assert (await bob.ask("GET", path)).status == 200
    (await carol.ask("GET", path)).refused(404, "not_found")


@pytest.mark.usefixtures("quick_sweeps")
async def test_a_deleted_post_takes_its_picture_along_at_once_and_its_bytes_soon(
    site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.posts.orphans.SETTLES", timedelta(seconds=0))
    ref, post = await uploaded(ada), await ada.publish("look")
    await attach(site, ref, post, ada)
    assert (await ada.ask("GET", ref.url, token=None)).status == 200
    await ada.delete(post)
    (await ada.ask("GET", ref.url, token=None)).refused(404, "not_found")
    (await ada.ask("GET", f"/v1/media/{ref.id}")).refused(404, "not_found")

    async def swept() -> None:
        assert kept(site.pictures) == []

    await eventually(swept)


async def test_a_url_is_for_one_picture_and_ends(
    door: Door, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = time.time()
    mine, other = await uploaded(ada), await uploaded(bob)
    path, _, query = mine.url.partition("?")
    assert ada.tokens.access_token not in mine.url
    assert (await door.ask("GET", f"{path}?{query}")).status == 200
    assert (await door.ask("GET", f"{path}/thumbnail?{query}")).status == 200
    until = int(query.partition("until=")[2].partition("&")[0])
    for url in (
        f"/v1/media/{other.id}?{query}",
        f"{path}?{query}x",
        f"{path}?{query[:-1]}",
        f"{path}?{query}".replace(str(until), str(until + 1)),
        f"{path}?signature=",
        f"{path}?signature={query.partition('signature=')[2]}",
    ):
        (await door.ask("GET", url)).refused(404, "not_found")
        (await ada.ask("GET", url)).refused(404, "not_found")
    assert media_urls.WINDOW_S <= until - before <= 2 * media_urls.WINDOW_S + time.time() - before
    real = time.time
    monkeypatch.setattr("social.posts.media_urls.time.time", lambda: real() + 2 * media_urls.WINDOW_S)
    (await door.ask("GET", mine.url)).refused(404, "not_found")


async def test_a_url_stays_the_same_for_a_while_so_that_caches_work(
    ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = await uploaded(ada)
    now = (int(time.time()) // media_urls.WINDOW_S + 5) * media_urls.WINDOW_S
    urls = []
    for at in (now, now + media_urls.WINDOW_S - 1, now + media_urls.WINDOW_S):
        monkeypatch.setattr("social.posts.media_urls.time.time", lambda at=at: float(at))
        urls.append((await ada.ask("PATCH", f"/v1/media/{ref.id}", {"alt": "x"})).ok(MediaRef).url)
    assert urls[0] == urls[1] != urls[2]


async def test_shared_caches_keep_only_what_everybody_may_see(site: Site, ada: Person) -> None:
    ref, post = await uploaded(ada), await ada.publish("look")

    async def cached() -> tuple[str, int]:
        who, _, age = (await ada.ask("GET", ref.url, token=None)).headers["Cache-Control"].partition(", max-age=")
        return who, int(age)

    who, age = await cached()
    assert who == "private"
    assert 0 < age <= 300
    await attach(site, ref, post, ada)
    assert (await cached())[0] == "public"
    await ada.edit(private=True)
    assert (await cached())[0] == "private"


async def test_what_a_picture_shows_can_be_said_and_changed_by_its_owner(ada: Person) -> None:
    ref = await uploaded(ada, alt="  a cat ")
    assert ref.alt == "a cat"
    assert (await ada.ask("PATCH", f"/v1/media/{ref.id}", {"alt": "a dog"})).ok(MediaRef).alt == "a dog"
    wrong = await ada.ask("PATCH", f"/v1/media/{ref.id}", {"alt": "x" * 1_001})
    assert wrong.wrong_fields() == {"/alt": "string_too_long"}
    assert (await upload(ada, picture(), "x" * 1_001)).wrong_fields() == {"/alt": "string_too_long"}
    assert (await upload(ada, picture(), "x\0")).wrong_fields() == {"/alt": "string_pattern_mismatch"}


async def test_a_picture_of_no_post_can_be_given_up_and_one_of_a_post_cannot(site: Site, ada: Person) -> None:
    ref, post = await uploaded(ada), await ada.publish("look")
    assert (await ada.ask("DELETE", f"/v1/media/{ref.id}")).status == 204
    (await ada.ask("GET", f"/v1/media/{ref.id}")).refused(404, "not_found")
    (await ada.ask("DELETE", f"/v1/media/{ref.id}")).refused(404, "not_found")
    ref = await uploaded(ada)
    await attach(site, ref, post, ada)
    (await ada.ask("DELETE", f"/v1/media/{ref.id}")).refused(409, "media_in_use")


async def test_a_retry_stores_nothing_twice(site: Site, ada: Person) -> None:
    file = picture("JPEG")
    first = await upload(ada, file, "x", key="k1")
    again = await upload(ada, file, "x", key="k1")
    assert (again.status, again.raw) == (201, first.raw)
    assert len(kept(site.pictures)) == 2
    for other, alt in ((picture("PNG"), "x"), (file, "y")):
        (await upload(ada, other, alt, key="k1")).refused(422, "idempotency_mismatch")
    assert len(kept(site.pictures)) == 2


async def test_a_retry_finishes_what_a_store_that_was_away_interrupted(
    site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = picture("JPEG")
    with monkeypatch.context() as patched:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patched.setattr(Folder, "_put", full)
        (await upload(ada, file, key="k1")).refused(503, "unavailable")
    assert kept(site.pictures) == []
    ref = (await upload(ada, file, key="k1")).ok(MediaRef, 201)
    assert (await ada.ask("GET", f"/v1/media/{ref.id}")).status == 200
    assert len(kept(site.pictures)) == 2


async def test_only_ones_own_unused_pictures_can_be_attached_and_each_once(
    site: Site, ada: Person, bob: Person
) -> None:
    mine, theirs, post = await uploaded(ada), await uploaded(bob), await ada.publish("look")

    async def refused(*ids: str) -> set[str]:
        with pytest.raises(media.ValidationFailed) as wrong:
            await site.plaza.commit(media.attach, list(ids), post.id, by=ada.id)
        return {each.pointer for each in wrong.value.errors or []}

    async def attached(*ids: str) -> set[str]:
        found = await site.plaza.mongo.get_many("media", ids)
        return {row["_id"] for row in found.values() if row["state"] == "attached"}

    assert await refused(mine.id, theirs.id) == {"/media/1"}
    assert await refused(mine.id, mine.id, "0" * 24) == {"/media/1", "/media/2"}
    more = [(await uploaded(ada)).id for _ in range(4)]
    assert await refused(mine.id, *more) == {"/media"}
    assert await attached(mine.id) == set()
    await site.plaza.commit(media.attach, [more[0], mine.id], post.id, by=ada.id)
    assert await attached(mine.id, more[0], theirs.id) == {mine.id, more[0]}
    assert await refused(mine.id) == {"/media/0"}


async def test_a_post_shows_its_pictures_wherever_it_is_shown(site: Site, ada: Person, bob: Person) -> None:
    await bob.follow(ada)
    refs = [await uploaded(ada, alt=alt) for alt in ("one", "two", "three", "four")]
    ids = [ref.id for ref in reversed(refs)]
    post = (await ada.ask("POST", "/v1/posts", {"text": "look", "media": ids}, key="k1")).ok(Post, 201)
    again = (await ada.ask("POST", "/v1/posts", {"text": "look", "media": ids}, key="k1")).ok(Post, 201)
    assert again == post

    async def in_feed() -> Post:
        (found,) = (await bob.feed()).items or [None]
        assert found is not None
        return found

    pushed = await publishing.public(site.plaza.mongo, post.id)
    assert pushed is not None
    for seen_by in (post, await bob.see(post), (await bob.posts(ada)).items[0], await eventually(in_feed), pushed):
        assert [each.alt for each in seen_by.media] == ["four", "three", "two", "one"]
        for each in seen_by.media:
            assert (await seen(site.door, each.url)).size == (80, 60)
            assert (await seen(site.door, each.thumbnail_url)).size == (80, 60)


async def test_a_post_of_pictures_needs_no_text(ada: Person, bob: Person) -> None:
    ref = await uploaded(ada)
    post = (await ada.ask("POST", "/v1/posts", {"text": " ", "media": [ref.id]})).ok(Post, 201)
    assert (post.text, [each.id for each in post.media]) == ("", [ref.id])
    assert (await ada.ask("POST", "/v1/posts", {"text": "", "media": []})).wrong_fields() == {
        "/text": "string_too_short"
    }
    theirs = await uploaded(bob)
    for media_id in (ref.id, theirs.id, "0" * 24):
        wrong = await ada.ask("POST", "/v1/posts", {"text": "look", "media": [media_id]})
        assert wrong.wrong_fields() == {"/media/0": "not_attachable"}
    wrong = await ada.ask("POST", "/v1/posts", {"text": "look", "media": ["0" * 24] * 5})
    assert wrong.wrong_fields() == {"/media": "too_long"}
    assert len((await ada.posts(ada)).items) == 1


async def test_a_followers_picture_is_for_followers(ada: Person, bob: Person, eve: Person) -> None:
    await bob.follow(ada)
    ref = await uploaded(ada)
    body = {"text": "look", "media": [ref.id], "visibility": "followers"}
    post = (await ada.ask("POST", "/v1/posts", body)).ok(Post, 201)
    assert (await bob.ask("GET", f"/v1/media/{ref.id}")).status == 200
    (await eve.ask("GET", f"/v1/media/{ref.id}")).refused(404, "not_found")
    cached = (await bob.ask("GET", post.media[0].url, token=None)).headers["Cache-Control"]
    assert cached.startswith("private, ")


async def test_what_was_never_finished_or_never_used_is_swept_and_nothing_else(
    site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    mongo, blobs = site.plaza.mongo, Folder(site.pictures)
    used, unused, unfinished, fresh = [await uploaded(ada) for _ in range(4)]
    await attach(site, used, await ada.publish("look"), ada)
    for ref, state, age in ((unused, "ready", media_sweep.UNUSED), (unfinished, "pending", media_sweep.UNFINISHED)):
        change = {"state": state, "at": clock.now() - age - timedelta(seconds=1)}
        await mongo.update("media", {"_id": ref.id}, {"$set": change})
    await mongo.update("media", {"_id": used.id}, {"$set": {"at": clock.now() - media_sweep.UNUSED * 2}})
    while await media_sweep.sweep(mongo, blobs):
        pass
    there = {path.name.partition(".")[0] for path in kept(site.pictures)}
    assert there == {used.id, fresh.id}
    assert {row["_id"] for row in await mongo.many("media", {})} == {used.id, fresh.id}


async def test_bytes_that_nothing_knows_of_are_swept(site: Site, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs, ref = Folder(site.pictures), await uploaded(ada)
    old = f"{int(time.time()) - 90_000:08x}{'0' * 16}"
    for each in (old, old[:-1] + "1"):
        for name in media.names(each):
            await blobs.put(name, b"x", "image/png")
    (site.pictures / "00/notes.txt").write_text("not ours")
    await site.plaza.mongo.insert(
        "media", {"_id": old[:-1] + "1", "owner": ada.id, "state": "ready", "at": clock.now()}
    )
    for part in range(256):
        monkeypatch.setattr("social.posts.media_sweep.time.time", lambda part=part: part * media_sweep.STRAYS_EVERY_S)
        await media_sweep.sweep_strays(site.plaza.mongo, blobs)
    there = {path.name for path in kept(site.pictures)}
    names = {name.rpartition("/")[2] for each in (ref.id, old[:-1] + "1") for name in media.names(each)}
    assert there == {*names, "notes.txt"}


@pytest.mark.usefixtures("quick_sweeps")
async def test_a_deleted_account_leaves_no_picture(
    site: Site, ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("social.accounts.erasure.SETTLES", timedelta(seconds=0))
    theirs = await uploaded(bob)
    refs = [await uploaded(ada, alt="secret") for _ in range(2)]
    await attach(site, refs[0], await ada.publish("look"), ada)
    assert (await ada.ask("DELETE", "/v1/users/me", {"password": ada.password})).status == 204
    for ref in refs:
        (await ada.door.ask("GET", ref.url)).refused(404, "not_found")

    async def gone() -> None:
        assert {path.name.partition(".")[0] for path in kept(site.pictures)} == {theirs.id}
        assert [row["owner"] for row in await site.plaza.mongo.many("media", {})] == [bob.id]

    await eventually(gone)


async def test_pictures_may_be_kept_in_s3(mongo_url: str, mongo_database: str, moto: Moto) -> None:
    async with system(mongo_url, mongo_database, media_url=moto.bucket_url) as site:
        ada = await site.door.register("ada")
        ref = await uploaded(ada, noise((700, 500), "JPEG"))
        whole = (await site.door.ask("GET", ref.url)).raw
        assert opened(whole).size == (700, 500)
        part = await site.door.ask("GET", ref.url, headers={"Range": "bytes=100-199"})
        assert (part.status, part.raw) == (206, whole[100:200])
        assert (await seen(site.door, ref.thumbnail_url)).size == (400, 286)
        assert kept(site.pictures) == []
        await moto.stop()
        (await site.door.ask("GET", ref.url)).refused(503, "unavailable")
        (await upload(ada, picture(), key="k1")).refused(503, "unavailable")
        assert (await ada.me()).username == "ada"
        await moto.start()
        again = (await upload(ada, picture(), key="k1")).ok(MediaRef, 201)
        assert (await seen(site.door, again.url)).size == (80, 60)
        assert (await ada.ask("DELETE", f"/v1/media/{again.id}")).status == 204
        store = blobs(moto.bucket_url)

        async def swept() -> None:
            for name in media.names(again.id):
                assert await store.names(name) == []

        await eventually(swept)
        await store.close()


async def test_uploads_are_limited_by_person(site: Site) -> None:
    async with serving(site.plaza, site.keys, rate_upload="1/60", media_url=f"file:{site.pictures}") as door:
        ada, bob = await door.register("ada"), await door.register("bob")
        await uploaded(ada)
        (await upload(ada, picture())).refused(429, "rate_limited")
        await uploaded(bob)


@pytest.mark.parametrize("what", ["pictures", "bytes"])
async def test_a_person_keeps_only_so_many_pictures_that_no_post_shows(
    ada: Person, bob: Person, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    file = picture("PNG")
    first, _ = await uploaded(ada, file), await uploaded(ada, file)
    size = await ada.ask("GET", f"/v1/media/{first.id}")
    thumbnail = await ada.ask("GET", f"/v1/media/{first.id}/thumbnail")
    if what == "pictures":
        monkeypatch.setattr(media, "MOST_UNUSED", 2)
    else:
        monkeypatch.setattr(media, "MOST_UNUSED_BYTES", 2 * (len(size.raw) + len(thumbnail.raw)))
    (await upload(ada, file)).refused(409, "too_many_unused")
    await uploaded(bob, file)
    assert (await ada.ask("POST", "/v1/posts", {"text": "look", "media": [first.id]})).status == 201
    third = await uploaded(ada, file)
    (await upload(ada, file)).refused(409, "too_many_unused")
    assert (await ada.ask("DELETE", f"/v1/media/{third.id}")).status == 204
    await uploaded(ada, file)


async def test_a_twin_of_an_upload_is_answered_where_there_is_no_place_left(
    ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "MOST_UNUSED", 1)
    file = picture("PNG")
    first, twin = [(await ada.ask("POST", "/v1/media", data=form(file), key="once")) for _ in range(2)]
    assert first.ok(MediaRef, 201).id == twin.ok(MediaRef, 201).id
