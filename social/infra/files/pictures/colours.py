"""Orientation and colours: every frame of a file is turned upright and converted to sRGB."""

import re
from io import BytesIO
from typing import Literal

from PIL import Image, ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
ORIENTATION = 0x0112  # tag of TIFF 6.0, the base of EXIF
IN_XMP = re.compile(rb"tiff:Orientation(?:=[\"']|>)\s*([1-8])")
ORDERS: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Finish:
    """Makes frames of a file upright and sRGB, without any other metadata."""

    def __init__(self, profile: bytes = b"", exif: bytes = b"", xmp: bytes = b"") -> None:
        self._turn = TURNS.get(orientation(exif, xmp))
        self._profile = profile
        self._transforms: dict[str, ImageCms.ImageCmsTransform | None] = {}

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return a frame of these colours turned upright, as RGB, or as RGBA where part of it may be transparent."""
        clear = "A" in image.getbands()
        if self._turn is not None:
            image = image.transpose(self._turn)
        image = self._in_srgb(image)
        mode = "RGBA" if clear else "RGB"
        if image.mode != mode:  # otherwise Pillow would make a copy
            image = image.convert(mode)
        image.info.clear()
        return image

    def _in_srgb(self, image: Image.Image) -> Image.Image:
        if not self._profile:
            return image
        if image.mode == "LA":  # lcms knows no alpha beside grey
            grey, alpha = image.split()
            image = self._in_srgb(grey)
            image.putalpha(alpha)
            return image
        if image.mode not in self._transforms:
            self._transforms[image.mode] = self._transform(image.mode)
        transform = self._transforms[image.mode]
        return transform.apply(image) if transform else image

    def _transform(self, mode: str) -> ImageCms.ImageCmsTransform | None:
        """Return the transformation from the file's colour profile, where it is valid and for such colours."""
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(self._profile))
            return ImageCms.ImageCmsTransform(source, SRGB, mode, "RGBA" if mode == "RGBA" else "RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            return None


def orientation(exif: bytes, xmp: bytes) -> int:
    """Return the orientation of a picture, 1 to 8, by its EXIF or else its XMP; 1 where neither can be read."""
    exif = exif.removeprefix(b"Exif\0").removeprefix(b"\0")
    order = ORDERS.get(exif[:2])
    if order is not None:

        def number(at: int, size: int) -> int:
            return int.from_bytes(exif[at : at + size], order)

        first = number(4, 4)
        for at in range(first + 2, min(first + 2 + 12 * number(first, 2), len(exif)), 12):
            if number(at, 2) == ORIENTATION:
                return number(at + 8, 4 if number(at + 2, 2) == 4 else 2)  # a long or, as it should be, a short
    found = IN_XMP.search(xmp)
    return int(found[1]) if found else 1
