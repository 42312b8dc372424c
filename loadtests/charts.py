"""Line and bar charts as PNG, drawn with Pillow, which the product needs for pictures anyway."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 900, 360
LEFT, RIGHT, TOP, BOTTOM = 78, 24, 64, 44
SCALE = 2  # drawn larger and shrunk, for smooth lines
INK, FAINT, PAPER, MARK = "#222222", "#dddddd", "#ffffff", "#b00020"
COLOURS = ("#1f6feb", "#d97706", "#15803d", "#7c3aed", "#64748b")

Series = Mapping[str, Sequence[tuple[float, float | None]]]


class _Canvas:
    """A titled frame with a scale from 0 on its left."""

    def __init__(self, title: str, unit: str, most: float) -> None:
        self.image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        self.step = nice(most / 4)
        self.most = self.step * max(1, math.ceil(most / self.step))
        self.text(LEFT, 12, title, size=17)
        self.text(LEFT, 36, unit, size=12, colour="#666666")
        for tick in range(round(self.most / self.step) + 1):
            y = self.y(tick * self.step)
            self.line([(LEFT, y), (WIDTH - RIGHT, y)], FAINT)
            self.text(LEFT - 8, y - 8, f"{tick * self.step:,g}", anchor="ra")

    def y(self, value: float) -> float:
        """Return the vertical position of a value."""
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.most

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1) -> None:
        """Draw a line through points."""
        self.draw.line([(x * SCALE, y * SCALE) for x, y in points], colour, round(width * SCALE), joint="curve")

    def box(self, x: float, y: float, right: float, bottom: float, colour: str) -> None:
        """Draw a filled rectangle."""
        self.draw.rectangle([x * SCALE, y * SCALE, right * SCALE, bottom * SCALE], colour)

    def text(self, x: float, y: float, words: str, *, size: int = 12, colour: str = INK, anchor: str = "la") -> None:
        """Write some words; `anchor` as in Pillow."""
        font = ImageFont.load_default(size * SCALE)
        self.draw.text((x * SCALE, y * SCALE), words, colour, font=font, anchor=anchor)

    def legend(self, names: Sequence[str]) -> None:
        """Write which colour stands for which name."""
        x = WIDTH - RIGHT
        for name, colour in reversed(list(zip(names, COLOURS, strict=False))):
            x -= 8 * len(name) + 10
            self.text(x, 36, name)
            self.box(x - 14, 40, x - 5, 49, colour)
            x -= 22

    def save(self, path: Path) -> None:
        """Save as PNG, with the few colours that are used."""
        small = self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        small.quantize(64).save(path, optimize=True)


def nice(value: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def lines(path: Path, title: str, unit: str, series: Series, marks: Mapping[float, str] | None = None) -> None:
    """Draw values over seconds, with gaps where values are missing; `marks` are moments with a name."""
    last = max((at for points in series.values() for at, _ in points), default=1)
    canvas = _Canvas(title, unit, max((value or 0 for points in series.values() for _, value in points), default=0))

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * at / max(1, last)

    step = nice(last / 8)
    for tick in range(int(last / step) + 1):
        canvas.text(x(tick * step), HEIGHT - BOTTOM + 10, f"{tick * step:g} s", anchor="ma")
    for at, name in (marks or {}).items():
        canvas.line([(x(at), TOP), (x(at), HEIGHT - BOTTOM)], MARK)
        canvas.text(x(at) + 4, TOP, name, colour=MARK)
    for (_, points), colour in zip(series.items(), COLOURS, strict=False):
        known = [(x(at), canvas.y(value)) for at, value in points if value is not None]
        if len(known) > 1:
            canvas.line(known, colour, 2)
        for at, y in known if len(known) <= 40 else ():
            canvas.box(at - 2, y - 2, at + 2, y + 2, colour)
    canvas.legend(list(series))
    canvas.save(path)


def bars(path: Path, title: str, unit: str, groups: Mapping[str, Mapping[str, float]]) -> None:
    """Draw a group of bars for each name, with a bar for each of its values."""
    names = list(dict.fromkeys(name for values in groups.values() for name in values))
    canvas = _Canvas(title, unit, max((value for values in groups.values() for value in values.values()), default=0))
    room = (WIDTH - LEFT - RIGHT) / max(1, len(groups))
    width = min(90, room * 0.8 / max(1, len(names)))
    for at, (group, values) in enumerate(groups.items()):
        middle = LEFT + room * (at + 0.5)
        canvas.text(middle, HEIGHT - BOTTOM + 10, group, anchor="ma")
        for number, name in enumerate(values):
            x, top = middle + width * (number - len(values) / 2), canvas.y(values[name])
            canvas.box(x + 2, top, x + width - 2, HEIGHT - BOTTOM, COLOURS[names.index(name) % len(COLOURS)])
            canvas.text(x + width / 2, top - 16, f"{values[name]:,.4g}", size=11, anchor="ma")
    if len(names) > 1:
        canvas.legend(names)
    canvas.save(path)
