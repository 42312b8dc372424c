"""Drawn faces: flat, friendly and different, with colours and features drawn by lot."""

import random
from io import BytesIO
from typing import NamedTuple

from PIL import Image, ImageDraw

from social.contracts.media import SIDES

SIZE = 192
DRAWN = 3 * SIZE  # and made smaller, for soft edges; a multiple of each side, which takes a third of the time

BACKGROUNDS = "#f4a261 #2a9d8f #e76f51 #8ab17d #457b9d #b5838d #6d597a #ffb4a2 #577590 #f9c74f #90be6d #43aa8b"
SKINS = "#ffe0c4 #f8cfae #eab893 #d49a6a #b97a4b #94592f #6f4022 #513019"
HAIRS = "#1f1a17 #3b2a20 #5a3825 #8a5a34 #c58f4d #e6c27a #b5482a #9a9a9a #e9e6df #3d405b"
SHIRTS = "#264653 #e63946 #f1faee #1d3557 #ffb703 #6a994e #bc6c25 #5f0f40 #3a86ff #ff006e #8338ec #fefae0"
INK = "#2b2320"

Box = tuple[float, float, float, float]


class Face(NamedTuple):
    """A face as WebP files: a picture, its square for each of `SIDES`, and the colour behind the face."""

    content: bytes
    squares: list[bytes]
    colour: tuple[int, int, int]


def draw(chance: random.Random) -> Face:
    """Draw a face."""
    background, skin, hair = (chance.choice(each.split()) for each in (BACKGROUNDS, SKINS, HAIRS))
    image = Image.new("RGB", (DRAWN, DRAWN), background)
    pen = ImageDraw.Draw(image)
    half = chance.uniform(0.19, 0.225)  # of the width of the head
    style = chance.choice(("short", "short", "bob", "long", "curly", "bun", "bald", "scarf", "fringe"))
    _behind(pen, style, hair, half)
    _body(pen, skin, chance.choice(SHIRTS.split()))
    for side in (-1, 1):
        pen.ellipse(_around(0.5 + side * half, 0.47, 0.035, 0.05), fill=skin)  # ears
    pen.ellipse(_box(0.5 - half, 0.22, 0.5 + half, 0.71), fill=skin)
    _over(pen, style, hair, half)
    _features(pen, chance, skin, hair, bearded=style in ("short", "bald", "curly") and chance.random() < 0.3)
    sizes = [min(side, SIZE) for side in SIDES]  # as an upload, it is not enlarged
    saved = {size: _saved(image, size) for size in {SIZE, *sizes}}
    colour = image.getpixel((1, 1))
    assert isinstance(colour, tuple)
    squares = [saved[size] for size in sizes]
    return Face(saved[SIZE], squares, (int(colour[0]), int(colour[1]), int(colour[2])))


def _saved(image: Image.Image, size: int) -> bytes:
    out = BytesIO()
    image.reduce(DRAWN // size).save(out, "WEBP", quality=82, method=0)
    return out.getvalue()


def _body(pen: ImageDraw.ImageDraw, skin: str, shirt: str) -> None:
    pen.ellipse(_box(0.14, 0.76, 0.86, 1.4), fill=shirt)
    pen.rounded_rectangle(_box(0.42, 0.6, 0.58, 0.83), radius=0.07 * DRAWN, fill=_darker(skin))
    pen.pieslice(_box(0.38, 0.7, 0.62, 0.88), 0, 180, fill=_darker(skin))


def _behind(pen: ImageDraw.ImageDraw, style: str, hair: str, half: float) -> None:
    """Draw the hair behind the head."""
    if style in ("bob", "fringe"):
        pen.rounded_rectangle(_box(0.46 - half, 0.2, 0.54 + half, 0.66), radius=0.15 * DRAWN, fill=hair)
    elif style == "long":
        pen.rounded_rectangle(_box(0.45 - half, 0.17, 0.55 + half, 0.88), radius=0.2 * DRAWN, fill=hair)
    elif style == "scarf":
        pen.ellipse(_box(0.43 - half, 0.13, 0.57 + half, 0.86), fill=hair)
    elif style == "bun":
        pen.ellipse(_around(0.5, 0.17, 0.1, 0.09), fill=hair)
    elif style == "curly":
        for x, y in ((-0.95, 0.44), (-0.8, 0.3), (-0.4, 0.21), (0.0, 0.18), (0.4, 0.21), (0.8, 0.3), (0.95, 0.44)):
            pen.ellipse(_around(0.5 + x * half, y, 0.105, 0.1), fill=hair)


def _over(pen: ImageDraw.ImageDraw, style: str, hair: str, half: float) -> None:
    """Draw the hair over the head."""
    top = _box(0.49 - half, 0.19, 0.51 + half, 0.62)
    if style in ("short", "bun", "long", "curly"):
        pen.chord(top, 190, 350, fill=hair)
    elif style == "bob":
        pen.chord(top, 185, 325, fill=hair)
    elif style == "fringe":
        pen.pieslice(top, 180, 360, fill=hair)
    elif style == "scarf":
        pen.chord(_box(0.49 - half, 0.17, 0.51 + half, 0.55), 195, 345, fill=hair)


def _features(pen: ImageDraw.ImageDraw, chance: random.Random, skin: str, hair: str, *, bearded: bool) -> None:
    apart, line = chance.uniform(0.085, 0.105), round(0.012 * DRAWN)
    glasses, closed = chance.random() < 0.25, chance.random() < 0.15
    for side in (-1, 1):
        x = 0.5 + side * apart
        if closed:
            pen.arc(_around(x, 0.475, 0.03, 0.025), 180, 360, fill=INK, width=line)
        else:
            pen.ellipse(_around(x, 0.47, 0.017, 0.023), fill=INK)
            pen.ellipse(_around(x + 0.006, 0.462, 0.005, 0.006), fill="white")
        pen.arc(_around(x, 0.43, 0.04, 0.025), 205, 335, fill=_darker(hair), width=line)
        if glasses:
            pen.ellipse(_around(x, 0.47, 0.065, 0.06), outline=INK, width=line)
        pen.ellipse(_around(0.5 + side * 0.135, 0.555, 0.028, 0.018), fill=_blend(skin, "#e5737d", 0.35))
    if glasses:
        pen.line((*_at(0.5 - apart + 0.065, 0.465), *_at(0.5 + apart - 0.065, 0.465)), fill=INK, width=line)
    pen.arc(_around(0.5, 0.52, 0.022, 0.022), 20, 160, fill=_darker(skin), width=line)
    if bearded:
        pen.chord(_box(0.34, 0.44, 0.66, 0.74), 25, 155, fill=hair)
    match chance.choice(("smile", "smile", "grin", "calm")):
        case "smile":
            pen.arc(_around(0.5, 0.575, 0.065, 0.05), 25, 155, fill="#8c2f39", width=line + 2)
        case "grin":
            pen.chord(_around(0.5, 0.58, 0.06, 0.045), 0, 180, fill="white", outline="#8c2f39", width=line // 2)
        case _:
            pen.arc(_around(0.5, 0.6, 0.045, 0.02), 20, 160, fill="#8c2f39", width=line + 1)


def _at(x: float, y: float) -> tuple[float, float]:
    return x * DRAWN, y * DRAWN


def _box(left: float, top: float, right: float, bottom: float) -> Box:
    return left * DRAWN, top * DRAWN, right * DRAWN, bottom * DRAWN


def _around(x: float, y: float, wide: float, high: float) -> Box:
    return _box(x - wide, y - high, x + wide, y + high)


def _blend(one: str, other: str, share: float) -> str:
    pairs = ((int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _darker(colour: str) -> str:
    return _blend(colour, "#000000", 0.14)
