"""The parts of a JPEG that its pixels need (ITU-T T.81, Annex B), and its colours and orientation."""

import re

from social.infra.files.pictures.limits import MOST_PARTS, MOST_SCANS, Refused, Source

MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # other bytes after FF are part of the pixels
ALONE = (0x01, 0xD8)  # markers without a segment
SCAN, END = 0xDA, 0xD9
BETWEEN = {0x01, 0xC4, 0xCC, *range(0xDA, 0xDE), *range(0xE0, 0xF0), 0xFE}  # markers allowed between two scans
FRAMES = (0xC0, 0xC1, 0xC2)  # segments with the resolution of each channel
EXIF, XMP, ICC = b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
COLOURS = {0xE0: (b"JFIF\0", 14), 0xEE: (b"Adobe", 12)}  # segments that name the colour channels, and their least size


def read(data: bytes) -> Source:
    """Return a JPEG without thumbnails, comments and second pictures; skips bytes between segments, as libjpeg does.

    Raises Refused for more segments or scans than any camera or program writes.
    """
    head, at, scans, first, pixels = [b"\xff\xd8"], 2, 0, len(data), False
    said: dict[str, list[bytes]] = {"exif": [], "xmp": [], "icc": []}
    fine, damaged = False, 0
    for _ in range(MOST_PARTS):
        marker = MARKER.search(data, at)
        if marker is None or marker[0][1] == END:
            break
        if not pixels and marker.start() - at > MOST_PARTS:
            raise Refused("too_much_work")
        if scans and marker[0][1] not in BETWEEN:  # damaged pixels: libjpeg would discard all of them
            damaged = marker.start()
            break
        at, kind = marker.end(), marker[0][1]
        pixels = kind == SCAN
        if pixels and not scans:
            first = marker.start()
        scans += pixels
        if scans > MOST_SCANS:
            raise Refused("too_much_work")
        if kind in ALONE:
            continue
        segment = data[at : at + max(2, int.from_bytes(data[at : at + 2], "big"))]
        at += max(2, len(segment))
        if kind in FRAMES and len(segment) == 17:  # three channels, each with a number, a resolution and a table
            fine = len(set(segment[9::3])) == 1
        if not scans and _needed(kind, segment[2:], said):
            head.append(marker[0] + segment)
    else:
        raise Refused("too_much_work")
    if marker is None and pixels and scans == 1 and at >= len(data):
        raise Refused("broken")  # the file ends before its first pixel
    end = marker.end() if marker and not damaged else len(data)
    return Source(
        kind="JPEG",
        end=end,
        file=b"".join((*head, data[first : damaged or end])),
        profile=_profile(said["icc"]),
        exif=b"".join(said["exif"][:1]),
        xmp=b"".join(said["xmp"][:1]),
        scans=scans,
        fine=fine,
    )


def _needed(kind: int, content: bytes, said: dict[str, list[bytes]]) -> bool:
    """Return whether the decoder needs a segment; put its colours and orientation into `said`."""
    if kind in COLOURS:
        begins, least = COLOURS[kind]
        return content.startswith(begins) and len(content) >= least
    if 0xE0 <= kind <= 0xEF:
        for name, mark in (("exif", EXIF), ("xmp", XMP), ("icc", ICC)):
            if content.startswith(mark):
                said[name].append(content[len(mark) :])
        return False
    return not 0xF0 <= kind <= 0xFE


def _profile(parts: list[bytes]) -> bytes:
    """Return the colour profile of its numbered parts (ICC.1, B.4), or nothing where one is missing."""
    parts = sorted(part for part in parts if len(part) > 2)
    if [part[0] for part in parts] != list(range(1, len(parts) + 1)) or any(part[1] != len(parts) for part in parts):
        return b""
    return b"".join(part[2:] for part in parts)
