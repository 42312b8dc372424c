"""Pictures."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from social.contracts.base import ClientInput, Contract, Id, NoNul
from social.contracts.text import Words

Mime = Literal["image/jpeg", "image/png", "image/webp"]  # of the pictures that are served; animations are WebP
Side = Literal[96, 192, 512]  # pixels of the squares that an avatar is shown as
SIDES: tuple[int, ...] = get_args(Side)
Alt = Annotated[
    str,
    NoNul,
    Words(1_000, 8_000, "what the picture shows, for who does not see it; empty: it says nothing", may_be_empty=True),
]


class MediaRef(Contract):
    """A picture as a post shows it. The URLs are signed and expire; request the post again for fresh ones."""

    id: Id
    url: str = Field(description="URL of the picture, relative to this API; usable in `<img>`, without a token")
    thumbnail_url: str = Field(description="URL of the picture at most 400 pixels wide and high")
    width: int = Field(description="pixels")
    height: int = Field(description="pixels")
    mime: Mime
    blurhash: str = Field(description="placeholder to show while it loads (blurha.sh)")
    alt: str = ""
    truncated: bool = Field(
        default=False,
        description="the file was cut off or damaged: unreadable parts are grey, black or transparent",
    )


class NewMedia(ClientInput):
    """A form (multipart/form-data) with a picture."""

    file: bytes = Field(
        description="a JPEG, PNG, WebP, GIF, HEIC or AVIF of at most 10 MiB and 60 megapixels (a WebP 32, what moves "
        "25); of more than 25 megapixels it is scaled to these"
    )
    alt: Alt = ""


class EditMedia(ClientInput):
    """The changes to a picture."""

    alt: Alt
