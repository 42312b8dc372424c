"""Upload, reading, editing and deletion of pictures."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from api import forms, pictures
from api.pictures import Picture
from api.request import Request
from api.routing import Service
from social.contracts.base import Id
from social.contracts.media import EditMedia, MediaRef, NewMedia, Side
from social.contracts.people import ChooseAvatar, Me
from social.contracts.problems import Forbidden, MediaInUse, NotFound, RangeNotSatisfiable, TooManyUnused
from social.posts import avatars, media

service = Service("media", "Pictures")

Until = Annotated[int, Field(ge=0, le=2**53, description="when the signature ends, in seconds since 1970")]
Size = Annotated[
    Side,
    BeforeValidator(lambda said: int(said) if str(said).isdecimal() else said),  # a query is text
    Field(description="pixels a side"),
]
Signature = Annotated[str | None, Field(max_length=64, description="the signature in a picture's URL")]


@service.post(
    "/v1/media",
    status=201,
    idempotency_key=True,
    limit="upload",
    form=NewMedia,
    location=lambda ref: f"/v1/media/{ref.id}",
    raises=(TooManyUnused,),
)
async def create_media(request: Request) -> MediaRef:
    """Upload a picture, which a post must show within a day.

    The picture is decoded and encoded anew, without its metadata (place, time, device) or anything else in the file.
    It is turned as EXIF says, and its colours become sRGB. An animation becomes a WebP of at most 250 frames and 25
    megapixels together, with the file's speed and repetitions; a GIF of one frame becomes a PNG. Of a file that was
    cut off or damaged the readable part is kept, and `truncated` is true.
    """
    async with forms.received(request.raw, request.user_id) as form:
        return await media.upload(
            request.plaza, request.picture_store, request.idempotency_key, form.file, form.alt, by=request.user_id
        )


@service.get("/v1/media/{media_id}", signed=True, raises=(NotFound, RangeNotSatisfiable))
async def get_media(request: Request, media_id: Id, until: Until = 0, signature: Signature = None) -> Picture:
    """Return a picture: with a token if you may see its post, with a signed URL to everybody who has it."""
    return await _show(request, media_id, until, signature, thumbnail=False)


@service.get("/v1/media/{media_id}/thumbnail", signed=True, raises=(NotFound, RangeNotSatisfiable))
async def get_thumbnail(request: Request, media_id: Id, until: Until = 0, signature: Signature = None) -> Picture:
    """Return a picture's thumbnail: at most 400 pixels wide and high, and not animated."""
    return await _show(request, media_id, until, signature, thumbnail=True)


@service.get("/v1/media/{media_id}/avatar", signed=True, raises=(NotFound, RangeNotSatisfiable))
async def get_avatar(request: Request, media_id: Id, size: Size = 192, signature: Signature = None) -> Picture:
    """Return an uploaded avatar, as a square: with a token to those who find its owner, by its URL to everybody.

    The URL is the `avatar_url` of a person. It is good for as long as this is their avatar. A picture smaller than the
    square is not enlarged.
    """
    mongo = request.plaza.mongo
    if signature is None:
        shown = await avatars.seen(mongo, media_id, viewer=request.user_id, side=size)
    else:
        shown = await avatars.signed(mongo, media_id, signature, side=size)
    return await pictures.answer(request.raw, request.picture_store.blobs, shown)


@service.put("/v1/users/me/avatar", if_match=True, limit="upload")
async def set_avatar(request: Request, body: ChooseAvatar) -> Me:
    """Make a picture that you uploaded your avatar: its middle, as squares, wherever you are named.

    The avatar before is deleted. A moving picture is shown by its first frame.
    """
    by = request.user_id
    with request.raw.app[forms.INTAKE].upload(by) as share:
        return await avatars.choose(
            request.plaza, request.picture_store, body.media_id, by=by, expected=request.expected, hold=share.add
        )


@service.delete("/v1/users/me/avatar", if_match=True)
async def remove_avatar(request: Request) -> Me:
    """Remove your avatar; an uploaded one is deleted."""
    return await request.plaza.commit(avatars.remove, by=request.user_id, expected=request.expected)


@service.patch("/v1/media/{media_id}", raises=(NotFound, Forbidden))
async def edit_media(request: Request, media_id: Id, body: EditMedia) -> MediaRef:
    """Edit the description of your picture."""
    return await request.plaza.commit(media.edit, media_id, body.alt, by=request.user_id)


@service.delete("/v1/media/{media_id}", raises=(NotFound, Forbidden, MediaInUse))
async def delete_media(request: Request, media_id: Id) -> None:
    """Delete a picture of yours that no post shows."""
    await request.plaza.commit(media.delete, media_id, by=request.user_id)


async def _show(request: Request, media_id: str, until: int, signature: str | None, *, thumbnail: bool) -> Picture:
    mongo = request.plaza.mongo
    if signature is None:
        shown = await media.seen(mongo, media_id, viewer=request.user_id, thumbnail=thumbnail)
    else:
        shown = await media.signed(mongo, media_id, until, signature, thumbnail=thumbnail)
    return await pictures.answer(request.raw, request.picture_store.blobs, shown)
