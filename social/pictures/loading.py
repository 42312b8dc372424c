"""Files to pixels, by Pillow; and of a file that ends too early, the pixels that came."""

from io import BytesIO

from PIL import Image, ImageFile

from social.pictures.limits import bound

LOOKED_AT_AHEAD = bytes(8)  # libjpeg decodes nothing unless so much follows: of a JPEG whose end alone is missing, too
CUT_OFF = "image file is truncated"  # what Pillow says of a file that ended while pixels were missing


def load(file: bytes, kind: str, raw: str = "") -> tuple[Image.Image, bool]:
    """The picture in a file, and whether some of its pixels are missing; `raw` is how Pillow is to read its samples.

    Raises whatever Pillow does for a file that is no picture or a broken one; Refused for too many pixels.
    """
    for content in (file, file + LOOKED_AT_AHEAD) if kind == "JPEG" else (file,):
        try:
            return _load(content, kind, raw), False
        except OSError as error:
            if not str(error).startswith(CUT_OFF):
                raise
    ImageFile.LOAD_TRUNCATED_IMAGES = True  # which makes it blind for other faults as well: only where this is the one
    try:
        return _load(file, kind, raw), True
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def _load(file: bytes, kind: str, raw: str) -> Image.Image:
    image = Image.open(BytesIO(file), formats=(kind,))
    bound(*image.size)
    if raw and isinstance(image, ImageFile.ImageFile):
        image.tile = [tile._replace(args=raw) for tile in image.tile]
    image.load()
    return image
