"""Avatars: a person's own picture becomes squares, which are shown wherever that person is named."""

import hmac
from collections.abc import Callable, Sequence

from social.contracts.codec import base64url
from social.contracts.media import SIDES
from social.contracts.people import Me
from social.contracts.problems import FieldProblem, NotFound, ValidationFailed
from social.infra.files.blobs import Blobs
from social.infra.process.plaza import Plaza
from social.infra.store.mongo import Mongo, Transaction, Where
from social.infra.store.revisions import Expected
from social.infra.store.rows import MEDIA, MediaRow, SquareValue
from social.people import pages, profiles, users
from social.posts import media
from social.posts.media import THUMBNAIL_MIME, PictureStore, Shown

NOT_YOURS = FieldProblem(pointer="/media_id", code="not_attachable", detail="is not an unused picture of yours")
ENDLESS = 2**53  # seconds since 1970: the URL of an avatar ends with the picture, and at no other time


async def choose(
    plaza: Plaza,
    picture_store: PictureStore,
    media_id: str,
    *,
    by: str,
    expected: Expected,
    hold: Callable[[int], None],
) -> Me:
    """Make a picture of one's own, which nothing shows yet, one's avatar; the one before is deleted.

    `hold` reserves the memory for a file of so many bytes before it is read. Raises ValidationFailed for another
    picture, PreconditionFailed, RateLimited, Unavailable.
    """
    user = await profiles.own_row(plaza.mongo, by, expected)  # before the work, and in the transaction again
    if user.get("avatar") == media_id:
        return users.own(user)
    row = await plaza.mongo.one(MEDIA, _free(media_id, by))
    if row is None:
        raise ValidationFailed(errors=[NOT_YOURS])
    hold(row["size"])
    made = await _squares(picture_store, row, by)
    return await plaza.commit(_choose, media_id, made, by=by, expected=expected)


async def remove(tx: Transaction, *, by: str, expected: Expected) -> Me:
    """Remove one's avatar, uploaded or not; without one this changes nothing. Raises PreconditionFailed."""
    user = await profiles.own_row(tx, by, expected)
    if user["avatar_url"] is None and user.get("avatar") is None:
        return users.own(user)
    return profiles.change_avatar(tx, user, None, None)


async def seen(mongo: Mongo, media_id: str, *, viewer: str, side: int) -> Shown:
    """Return a square of the avatar of a person whom this viewer finds; raises NotFound."""
    row = await _worn(mongo, media_id)
    if not await pages.cards(mongo, [row["owner"] or ""], viewer=viewer):
        raise NotFound
    return _square(row, side, public=False, until=None)


async def signed(mongo: Mongo, media_id: str, signature: str, *, side: int) -> Shown:
    """Return a square of an avatar by its URL, while its owner is there and shows it; raises NotFound."""
    row = await _worn(mongo, media_id)
    if not hmac.compare_digest(signature.encode(), _signature(row).encode()):
        raise NotFound
    owners = await users.cards(mongo, filter(None, [row["owner"]]))
    if row["owner"] not in owners:
        raise NotFound
    return _square(row, side, public=True, until=ENDLESS)


async def _choose(tx: Transaction, media_id: str, made: dict[str, SquareValue], *, by: str, expected: Expected) -> Me:
    """Attach a picture to its owner's profile, and release the one before."""
    user = await profiles.own_row(tx, by, expected)
    if user.get("avatar") == media_id:
        return users.own(user)
    free = _free(media_id, by)
    row = await tx.one(MEDIA, free)
    if row is None:
        raise ValidationFailed(errors=[NOT_YOURS])
    tx.update(MEDIA, free, {"$set": {"state": "attached", "squares": made}})
    return profiles.change_avatar(tx, user, media_id, url(row))


async def _squares(picture_store: PictureStore, row: MediaRow, by: str) -> dict[str, SquareValue]:
    """Make and keep the squares of a picture; their bytes go with it, whether it becomes an avatar or not."""
    name, _ = media.names(row["_id"])
    content = await _whole(picture_store.blobs, name, row["size"])
    squares = await picture_store.decoders.squares(content, by)
    for side, square in zip(SIDES, squares, strict=True):
        await picture_store.blobs.put(media.square_name(row["_id"], side), square, THUMBNAIL_MIME)
    return described(squares)


def described(squares: Sequence[bytes]) -> dict[str, SquareValue]:
    """Return what the row of a picture says of its squares, one for each of `SIDES`."""
    return {
        str(side): {"size": len(square), "tag": media.digest(square)}
        for side, square in zip(SIDES, squares, strict=True)
    }


async def _whole(blobs: Blobs, name: str, size: int) -> bytearray:
    content = bytearray()  # a list of pieces, joined, would need the memory twice
    async for piece in blobs.read(name, 0, size):
        content += piece
    return content


def _free(media_id: str, by: str) -> Where:
    """Return the condition that a picture meets which its owner may choose."""
    return {"_id": media_id, "owner": by, "state": "ready"}


async def _worn(mongo: Mongo, media_id: str) -> MediaRow:
    """Return a picture that is the avatar of its owner; raises NotFound."""
    row = await mongo.get(MEDIA, media_id)
    if row is None or row["state"] != "attached" or "squares" not in row:
        raise NotFound
    return row


def _square(row: MediaRow, side: int, *, public: bool, until: int | None) -> Shown:
    square = row["squares"][str(side)]
    name = media.square_name(row["_id"], side)
    return Shown(name, square["size"], square["tag"], THUMBNAIL_MIME, public, until)


def url(row: MediaRow) -> str:
    """Return the URL of an avatar: good for as long as its owner shows it, so that cards can be kept and pushed."""
    return f"/v1/media/{row['_id']}/avatar?signature={_signature(row)}"


def _signature(row: MediaRow) -> str:
    """Return the first 128 bits of an HMAC-SHA-256 (RFC 2104) under a key that is in the row and goes with it."""
    said = hmac.digest(row["secret"].encode(), f"{row['_id']}.avatar".encode(), "sha256")
    return base64url(said[:16])
