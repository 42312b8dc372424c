"""Files to pixels, by Pillow; and of a file that was cut off or damaged, the pixels that can be read."""

from io import BytesIO

from PIL import Image, ImageFile

from social.infra.files.pictures.limits import bound

LOOKED_AT_AHEAD = bytes(8)  # libjpeg decodes nothing unless so much follows: of a JPEG whose end alone is missing, too
# What Pillow says of a file that ended, or that its codec gave up on, while pixels were missing.
UNFINISHED = ("image file is truncated", "broken data stream", "unrecognized data stream")


def load(file: bytes, kind: str, raw: str = "") -> tuple[Image.Image, bool]:
    """The picture in a file, and whether some of its pixels are missing; `raw` is how Pillow is to read its samples.

    Raises whatever Pillow does for a file that is no picture or of which no pixel can be read; Refused for too many.
    """
    for content in (file, file + LOOKED_AT_AHEAD) if kind == "JPEG" else (file,):
        try:
            return _load(content, kind, raw), False
        except OSError as error:
            fault = error
            if not str(error).startswith(UNFINISHED):
                raise
    ImageFile.LOAD_TRUNCATED_IMAGES = True  # which makes it blind for other faults as well: only where this is the one
    try:
        image = _load(file, kind, raw)
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    if image.getbbox() is None:  # it is as it was before anything was read
        raise fault
    return image, True


def _load(file: bytes, kind: str, raw: str) -> Image.Image:
    image = Image.open(BytesIO(file), formats=(kind,))
    bound(*image.size)
    if raw and isinstance(image, ImageFile.ImageFile):
        image.tile = [tile._replace(args=raw) for tile in image.tile]
    image.load()
    return image
