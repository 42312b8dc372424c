"""Decoding of files by Pillow; of a file that is cut off or damaged, the pixels that can be read."""

from io import BytesIO

from PIL import Image, ImageFile

from social.infra.files.pictures.limits import bound_read

LOOKED_AT_AHEAD = bytes(8)  # libjpeg needs so many bytes after the pixels, also where only its end is missing
# Pillow's errors for a file that ended, or that its codec gave up on, while pixels were missing.
UNFINISHED = ("image file is truncated", "broken data stream", "unrecognized data stream")


def load(file: bytes, kind: str, raw: str = "") -> tuple[Image.Image, bool]:
    """Return the picture in a file, and whether pixels are missing; `raw` is the format of its samples for Pillow.

    Raises the errors of Pillow for a file that is no picture or of which no pixel can be read; Refused for too many
    pixels.
    """
    for content in (file, file + LOOKED_AT_AHEAD) if kind == "JPEG" else (file,):
        try:
            return _load(content, kind, raw), False
        except OSError as error:
            fault = error.with_traceback(None)  # whose frames would hold the pixels
            if not str(error).startswith(UNFINISHED):
                raise
    ImageFile.LOAD_TRUNCATED_IMAGES = True  # this hides other faults as well: only after this one was found
    try:
        image = _load(file, kind, raw)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    if image.getbbox() is None:  # no pixel was read
        raise fault
    return image, True


def _load(file: bytes, kind: str, raw: str) -> Image.Image:
    image = Image.open(BytesIO(file), formats=(kind,))
    bound_read(kind, *image.size)
    if raw and isinstance(image, ImageFile.ImageFile):
        image.tile = [tile._replace(args=raw) for tile in image.tile]
    image.load()
    return image
