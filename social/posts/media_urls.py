"""Signed URLs of pictures: each opens a picture for a while without a token (docs/decisions/0014-pictures.md)."""

import hmac
import time
from collections.abc import Mapping

from social.contracts.codec import base64url
from social.contracts.media import MediaRef
from social.infra.store.rows import MediaRow, PostRow

WINDOW_S = 1_800  # a URL is the same for so long, and good for so long at least, at most for twice that
REF = (
    "secret",
    "width",
    "height",
    "mime",
    "blurhash",
    "alt",
    "truncated",
    "state",
)  # what is read of a picture to show it
REF_FIELDS = dict.fromkeys(REF, 1)


def attached(pictures: Mapping[str, MediaRow], post: PostRow) -> list[MediaRow]:
    """Return which of these pictures the post shows: a post that is just being deleted has let go of them."""
    shown = (pictures.get(each) for each in post.get("media", ()))
    return [each for each in shown if each and each["state"] == "attached"]


def ref(row: MediaRow) -> MediaRef:
    """Return a picture as a post shows it, with URLs that are good for a while."""
    until = (int(time.time()) // WINDOW_S + 2) * WINDOW_S
    path, query = f"/v1/media/{row['_id']}", f"?until={until}&signature={_signature(row, until)}"
    return MediaRef.model_construct(
        id=row["_id"],
        url=path + query,
        thumbnail_url=f"{path}/thumbnail{query}",
        width=row["width"],
        height=row["height"],
        mime=row["mime"],
        blurhash=row["blurhash"],
        alt=row["alt"],
        truncated=row.get("truncated", False),  # rows of before do not say
    )


def verify_signature(row: MediaRow, until: int, signature: str) -> bool:
    """Return whether a URL of this picture said so, and its end has not come."""
    return until > time.time() and hmac.compare_digest(signature.encode(), _signature(row, until).encode())


def _signature(row: MediaRow, until: int) -> str:
    """Return the first 128 bits of an HMAC-SHA-256 (RFC 2104) under a key that is in the row and goes with it."""
    said = hmac.digest(row["secret"].encode(), f"{row['_id']}.{until}".encode(), "sha256")
    return base64url(said[:16])
