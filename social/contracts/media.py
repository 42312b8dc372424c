"""Pictures."""

from typing import Annotated, Literal

from pydantic import Field

from social.contracts.base import Ask, Contract, Id, NoNul
from social.contracts.text import Words

Mime = Literal["image/jpeg", "image/png", "image/webp"]  # of what is served: what moves is WebP
Alt = Annotated[
    str,
    NoNul,
    Words(1_000, 8_000, "what the picture shows, for who does not see it; empty: it says nothing", may_be_empty=True),
]


class MediaRef(Contract):
    """A picture as a post shows it. The URLs hold a signature and an end; ask for the post again for fresh ones."""

    id: Id
    url: str = Field(description="where the picture is, relative to this API; for `<img>`, without a token")
    thumbnail_url: str = Field(description="the same at most 400 pixels wide and high")
    width: int = Field(description="pixels")
    height: int = Field(description="pixels")
    mime: Mime
    blurhash: str = Field(description="what to show until it is there (blurha.sh)")
    alt: str = ""
    truncated: bool = Field(
        default=False,
        description="the file was cut off or damaged: what could not be read is grey, black or clear",
    )


class NewMedia(Ask):
    """A form (multipart/form-data) with a picture."""

    file: bytes = Field(description="a JPEG, PNG, WebP or GIF of at most 10 MiB and 25 megapixels")
    alt: Alt = ""


class EditMedia(Ask):
    """What to change of a picture."""

    alt: Alt
