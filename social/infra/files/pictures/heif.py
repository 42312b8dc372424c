"""HEIC and AVIF files: where they end, and what they say of colours and orientation (ISO/IEC 14496-12 and 23008-12)."""

from functools import cache
from importlib import import_module
from io import BytesIO

from PIL import AvifImagePlugin, Image

from social.infra.files.pictures.limits import MOST_PARTS, Refused, Source

AVIF = {b"avif", b"avis"}
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
FIRST_BOX = slice(4, 8)
BOXES = {b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"wide", b"uuid", b"mpvd"}  # the last: a live photo

# The decoder's process may start no threads.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


@cache
def learn_heif() -> None:
    """Let Pillow read HEIC, while files are in reach; for other pictures its import would take half of their time."""
    opener = import_module("pi_heif").register_heif_opener
    opener(decode_threads=0, thumbnails=False, depth_images=False, aux_images=False)


def kind_of(data: bytes) -> str:
    """Return the kind of a file by the brands it names: AVIF, HEIF, or nothing for any other."""
    if data[FIRST_BOX] != b"ftyp":
        return ""
    size = int.from_bytes(data[:4], "big")
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(size, 16 + 4 * 64, len(data)), 4))}
    if brands & AVIF:
        return "AVIF"
    return "HEIF" if brands & HEIC else ""


def read(data: bytes, kind: str) -> Source:
    """Return a file with its colour profile and orientation; raises Pillow's errors for a file without a picture."""
    end = _end(data)
    if kind == "HEIF":
        learn_heif()
    with Image.open(BytesIO(data), formats=(kind,)) as image:
        # libheif turns a picture itself; Pillow says as EXIF how an AVIF is to be turned, whatever its EXIF said.
        exif = image.info.get("exif", b"") if kind == "AVIF" else b""
        profile = image.info.get("icc_profile", b"")
        moves = kind == "AVIF" and int(getattr(image, "n_frames", 1)) > 1
    return Source(kind=kind, end=end, file=data[:end], loops=0 if moves else 1, profile=profile or b"", exif=exif)


def _end(data: bytes) -> int:
    """Return where the last box of a file ends; raises Refused where the file ends before it."""
    at = 0
    for _ in range(MOST_PARTS):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if name not in BOXES or 0 < size < 8:
            return at
        if size == 0:  # the last box reaches to the end
            return len(data)
        at += size
        if at > len(data):
            raise Refused("broken")  # its decoders give all or nothing
    raise Refused("too_much_work")
