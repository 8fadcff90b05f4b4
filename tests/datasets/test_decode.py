"""Whatever an image file holds, the right RGB image comes out, or one clear line."""

from __future__ import annotations

import io
import pickle
import re
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mmselfsup.datasets.data_sources import decode
from mmselfsup.datasets.data_sources.decode import ImageError, ImageReader, decode_image, open_rgb
from mmselfsup.utils.errors import ArgumentError, UserError

WIDTH, HEIGHT = 48, 40


def gradient() -> Image.Image:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return Image.fromarray(np.stack([x * 5, y * 6, 255 - x * 5], axis=-1).astype(np.uint8))


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def as_floats(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(float)


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("JPEG", 4), ("PNG", 0), ("BMP", 0), ("TIFF", 0), ("WEBP", 12)]
)
def test_color_formats(kind: str, tolerance: float) -> None:
    data = (
        encode(gradient(), kind, quality=98)
        if kind in ("JPEG", "WEBP")
        else encode(gradient(), kind)
    )
    image = decode_image(data)
    assert image.mode == "RGB"
    assert image.size == (WIDTH, HEIGHT)
    assert np.abs(as_floats(image) - as_floats(gradient())).mean() <= tolerance


def test_jpeg_is_what_pillow_reads() -> None:
    data = encode(gradient(), "JPEG", quality=80)
    ours, theirs = as_floats(decode_image(data)), as_floats(Image.open(io.BytesIO(data)))
    assert np.abs(ours - theirs).max() <= 2


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK"])
def test_modes_become_rgb(mode: str) -> None:
    source = gradient().convert(mode)
    data = encode(source, "JPEG" if mode == "CMYK" else "PNG")
    image = decode_image(data)
    assert image.mode == "RGB"
    assert np.abs(as_floats(image) - as_floats(source.convert("RGB"))).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_keeps_the_upper_byte(kind: str) -> None:
    values = np.linspace(0, 65535, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype(np.uint16)
    image = decode_image(encode(Image.fromarray(values), kind))
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image)[..., 0].astype(int) - (values >> 8)).max() <= 1


def grey_values() -> np.ndarray:
    return np.asarray(gradient().convert("L"))


def saved(values: np.ndarray, kind: str) -> bytes:
    """The file of values of any type, grey, or colour in the order RGB."""
    ok, data = cv2.imencode(kind, values[..., ::-1] if values.ndim == 3 else values)
    assert ok
    return data.tobytes()


@pytest.mark.parametrize(
    ("values", "value_range"),
    [
        (grey_values().astype(np.float32) / 255, None),
        (grey_values().astype(np.float32), None),
        (grey_values().astype(np.int32), None),
        (grey_values().astype(np.float32) / 255, (0, 1)),
        (grey_values().astype(np.float32) * 10 - 500, (-500, 2050)),
        (grey_values().astype(np.int32) * 200, (0, 51000)),
        (grey_values().astype(np.uint16) * 16, (0, 4080)),
    ],
)
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_more_than_8_bits_are_scaled(values: np.ndarray, value_range: Any, order: str) -> None:
    data = encode(Image.fromarray(values), "TIFF")
    image = np.asarray(decode_image(data, "color", order, value_range))
    np.testing.assert_array_equal(image, np.repeat(grey_values()[..., None], 3, axis=2))
    grey = decode_image(data, "grayscale", order, value_range)
    np.testing.assert_array_equal(np.asarray(grey), grey_values())


@pytest.mark.parametrize("kind", [".png", ".tif"])
def test_colours_of_16_bits_are_scaled(kind: str) -> None:
    pixels = np.asarray(gradient())
    for values, value_range in ((pixels.astype(np.uint16) * 16, (0, 4080)), (pixels, (0, 9))):
        image = decode_image(saved(values, kind), value_range=value_range)
        np.testing.assert_array_equal(image, pixels)  # 8 bits stay as they are
        bgr = np.asarray(decode_image(saved(values, kind), "color", "bgr", value_range))
        np.testing.assert_array_equal(bgr[..., ::-1], pixels)
    upper = decode_image(saved(pixels.astype(np.uint16) * 257, kind))
    np.testing.assert_array_equal(upper, pixels)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (grey_values().astype(np.float32) * 2, r"floats from 58 to 420, and nothing says which"),
        (grey_values().astype(np.float32) - 30, "floats from -1 to 180"),
        (grey_values().astype(np.int32) * 200, "32-bit integers from 5800"),
        (np.full((4, 4), np.nan, np.float32), "not finite"),
        (np.full((4, 4), 4095, np.uint16), r"only 12 or fewer are in use .*=\[0, 4095\]"),
    ],
)
def test_values_that_nobody_can_tell_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_image(encode(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("kind", [".png", ".tif"])
@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3)])
def test_12_bits_in_16_are_refused(kind: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 4096, shape).astype(np.uint16)
    with pytest.raises(ImageError, match="only 12 or fewer"):
        decode_image(saved(values, kind))
    assert np.asarray(decode_image(saved(values, kind), value_range=(0, 4095))).max() > 240
    assert not np.asarray(decode_image(saved(values * np.uint16(0), kind))).any()  # black is black


def test_a_header_that_says_which_value_is_white() -> None:
    values = np.array([0, 1000, 4000, 4095], ">u2")
    image = decode_image(b"P5 4 1 4095\n" + values.tobytes())
    assert np.asarray(image)[0, :, 0].tolist() == [0, 62, 250, 255]


@pytest.mark.parametrize("value_range", [(1, 0), (0, 0), [1], "ab", (0, float("inf")), 3])
def test_wrong_value_ranges(value_range: Any) -> None:
    with pytest.raises(ArgumentError, match="value_range must be"):
        ImageReader("color", "rgb", dict(backend="disk"), value_range)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF"])
@pytest.mark.parametrize("color_type", ["color", "grayscale", "unchanged"])
def test_too_many_pixels_are_refused_before_decoding(
    monkeypatch: pytest.MonkeyPatch, kind: str, color_type: str
) -> None:
    data = noise(kind)  # 64 x 64
    monkeypatch.setenv("MMSELFSUP_MAX_PIXELS", "4096")
    assert decode_image(data, color_type).size == (64, 64)
    monkeypatch.setenv("MMSELFSUP_MAX_PIXELS", "0")
    assert decode_image(data, color_type).size == (64, 64)
    monkeypatch.setenv("MMSELFSUP_MAX_PIXELS", "4095")
    monkeypatch.setattr(decode.cv2, "imdecode", None)
    monkeypatch.setattr(Image.Image, "load", None)
    with pytest.raises(ImageError, match=r"64 x 64 pixels, more than 4095; .*MAX_PIXELS=4096"):
        decode_image(data, color_type)


def test_a_small_file_of_a_huge_image(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(noise("PNG"))
    data = bytearray(path.read_bytes())
    data[16:24] = (20000).to_bytes(4, "big") * 2
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"bomb\.png: the image has 20000 x 20000 pixels"):
        open_rgb(path)


@pytest.mark.parametrize("progressive", [False, True])
def test_the_size_is_that_of_the_image_and_not_of_its_thumbnail(progressive: bool) -> None:
    exif = Image.Exif()
    exif[0x010E] = encode(gradient(), "JPEG").decode("latin1")
    data = noise("JPEG", progressive=progressive, exif=exif)
    assert decode.image_size(data) == (64, 64)
    assert decode.image_size(data[:2] + b"\xff\xff\xff" + data[2:]) == (64, 64)
    assert decode.image_size(data[:8]) is None


def test_a_wrong_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMSELFSUP_MAX_PIXELS", "many")
    with pytest.raises(UserError, match="MMSELFSUP_MAX_PIXELS='many': give a number"):
        decode_image(noise("JPEG"))


def test_transparent_pixels_keep_their_color() -> None:
    source = gradient().convert("RGBA")
    source.putalpha(0)
    np.testing.assert_array_equal(decode_image(encode(source, "PNG")), gradient())


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_exif_orientation(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    data = encode(gradient(), kind, exif=exif)
    upright = as_floats(gradient().transpose(Image.Transpose.ROTATE_270))
    assert decode_image(data).size == (HEIGHT, WIDTH)
    assert np.abs(as_floats(decode_image(data)) - upright).mean() < 6
    if kind == "JPEG":
        assert decode_image(data, "color_ignore_orientation").size == (WIDTH, HEIGHT)


def test_color_type_and_channel_order() -> None:
    for kind in ("PNG", "BMP"):  # OpenCV and Pillow
        data = encode(gradient(), kind)
        bgr = np.asarray(decode_image(data, channel_order="bgr"))
        np.testing.assert_array_equal(bgr[..., ::-1], gradient())
        gray = decode_image(data, "grayscale")
        assert gray.mode == "L"
        assert np.abs(as_floats(gray) - as_floats(gradient().convert("L"))).max() <= 1
        assert decode_image(data, "grayscale", "bgr").mode == "L"
    assert decode_image(encode(gradient().convert("RGBA"), "PNG"), "unchanged").mode == "RGBA"


@pytest.mark.parametrize(
    ("kind", "value"), [(b"gAMA", (45455).to_bytes(4, "big")), (b"sRGB", b"\0")]
)
def test_grey_does_not_depend_on_the_gamma_of_a_png_file(kind: bytes, value: bytes) -> None:
    plain = encode(gradient(), "PNG")
    chunk = kind + value
    head = 8 + 25  # the signature and IHDR, behind which the chunk stands
    length, check = (n.to_bytes(4, "big") for n in (len(value), zlib.crc32(chunk)))
    data = plain[:head] + length + chunk + check + plain[head:]
    luma = as_floats(gradient().convert("L"))
    assert np.abs(as_floats(decode_image(data, "grayscale")) - luma).max() <= 1
    assert as_floats(decode_image(data)).tolist() == as_floats(decode_image(plain)).tolist()


@pytest.mark.parametrize("ignore", ["", "_ignore_orientation"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA", "P", "I;16"])
def test_both_orders_hold_the_same_channels(mode: str, ignore: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = np.asarray(gradient().convert("L"))
    source = gradient().convert(mode) if mode != "I;16" else Image.fromarray(grey * np.uint16(257))
    data = encode(source, "JPEG" if mode in ("RGB", "L", "CMYK") else "PNG", exif=exif)
    rgb, bgr = (np.asarray(decode_image(data, f"color{ignore}", order)) for order in ("rgb", "bgr"))
    assert rgb.shape == ((HEIGHT, WIDTH, 3) if ignore else (WIDTH, HEIGHT, 3))
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])


def noise(kind: str, **options: Any) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    return encode(Image.fromarray(pixels), kind, **options)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_truncated(kind: str) -> None:
    whole = noise(kind)
    with pytest.raises(ImageError, match=r"damaged|no image"):
        decode_image(whole[: len(whole) // 2])


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_that_ends_in_zeros_as_a_broken_download_does(progressive: bool) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a thumbnail ends like a JPEG: \u00ff\u00d9".encode("latin1")
    whole = noise("JPEG", progressive=progressive, exif=exif)
    assert whole.count(b"\xff\xd9") == 2
    assert decode_image(whole + b"appended by a camera").size == (64, 64)
    with pytest.raises(ImageError, match="its end is missing"):
        decode_image(whole[: len(whole) // 2] + bytes(4000))


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "empty"), (b"hello", "no image"), (b"\xff\xd8\xff\xd9", "image")]
)
def test_no_image(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_image(data)


def test_errors_stay_one_line_on_their_way_out_of_a_worker() -> None:
    from torch._utils import ExceptionWrapper

    try:
        try:
            raise OSError("cause")
        except OSError as cause:
            raise ImageError("a.jpg: the file is damaged; replace it") from cause
    except ImageError:
        wrapper = ExceptionWrapper(where="in DataLoader worker process 0")
    with pytest.raises(UserError) as caught:
        wrapper.reraise()
    assert str(caught.value) == "a.jpg: the file is damaged; replace it"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("color_type", ["color", "grayscale", "unchanged"])
def test_formats_that_are_programs_are_refused_under_any_name(
    color_type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_ghostscript(*_: Any, **__: Any) -> None:
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", no_ghostscript)
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(gradient(), "EPS"))
    reader = ImageReader(color_type, "rgb", {"backend": "disk"})
    with pytest.raises(ImageError, match="of another format than JPEG"):
        reader.read(str(path))


def test_every_file_that_pillow_opens_is_of_a_named_format() -> None:
    root = Path(decode.__file__).parents[3]
    calls = [
        (path, call)
        for folder in ("mmselfsup", "tools", "benchmarks")
        for path in (root / folder).rglob("*.py")
        for call in re.findall(r"\bImage\.open\((?:[^()]|\([^()]*\))*\)", path.read_text("utf-8"))
    ]
    assert calls
    assert [(path, call) for path, call in calls if "formats=" not in call] == []
