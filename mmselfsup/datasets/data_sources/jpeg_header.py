"""What stands before the pixels of a JPEG file: its segments, its size and its EXIF orientation.

Colour profiles, previews and editors' data may fill any number of segments before the one with the
EXIF data. Source: ITU-T T.81, annex B (segments); EXIF 2.3, section 4.5.4 (APP1).
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL.TiffImagePlugin import ImageFileDirectory_v2
from PIL.TiffTags import SHORT

JPEG, _END = b"\xff\xd8\xff", b"\xff\xd9"
_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN, _APP1 = 0xDA, 0xE1
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers that no segment follows
_EXIF = b"Exif\0\0"
_ORIENTATION = 0x0112  # EXIF tag


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, first byte and end of the content of each segment, up to the first scan."""
    at = 2
    while at + 4 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xFF:  # bytes that fill the gap to a marker
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            yield marker, at + 4, end
            if marker == _START_OF_SCAN:
                return
            at = end


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG file; None where nothing says them."""
    for marker, start, _ in segments(data):
        if marker in _START_OF_FRAME and start + 5 <= len(data):
            height, width = (int.from_bytes(data[i : i + 2], "big") for i in (start + 1, start + 3))
            return width, height
    return None


def jpeg_has_end(data: bytes) -> bool:
    """Return whether the pixels of a JPEG file have an end marker, whatever follows it."""
    if data.endswith(_END):
        return True
    at = 2  # the pixels begin after all segments: a thumbnail in one has an end marker of its own
    for marker, start, end in segments(data):
        at = start if marker == _START_OF_SCAN else end
    return data.find(_END, at) >= 0


def jpeg_orientation(data: bytes) -> int | None:
    """Return the EXIF orientation of a JPEG file, 1 to 8; None if it is unclear.

    That of XMP data does not count, as for OpenCV.
    """
    for marker, start, end in segments(data):
        if marker == _APP1 and data.startswith(_EXIF, start):
            try:
                value = _orientation(data[start + len(_EXIF) : end])
            except Exception:  # whatever Pillow finds wrong in it, OpenCV may read the pixels
                return None
            return value if value in range(1, 9) else None
    return 1


def _orientation(exif: bytes) -> int | None:
    """Return the orientation in EXIF data; None where it is no number of 16 bits.

    OpenCV reads the first two bytes of any other kind.
    """
    tags = ImageFileDirectory_v2(exif[:8])
    file = io.BytesIO(exif)
    file.seek(tags.next)
    tags.load(file)
    if _ORIENTATION not in tags:
        return 1
    return tags[_ORIENTATION] if tags.tagtype[_ORIENTATION] == SHORT else None
