"""Scaling of pictures that are larger than those that are kept."""

from math import ceil, sqrt

from PIL import Image

from social.infra.files.pictures.limits import MOST_PIXELS

STRIP = 256  # rows that are made at once: Pillow copies what it scales where it has alpha
MARGIN = 16  # rows beside a strip that its edges are computed from: Lanczos looks three output rows far


def fitted(image: Image.Image) -> Image.Image:
    """Return a picture of at most `MOST_PIXELS`, scaled where it has more."""
    if image.width * image.height <= MOST_PIXELS:
        return image
    share = sqrt(MOST_PIXELS / (image.width * image.height))
    width, height = max(1, int(image.width * share)), max(1, int(image.height * share))
    scaled = Image.new(image.mode, (width, height))
    for top in range(0, height, STRIP):
        scaled.paste(_strip(image, width, height, top), (0, top))
    return scaled


def _strip(image: Image.Image, width: int, height: int, top: int) -> Image.Image:
    """Return the rows of the scaled picture from `top` on, equal to those of the whole scaled at once."""
    rows = min(STRIP, height - top)
    first, last = top * image.height / height, (top + rows) * image.height / height
    above, below = max(0, int(first) - MARGIN), min(image.height, ceil(last) + MARGIN)
    part = image.crop((0, above, image.width, below))
    box = (0, first - above, image.width, min(last - above, part.height))
    return part.resize((width, rows), Image.Resampling.LANCZOS, box=box)
