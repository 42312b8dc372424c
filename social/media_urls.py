"""Where a picture is had without a token: URLs that open this one, for a while (docs/decisions/0014-pictures.md)."""

import base64
import hmac
import time

from social.contracts.media import MediaRef
from social.infra.mongo import Document

WINDOW_S = 1_800  # a URL is the same for so long, and good for so long at least, at most for twice that
REF_FIELDS = {"secret": 1, "width": 1, "height": 1, "mime": 1, "blurhash": 1, "alt": 1}


def ref(row: Document) -> MediaRef:
    """A picture as a post shows it, with URLs that are good for a while."""
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
    )


def good(row: Document, until: int, signature: str) -> bool:
    """Whether a URL of this picture said so, and its end has not come."""
    return until > time.time() and hmac.compare_digest(signature.encode(), _signature(row, until).encode())


def _signature(row: Document, until: int) -> str:
    """HMAC-SHA-256 (RFC 2104), its first 128 bits, under a key that is in the row and goes with it."""
    said = hmac.digest(row["secret"].encode(), f"{row['_id']}.{until}".encode(), "sha256")
    return base64.urlsafe_b64encode(said[:16]).decode().rstrip("=")
