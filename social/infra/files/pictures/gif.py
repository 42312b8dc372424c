"""The parts of a GIF that its pixels need, frame by frame (GIF89a; where it is ambiguous, as browsers do)."""

import struct

from social.infra.files.pictures.limits import MOST_FRAMES, MOST_PARTS, Layer, Refused, Source

IMAGE, EXTENSION, FILLER = b",", b"!", b"\0"
CONTROL, TEXT, APPLICATION = 0xF9, 0x01, 0xFF
LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
MOST_LOOPS = 65_535  # the most that a WebP can hold
THEN = {2: "clear", 3: "restore", 4: "restore"}  # some programs wrote 4 for 3


class _Reading:
    """A walk through a GIF, block by block."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.table = data[13 : 13 + _colours(data, 10)]
        self.at = 13 + len(self.table)
        self.loops = 1  # unless the file says otherwise
        self.control = bytes(4)  # of the next frame: flags, delay and transparent colour
        self.layers: list[Layer] = []
        self.ended = False

    def walk(self) -> None:
        """Read all blocks, to the end or to where there is no further block."""
        for _ in range(MOST_PARTS):
            kind = self.data[self.at : self.at + 1]
            if kind == IMAGE:
                self._image()
            elif kind == EXTENSION:
                self._extension()
            elif kind == FILLER:
                self.at += 1
            else:
                self.ended = kind == b";"
                return
        raise Refused("too_much_work")

    def _image(self) -> None:
        if len(self.layers) == MOST_FRAMES:
            raise Refused("too_many_frames")
        start = self.at + 10
        own = _colours(self.data, self.at + 9)
        x, y, width, height, flags = struct.unpack("<HHHHB", self.data[self.at + 1 : start].ljust(9, b"\0"))
        self.at = start + own + 1
        content = self.data[start : self._skip()]
        control, self.control = self.control, bytes(4)
        if width and height and len(content) > own + 2:
            self.at = min(self.at, len(self.data))  # its decoder finds out whether all its pixels are there
            screen = struct.pack("<HHBBB", width, height, 0x80 | self.data[10] & 7 if self.table else 0, 0, 0)
            clear = b"!\xf9\x04\1\0\0" + control[3:4] + b"\0" if control[0] & 1 else b""
            image = b"," + struct.pack("<HHHHB", 0, 0, width, height, flags)
            delay_ms = 10 * int.from_bytes(control[1:3], "little")
            self.layers.append(
                Layer(
                    file=b"".join((b"GIF89a", screen, self.table, clear, image, content, b"\0;")),
                    at=(x, y),
                    size=(width, height),
                    duration_ms=delay_ms,
                    interlaced=bool(flags & 0x40),
                    then=THEN.get(control[0] >> 2 & 7, "keep"),
                )
            )

    def _extension(self) -> None:
        label, start = self.data[self.at + 1 : self.at + 2], self.at + 2
        self.at = start
        content = self.data[start : self._skip()]
        if label == bytes((CONTROL,)) and len(content) > 4:
            self.control = content[1:5]
        elif label == bytes((TEXT,)):
            self.control = bytes(4)  # it was for this text, which no program shows
        elif (
            label == bytes((APPLICATION,))
            and content[1:12] in LOOPS
            and content[12:14] >= b"\3\1"
            and content[13] & 7 == 1
        ):
            again = int.from_bytes(content[14:16], "little")
            self.loops = min(MOST_LOOPS, again + 1) if again else 0  # repetitions after the first time; 0: for ever

    def _skip(self) -> int:
        """Skip a row of blocks; return where it ended."""
        while size := self.data[self.at] if self.at < len(self.data) else 0:
            self.at += 1 + size
        self.at = min(self.at + 1, len(self.data) + 1)
        return self.at


def read(data: bytes) -> Source:
    """Return the frames of a GIF; raises Refused for too many of them, or for more blocks than any program writes."""
    found = _Reading(data)
    found.walk()
    if not found.layers:
        raise Refused("not_a_picture")
    width, height = struct.unpack("<HH", data[6:10])
    first = found.layers[0]  # a screen that is too small for it is an error of the writer
    size = max(width, first.at[0] + first.size[0]), max(height, first.at[1] + first.size[1])
    return Source(
        kind="GIF",
        end=min(len(data), found.at + found.ended),
        layers=tuple(found.layers),
        size=size,
        loops=found.loops,
        truncated=found.at > len(data),
        lossless=True,
    )


def _colours(data: bytes, at: int) -> int:
    """Return the bytes of a colour table that the flags at this place announce."""
    flags = data[at] if at < len(data) else 0
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
