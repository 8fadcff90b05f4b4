"""Whatever an image file holds, the right RGB image comes out, or one clear line."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmselfsup.datasets.data_sources.decode import ImageError, decode_image
from mmselfsup.utils.errors import UserError

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


@pytest.mark.parametrize("ignore", ["", "_ignore_orientation"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "RGBA", "P", "I;16"])
def test_both_orders_hold_the_same_channels(mode: str, ignore: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = gradient().convert(mode) if mode != "I;16" else gradient().convert("L").convert(mode)
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
