"""Pictures."""

from typing import Annotated

from pydantic import Field

from api import forms, pictures
from api.http import Request
from api.pictures import Picture
from api.routing import Service
from social.contracts.base import Id
from social.contracts.media import EditMedia, MediaRef, NewMedia
from social.contracts.problems import Forbidden, MediaInUse, NotFound, RangeNotSatisfiable, TooManyUnused
from social.posts import media

service = Service("media", "Pictures")

Until = Annotated[int, Field(ge=0, le=2**53, description="seconds since 1970: with a signature, when it ends")]
Signature = Annotated[str | None, Field(max_length=64, description="as it is in the URLs of a picture")]


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
    """Upload a picture, to be shown by a post within a day.

    It is decoded and written anew: what a camera knew (place, time, device) and whatever else a file may hold is gone.
    It is turned as EXIF says and its colours become sRGB. What moves becomes a WebP, of at most 250 frames and 25
    megapixels together, shown as often and as fast as its file says; a GIF that does not move becomes a PNG. A file
    that was cut off or damaged shows what there is, and `truncated` says so.
    """
    async with forms.received(request.raw, request.user_id) as form:
        return await media.upload(
            request.plaza, request.picture_store, request.idempotency_key, form.file, form.alt, by=request.user_id
        )


@service.get("/v1/media/{media_id}", signed=True, raises=(NotFound, RangeNotSatisfiable))
async def get_media(request: Request, media_id: Id, until: Until = 0, signature: Signature = None) -> Picture:
    """A picture: with a token to whoever may see its post, with the signature of a URL to whoever has that."""
    return await _show(request, media_id, until, signature, thumbnail=False)


@service.get("/v1/media/{media_id}/thumbnail", signed=True, raises=(NotFound, RangeNotSatisfiable))
async def get_thumbnail(request: Request, media_id: Id, until: Until = 0, signature: Signature = None) -> Picture:
    """The same, at most 400 pixels wide and high, and still."""
    return await _show(request, media_id, until, signature, thumbnail=True)


@service.patch("/v1/media/{media_id}", raises=(NotFound, Forbidden))
async def edit_media(request: Request, media_id: Id, body: EditMedia) -> MediaRef:
    """Say what your picture shows."""
    return await request.plaza.commit(media.edit, media_id, body.alt, by=request.user_id)


@service.delete("/v1/media/{media_id}", raises=(NotFound, Forbidden, MediaInUse))
async def delete_media(request: Request, media_id: Id) -> None:
    """Give up a picture that no post shows."""
    await request.plaza.commit(media.delete, media_id, by=request.user_id)


async def _show(request: Request, media_id: str, until: int, signature: str | None, *, thumbnail: bool) -> Picture:
    mongo = request.plaza.mongo
    if signature is None:
        shown = await media.seen(mongo, media_id, viewer=request.user_id, thumbnail=thumbnail)
    else:
        shown = await media.signed(mongo, media_id, until, signature, thumbnail=thumbnail)
    return await pictures.answer(request.raw, request.picture_store.blobs, shown)
