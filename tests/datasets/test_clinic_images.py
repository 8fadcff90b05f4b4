"""Image files as microscopes and scanners write them are read as they are meant, or refused."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.datasets.data_sources import decode
from mmselfsup.datasets.data_sources.decode import ImageError, decode_pixels

UNIT = np.linspace(0, 1, 12 * 16).reshape(12, 16)  # [H, W]
COLOURS = np.dstack([UNIT, UNIT**2, 1 - UNIT])  # [H, W, 3]
FORMATS = {"u": 1, "i": 2, "f": 3}


def tiff(
    values: np.ndarray,
    photometric: int = 1,
    orientation: int = 1,
    end: str = "<",
    planes: bool = False,
) -> bytes:
    """Return an uncompressed TIFF file, written tag by tag; 0 for MINISWHITE."""
    stored = values.transpose(2, 0, 1) if planes else values
    data = stored.astype(values.dtype.newbyteorder(end)).tobytes()
    count = 1 if values.ndim == 2 else values.shape[2]
    bits, kind = values.dtype.itemsize * 8, FORMATS[values.dtype.kind]
    tags = [
        (256, [values.shape[1]]), (257, [values.shape[0]]), (258, [bits] * count), (259, [1]),
        (262, [2 if count == 3 else photometric]), (273, None), (274, [orientation]),
        (277, [count]), (278, [values.shape[0]]), (279, [len(data)]), (284, [2 if planes else 1]),
        (339, [kind] * count),
    ]  # fmt: skip
    place = 8 + 2 + 12 * len(tags) + 4
    entries, behind = b"", b""
    for tag, numbers in tags:
        if numbers is None or numbers == [len(data)]:
            offset = place + 6 * sum(len(n) > 2 for _, n in tags if n)
            number = len(data) if numbers else offset
            entries += struct.pack(end + "HHII", tag, 4, 1, number)
        elif len(numbers) > 2:
            entries += struct.pack(end + "HHII", tag, 3, len(numbers), place + len(behind))
            behind += struct.pack(f"{end}{len(numbers)}H", *numbers)
        else:
            entries += struct.pack(end + "HHIHH", tag, 3, 1, numbers[0], 0)
    start = b"II*\0" if end == "<" else b"MM\0*"
    head = start + struct.pack(end + "I", 8) + struct.pack(end + "H", len(tags))
    return head + entries + bytes(4) + behind + data


def read(values: np.ndarray, value_range: Any = None, **options: Any) -> np.ndarray:
    return np.asarray(decode_pixels(tiff(values, **options), value_range=value_range))


@pytest.mark.parametrize("end", "<>")
@pytest.mark.parametrize(
    ("values", "value_range"),
    [
        (UNIT.astype(np.float64), None),
        (COLOURS.astype(np.float32), None),
        (COLOURS * 255, None),
        ((UNIT * 4e9).astype(np.uint32), [0, 4e9]),
        ((UNIT * 255 - 128).astype(np.int8), [-128, 127]),
        ((UNIT * 3000 - 1000).astype(np.int16), [-1000, 2000]),
    ],
)
def test_numbers_of_any_kind(values: np.ndarray, value_range: Any, end: str) -> None:
    wanted = UNIT[..., None] if values.ndim == 2 else COLOURS
    assert np.abs(read(values, value_range, end=end) / 255 - wanted).max() < 0.005


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32, np.float64])
def test_zero_is_white_where_the_file_says_so(dtype: Any) -> None:
    white = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    value_range = [0, white] if dtype == np.uint32 else None
    pixels = read((UNIT * white).astype(dtype), value_range, photometric=0)
    assert np.abs(pixels / 255 - (1 - UNIT[..., None])).max() < 0.005


def test_orientation_and_grey() -> None:
    turned = read(COLOURS.astype(np.float32), orientation=6)
    assert turned.shape == (16, 12, 3)
    np.testing.assert_array_equal(turned, np.rot90(read(COLOURS.astype(np.float32)), -1))
    grey = decode_pixels(tiff(COLOURS.astype(np.float32)), "grayscale")
    assert np.asarray(grey).shape == (12, 16)


def test_what_opencv_reads_neither_is_named() -> None:
    with pytest.raises(ImageError, match=r"a TIFF file of 1 x 16 bits \(floats\) can't be read"):
        read(UNIT.astype(np.float16))
    array = io.BytesIO()
    np.save(array, (UNIT * 3000 - 1000).astype(np.int16))
    with pytest.raises(ImageError, match="16-bit integers from -1000 to 2000"):
        decode_pixels(array.getvalue())


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_planes_of_more_than_8_bits_are_refused(dtype: Any) -> None:
    """Both libraries give other values without a word."""
    white = 1 if dtype == np.float32 else 65535
    values = (COLOURS * white).astype(dtype)
    assert np.abs(read(values) / 255 - COLOURS).max() < 0.005
    with pytest.raises(ImageError, match="each channel in a plane of its own can't be read"):
        read(values, planes=True)


def test_the_limit_of_pixels_holds_for_these_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(decode.MAX_PIXELS, "100")
    with pytest.raises(ImageError, match="16 x 12 pixels, more than 100"):
        read(UNIT)


@pytest.mark.parametrize(("high", "white"), [(200, 255), (1023, 1023), (1024, 2047)])
def test_the_refusal_names_the_bits_in_use(high: int, white: int) -> None:
    with pytest.raises(ImageError, match=rf"value_range=\[0, {white}\]"):
        read((UNIT * high).astype(np.uint16))


@pytest.mark.parametrize("kind", ["P5", "P6"])
def test_value_range_counts_in_the_values_of_a_pgm_file(kind: str) -> None:
    values = (UNIT if kind == "P5" else COLOURS) * 4095
    data = f"{kind} 16 12 4095\n".encode() + values.astype(">u2").tobytes()
    wanted = values.reshape(12, 16, -1) / 4095
    for value_range, factor in ((None, 1), ([0, 4095], 1), ([0, 8190], 2)):
        pixels = np.asarray(decode_pixels(data, value_range=value_range))
        assert np.abs(pixels / 255 - wanted / factor).max() < 0.006
    opened = Image.open(io.BytesIO(data))
    if kind == "P5":
        with pytest.raises(ImageError, match="give the path"):
            decode.convert_pixels(opened, value_range=[0, 4095])
