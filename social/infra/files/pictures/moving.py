"""Frames of animations: what each shows, and for how long."""

from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from social.infra.files.pictures import png
from social.infra.files.pictures.limits import Layer, Refused, Source, bound, bound_read
from social.infra.files.pictures.loading import load

TOO_SHORT_MS, INSTEAD_MS = 10, 100  # browsers show a frame of the first duration or less for the second
LONGEST_MS = 655_350  # the most that a GIF can hold


class Frame(NamedTuple):
    """The whole canvas at a time."""

    image: Image.Image
    duration_ms: float
    cut_off: bool = False  # the file ends in this frame or after it, or is damaged there


def normal(duration_ms: float) -> float:
    """Return how long a frame is shown, as browsers do."""
    return INSTEAD_MS if duration_ms <= TOO_SHORT_MS else min(duration_ms, LONGEST_MS)


def rounded(durations_ms: list[float]) -> list[int]:
    """Return whole milliseconds for each frame whose sum is that of the durations."""
    whole, passed, said = [], 0.0, 0
    for each in durations_ms:
        passed += each
        whole.append(round(passed) - said)
        said += whole[-1]
    return whole


def of_layers(source: Source) -> Iterator[Frame]:
    """Return the frames of a GIF or an animated PNG, on a canvas that is transparent at first.

    A frame that cannot be decoded ends the animation, unless it is the first.
    """
    canvas = Image.new("RGBA", source.size)
    for number, layer in enumerate(source.layers):
        try:
            image, missing = _pixels(layer, source)
        except (OSError, SyntaxError, ValueError):
            if number == 0:
                raise
            return
        if missing and number:
            return
        if missing and layer.interlaced:
            raise Refused("broken")  # its pixels are scattered over the picture
        before = canvas.copy() if layer.then == "restore" else None
        _lay(canvas, image.convert("RGBA"), layer)
        yield Frame(canvas.copy(), normal(layer.duration_ms), missing)
        if layer.then != "keep":
            box = (*layer.at, layer.at[0] + layer.size[0], layer.at[1] + layer.size[1])
            canvas.paste(before.crop(box) if before else Image.new("RGBA", layer.size), layer.at)


def of_file(file: bytes, kind: str) -> Iterator[Frame]:
    """Return the frames of a WebP, AVIF or HEIC; decoders draw them over each other, and then know their duration."""
    with Image.open(BytesIO(file), formats=(kind,)) as image:
        frames = 1 if kind == "HEIF" else int(getattr(image, "n_frames", 1))  # other pictures beside the main one
        if frames > 1:
            bound(*image.size, frames)
        else:
            bound_read(kind, *image.size)
            image.load()
            yield Frame(image, 0)
            return
        shown = None
        for number in range(frames):
            try:
                image.seek(number)
                image.load()
            except (OSError, EOFError):
                if shown is None:
                    raise
                yield shown._replace(cut_off=True)
                return
            if shown:
                yield shown
            shown = Frame(image.copy(), normal(image.info.get("duration", 0)))
        if shown:
            yield shown


def _pixels(layer: Layer, source: Source) -> tuple[Image.Image, bool]:
    if source.kind == "PNG":
        return png.pixels(layer.file, source.clear)
    return load(layer.file, "GIF")


def _lay(canvas: Image.Image, image: Image.Image, layer: Layer) -> None:
    """Draw a frame over the canvas; parts outside of it are not shown."""
    if layer.replaces:
        canvas.paste(image, layer.at)
        return
    seen = image.crop(
        (
            0,
            0,
            max(0, min(image.width, canvas.width - layer.at[0])),
            max(0, min(image.height, canvas.height - layer.at[1])),
        )
    )
    if seen.width and seen.height:
        canvas.alpha_composite(seen, layer.at)
