"""Pictures: written anew and kept, shown to those who may see their post, swept when nothing shows them.

A row is `pending` before any byte of it is kept, `ready` after the last, `attached` by the post that shows it, and
`gone` before its bytes go: wherever a process dies, the row says what is left to do.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from social.contracts.base import Contract
from social.contracts.codec import base64url
from social.contracts.media import MediaRef, Mime
from social.contracts.problems import FieldProblem, Forbidden, MediaInUse, NotFound, TooManyUnused, ValidationFailed
from social.infra import clock
from social.infra.files.blobs import Blobs
from social.infra.files.pictures.decoding import Decoders, Picture
from social.infra.process.plaza import IdempotencyKey, Plaza
from social.infra.store.loaders import together
from social.infra.store.mongo import Mongo, Reader, Transaction
from social.infra.store.released import GONE
from social.infra.store.rows import MEDIA, POSTS, USERS, MediaRow
from social.people import users
from social.posts import access
from social.posts.media_urls import REF_FIELDS, ref, verify_signature

MOST_IN_A_POST = 4
MOST_UNUSED = 100  # of one person at a time: 25 posts with all the pictures they take
MOST_UNUSED_BYTES = 200 * 1024 * 1024  # of these, with their thumbnails
THUMBNAIL_MIME: Mime = "image/webp"


@dataclass(frozen=True)
class PictureStore:
    """The decoders that make pictures, and the store that keeps them."""

    decoders: Decoders
    blobs: Blobs


class Made(Contract):
    """The description of a picture that was written anew."""

    source: str
    mime: Mime
    width: int
    height: int
    blurhash: str
    size: int
    tag: str
    thumbnail_size: int
    thumbnail_tag: str
    truncated: bool


class Shown(NamedTuple):
    """Bytes somebody may see: where they are, and whether everybody may."""

    name: str
    size: int
    tag: str
    mime: Mime
    public: bool
    until: int | None  # in seconds since the epoch, where a URL said so


async def upload(
    plaza: Plaza,
    picture_store: PictureStore,
    idempotency_key: IdempotencyKey | None,
    file: bytes | bytearray,
    alt: str,
    *,
    by: str,
) -> MediaRef:
    """Make a picture of a file and keep it; the file itself is never kept.

    Raises ValidationFailed when it is no picture, RateLimited when too many wait, TooManyUnused, Unavailable.
    """
    picture = await picture_store.decoders.decode(file, by)
    said = await asyncio.to_thread(made, file, picture)  # hashing 10 MiB takes a while
    begun = await plaza.commit_idempotent(idempotency_key, begin, said, alt, by=by)
    if await plaza.mongo.one(MEDIA, {"_id": begun.id, "state": "pending"}, {"_id": 1}):
        content, thumbnail = names(begun.id)
        await picture_store.blobs.put(content, picture.content, picture.mime)
        await picture_store.blobs.put(thumbnail, picture.thumbnail, THUMBNAIL_MIME)
        await plaza.mongo.update(MEDIA, {"_id": begun.id, "state": "pending"}, {"$set": {"state": "ready"}})
    return begun


def made(file: bytes | bytearray, picture: Picture) -> Made:
    """Describe a picture; `source` distinguishes the files it was made of."""
    return Made(
        source=hashlib.sha256(file).hexdigest(),
        mime=picture.mime,
        width=picture.width,
        height=picture.height,
        blurhash=picture.blurhash,
        size=len(picture.content),
        tag=digest(picture.content),
        thumbnail_size=len(picture.thumbnail),
        thumbnail_tag=digest(picture.thumbnail),
        truncated=picture.truncated,
    )


async def begin(tx: Transaction, picture: Made, alt: str, *, by: str) -> MediaRef:
    """Begin a picture; raises TooManyUnused. Uploads of one person at once may each find the last place free."""
    if not await tx.one(USERS, {"_id": by, **users.HERE}, {"_id": 1}):
        raise NotFound
    unused = {"owner": by, "state": {"$in": ["pending", "ready"]}}
    kept = await tx.many(MEDIA, unused, fields={"size": 1, "thumbnail_size": 1}, limit=MOST_UNUSED)
    size = sum(each["size"] + each["thumbnail_size"] for each in kept) + picture.size + picture.thumbnail_size
    if len(kept) >= MOST_UNUSED or size > MOST_UNUSED_BYTES:
        raise TooManyUnused
    row = new(picture, alt, by=by)
    tx.insert(MEDIA, row)
    return ref(row)


def new(picture: Made, alt: str, *, by: str) -> MediaRow:
    """Return the row of a picture whose bytes are about to be kept."""
    return {
        "_id": clock.new_id(),
        "owner": by,
        "state": "pending",
        "at": clock.now(),
        "post_id": None,
        "secret": clock.new_secret(16),
        "alt": alt,
        "mime": picture.mime,
        "width": picture.width,
        "height": picture.height,
        "blurhash": picture.blurhash,
        "size": picture.size,
        "tag": picture.tag,
        "thumbnail_size": picture.thumbnail_size,
        "thumbnail_tag": picture.thumbnail_tag,
        "truncated": picture.truncated,
    }


async def attach(tx: Transaction, media_ids: Sequence[str], post_id: str, *, by: str) -> list[MediaRow]:
    """Attach one's own pictures to a post, in this order; a picture belongs to one post for ever.

    Raises ValidationFailed naming those that are not one's own, not ready, or shown already.
    """
    if not media_ids:
        return []
    free = {"_id": {"$in": list(media_ids)}, "owner": by, "state": "ready"}
    rows = {row["_id"]: row for row in await tx.many(MEDIA, free, fields=REF_FIELDS)}
    wrong = [
        FieldProblem(pointer=f"/media/{at}", code="not_attachable", detail="is not an unused picture of yours")
        for at, each in enumerate(media_ids)
        if each not in rows or each in media_ids[:at]
    ]
    if len(media_ids) > MOST_IN_A_POST:
        wrong.append(FieldProblem(pointer="/media", code="too_long", detail=f"takes at most {MOST_IN_A_POST} pictures"))
    if wrong:
        raise ValidationFailed(errors=wrong)
    for each in media_ids:
        tx.update(MEDIA, {**free, "_id": each}, {"$set": {"state": "attached", "post_id": post_id}})
    return [rows[each] for each in media_ids]


async def edit(tx: Transaction, media_id: str, alt: str, *, by: str) -> MediaRef:
    """Change the alternative text of one's own picture; raises NotFound, Forbidden."""
    row = await _own(tx, media_id, by)
    tx.update(MEDIA, {"_id": media_id, "state": row["state"]}, {"$set": {"alt": alt}})
    return ref({**row, "alt": alt})


async def delete(tx: Transaction, media_id: str, *, by: str) -> None:
    """Give up a picture that no post shows; raises NotFound, Forbidden, MediaInUse."""
    row = await _own(tx, media_id, by)
    if row["state"] == "attached":
        raise MediaInUse
    tx.update(MEDIA, {"_id": media_id, "state": row["state"]}, GONE)


async def release_of_posts(mongo: Mongo, post_ids: Sequence[str]) -> int:
    """Release the pictures of posts that were deleted; return how many there were."""
    return await mongo.update_all(MEDIA, {"post_id": {"$in": list(post_ids)}, "state": {"$ne": "gone"}}, GONE)


async def seen(mongo: Mongo, media_id: str, *, viewer: str, thumbnail: bool) -> Shown:
    """Return a picture that is one's own, or of a post that one may see; raises NotFound."""
    row = await _kept(mongo, media_id)
    if row["owner"] == viewer:
        await _public(mongo, row)
    elif row["post_id"] is None:
        raise NotFound
    else:
        await access.readable(mongo, row["post_id"], viewer=viewer)
    return _shown(row, thumbnail, public=False, until=None)


async def signed(mongo: Mongo, media_id: str, until: int, signature: str, *, thumbnail: bool) -> Shown:
    """Return a picture by a URL given to a person who might see it, while its post is there; raises NotFound."""
    row = await _kept(mongo, media_id)
    if not verify_signature(row, until, signature):
        raise NotFound
    return _shown(row, thumbnail, public=await _public(mongo, row), until=until)


def names(media_id: str) -> tuple[str, str]:
    """Return where its bytes are kept, and those of its thumbnail: in one of 256 parts, by the end of the id."""
    name = f"{media_id[-2:]}/{media_id}"
    return name, f"{name}.thumbnail"


def square_name(media_id: str, side: int) -> str:
    """Return where a square of a picture that is an avatar is kept."""
    return f"{names(media_id)[0]}.square{side}"


async def _kept(reader: Reader, media_id: str) -> MediaRow:
    """Return a picture whose bytes are kept; raises NotFound."""
    row = await reader.get(MEDIA, media_id)
    if row is None or row["state"] not in ("ready", "attached"):
        raise NotFound
    return row


async def _public(reader: Reader, row: MediaRow) -> bool:
    """Return whether all may see a picture; raises NotFound where its post, if it has one, or its owner is gone."""
    owners, found = await together(
        users.cards(reader, filter(None, [row["owner"]])),
        reader.get_many(POSTS, filter(None, [row["post_id"]]), access.POST),
    )
    owner, post = owners.get(row["owner"] or ""), found.get(row["post_id"] or "")
    if owner is None or (row["post_id"] is not None and post is None):
        raise NotFound
    return post is not None and post.get("visibility", "public") == "public" and not owner.get("private")


def _shown(row: MediaRow, thumbnail: bool, *, public: bool, until: int | None) -> Shown:
    content, small = names(row["_id"])
    if thumbnail:
        return Shown(small, row["thumbnail_size"], row["thumbnail_tag"], THUMBNAIL_MIME, public, until)
    return Shown(content, row["size"], row["tag"], row["mime"], public, until)


async def _own(tx: Transaction, media_id: str, by: str) -> MediaRow:
    row = await _kept(tx, media_id)
    if row["owner"] != by:
        if row["post_id"] is None:
            raise NotFound
        await access.readable(tx, row["post_id"], viewer=by)
        raise Forbidden("Only its owner can change a picture")
    return row


def digest(content: bytes) -> str:
    """Return the tag of these bytes."""
    return base64url(hashlib.blake2b(content, digest_size=12).digest())
