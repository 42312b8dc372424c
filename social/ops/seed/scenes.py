"""Drawn pictures for posts: a sky, hills or a sea, and a sun, a moon or stars."""

import math
import random
from typing import NamedTuple

from PIL import Image, ImageDraw

from social.infra.files.pictures import written
from social.infra.files.pictures.decoding import Picture

SHAPES = ((960, 640), (800, 800), (720, 900))

Colour = tuple[int, int, int]


class Sky(NamedTuple):
    """The colours of a scene: of the sky from top to bottom, of what stands before it, and of its light."""

    says: str
    top: Colour
    bottom: Colour
    near: Colour
    light: Colour
    stars: bool = False


SKIES = (
    Sky("at dawn", (63, 94, 150), (252, 196, 158), (44, 54, 76), (255, 240, 214)),
    Sky("at noon", (84, 160, 222), (206, 232, 244), (58, 110, 82), (255, 252, 236)),
    Sky("at dusk", (72, 52, 110), (248, 130, 96), (38, 28, 54), (255, 214, 140)),
    Sky("at night", (10, 16, 40), (44, 62, 108), (8, 12, 24), (238, 240, 226), stars=True),
    Sky("in mist", (170, 186, 196), (228, 230, 224), (92, 108, 112), (250, 248, 240)),
    Sky("in autumn", (120, 146, 170), (250, 222, 170), (138, 72, 38), (255, 244, 210)),
)


class Scene(NamedTuple):
    """A picture, and what it shows in words."""

    says: str
    picture: Picture


def draw(chance: random.Random) -> Scene:
    """Draw a scene."""
    sky, (width, height) = chance.choice(SKIES), chance.choice(SHAPES)
    image = Image.new("RGB", (1, height))
    for y in range(height):
        image.putpixel((0, y), _blend(sky.top, sky.bottom, y / height))
    image = image.resize((width, height))
    pen = ImageDraw.Draw(image)
    if sky.stars:
        for _ in range(140):
            left, top, size = chance.uniform(0, width), chance.uniform(0, height * 0.7), chance.uniform(1, 4)
            pen.ellipse((left, top, left + size, top + size), fill=(230, 234, 250))
    _light(pen, sky, chance, width, height)
    sea = chance.random() < 0.4
    if sea:
        _sea(pen, sky, chance, width, height)
    else:
        _hills(pen, sky, chance, width, height)
    _, content = written.still(image, "JPEG", lossless=False, fine=False)
    thumbnail, blurhash = written.thumbnail(image)
    what = "the sea" if sea else "hills"
    picture = Picture("image/jpeg", width, height, blurhash, content, thumbnail, truncated=False)
    return Scene(f"{what.capitalize()} {sky.says}", picture)


def _light(pen: ImageDraw.ImageDraw, sky: Sky, chance: random.Random, width: int, height: int) -> None:
    x, y = chance.uniform(0.2, 0.8) * width, chance.uniform(0.18, 0.5) * height
    radius = chance.uniform(0.05, 0.1) * width
    for ring in (2.2, 1.7, 1.3):
        glow = _blend(_blend(sky.top, sky.bottom, y / height), sky.light, 0.35 / ring)
        pen.ellipse((x - ring * radius, y - ring * radius, x + ring * radius, y + ring * radius), fill=glow)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=sky.light)


def _hills(pen: ImageDraw.ImageDraw, sky: Sky, chance: random.Random, width: int, height: int) -> None:
    layers = 5
    for layer in range(layers):
        share = (layer + 1) / layers
        base, swing = height * (0.5 + 0.42 * share), height * 0.09 * (1.2 - share / 2)
        waves = [(chance.uniform(1, 5), chance.uniform(0, 7), chance.uniform(0.3, 1)) for _ in range(3)]
        points: list[tuple[float, float]] = [(0, height)]
        for x in range(0, width + 8, 8):
            rise = sum(size * math.sin(way * x / width * math.pi + start) for way, start, size in waves)
            points.append((x, base - rise * swing))
        pen.polygon([*points, (width, height)], fill=_blend(sky.bottom, sky.near, 0.25 + 0.75 * share))


def _sea(pen: ImageDraw.ImageDraw, sky: Sky, chance: random.Random, width: int, height: int) -> None:
    horizon = round(height * chance.uniform(0.55, 0.68))
    for y in range(horizon, height):
        share = (y - horizon) / (height - horizon)
        pen.line((0, y, width, y), fill=_blend(_blend(sky.bottom, sky.top, 0.35), sky.near, share))
    for _ in range(90):
        below = (height - horizon) * chance.random() ** 1.6
        long, x = below * chance.uniform(0.2, 0.9) + 6, chance.uniform(0, width)
        glint = _blend(sky.bottom, sky.light, 0.4)
        pen.line((x - long, horizon + below, x + long, horizon + below), fill=glint, width=2)


def _blend(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
